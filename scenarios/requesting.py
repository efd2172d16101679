"""From a job's arrivals to the source of its requests, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from scenarios.arrivals import Bursts, Camera, ClosedLoop, FileOfTimes, Poisson
from scenarios.mlperf import MlperfArrivals, MultiStream, Offline, Server, SingleStream
from scenarios.problems import Finding
from simulator.sources import Source
from workloads.arrivals import burst_times, camera_times, poisson_times, together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scenarios.arrivals import Arrivals
    from simulator.dispatcher import Dispatcher
    from simulator.tables import Int64s


PercentileRule = Literal["any", "soft", "early-stopping", "mlperf"]
"""How many requests it takes to state a percentile of their latency (`reports.support`)."""


def make_source(
    kernel: Dispatcher, arrivals: Arrivals, *, start_ns: int, random: np.random.Generator
) -> Source:
    """Return the source of a job's requests.

    Args:
        kernel: serves them.
        arrivals: as the scenario has them.
        start_ns: when the job starts.
        random: the stream that arrivals of this job alone draw from.
    """
    if isinstance(arrivals, ClosedLoop):
        return Source.closed_loop(kernel, think_ns=arrivals.think_ns)
    if isinstance(arrivals, SingleStream | MultiStream):
        return Source.closed_loop(kernel, samples=arrivals.samples_per_query)
    times = _times(arrivals, start_ns, random)
    if isinstance(arrivals, Server | Offline):
        return Source.outside(kernel, times)
    return Source.outside(kernel, times, capacity=arrivals.capacity, when_full=arrivals.when_full)


def _times(
    arrivals: Camera | Poisson | Bursts | FileOfTimes | Server | Offline,
    start_ns: int,
    random: np.random.Generator,
) -> Iterable[Int64s]:
    """Return when requests arrive, in nanoseconds, in arrays."""
    match arrivals:
        case Camera():
            first, late = start_ns + arrivals.phase_ns, arrivals.jitter_ns
            return camera_times(arrivals.fps, start_ns=first, jitter_ns=late, random=random)
        case Bursts():
            return burst_times(
                arrivals.every_ns,
                count=arrivals.count,
                spacing_ns=arrivals.spacing_ns,
                start_ns=start_ns + arrivals.phase_ns,
                jitter_ns=arrivals.jitter_ns,
                random=random,
            )
        case FileOfTimes():
            return [np.array(arrivals.times_ns, np.int64) + start_ns]
        case Offline():
            return together(arrivals.samples, at_ns=start_ns)
        case Poisson() | Server():
            return poisson_times(arrivals.rate, start_ns=start_ns, random=random)


def deadline_of(job: object) -> int | None:
    """Return a job's relative deadline in nanoseconds, None without one; a server's bound is its deadline."""
    arrivals = getattr(job, "arrivals", None)
    if isinstance(arrivals, Server):
        return arrivals.bound_ns
    deadline: int | None = getattr(job, "deadline_ns", None)
    return deadline


def samples_per_query(job: object) -> int:
    """Return how many of a job's requests are one query."""
    arrivals = getattr(job, "arrivals", None)
    return arrivals.samples_per_query if isinstance(arrivals, MlperfArrivals) else 1


def percentile_rule(job: object, chosen: PercentileRule | None) -> PercentileRule:
    """Return which percentiles of a job's latency are stated.

    MLPerf's arrivals have MLPerf's rule, or that of its early stopping if it is chosen: nothing laxer.
    """
    if isinstance(getattr(job, "arrivals", None), MlperfArrivals):
        return "early-stopping" if chosen == "early-stopping" else "mlperf"
    return chosen or "soft"


def are_finite(job: object) -> bool:
    """Return whether a longer run has no more requests of a job."""
    return requests_of(job) is not None or isinstance(getattr(job, "arrivals", None), FileOfTimes | Offline)


def requests_of(job: object) -> int | None:
    """Return after how many requests a job exits; None if it serves on."""
    arrivals = getattr(job, "arrivals", None)
    wanted: int | None = getattr(job, "requests", None)
    return arrivals.samples if wanted is None and isinstance(arrivals, Offline) else wanted


def check_deadlines(jobs: Mapping[str, object]) -> list[Finding]:
    """Return a finding for each job that has both a server's latency bound and a deadline."""
    message = "the latency bound of arrivals `server` is the deadline; leave `deadline` out"
    return [
        Finding(("jobs", name, "deadline"), message, on_key=True)
        for name, job in jobs.items()
        if isinstance(getattr(job, "arrivals", None), Server)
        if getattr(job, "deadline_ns", None) is not None
    ]
