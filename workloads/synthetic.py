"""Synthetic programs: the plainest ones that tell schedulers apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.base import Context, Workload

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from simulator.syscalls import SystemCalls

SMALL_HEAP_BYTES = 1 << 20
FOR_EVER_NS = 1 << 60
"""Thirty-six years of CPU time."""


def cpu_bound(context: Context, work_ns: int | None = None) -> Workload:  # noqa: ARG001 - as every workload
    """Return a program that computes without a pause.

    Args:
        context: the job.
        work_ns: CPU time after which it exits; None computes on and on.
    """

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        yield system.compute(FOR_EVER_NS if work_ns is None else work_ns)

    return Workload(program, SMALL_HEAP_BYTES)


def interactive(context: Context, compute_ns: int, sleep_ns: int) -> Workload:  # noqa: ARG001 - as every workload
    """Return a program that computes a little, then sleeps, over and over.

    Args:
        context: the job.
        compute_ns: CPU time of each round.
        sleep_ns: length of each sleep.
    """

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        while True:
            yield system.compute(compute_ns)
            yield system.sleep(sleep_ns)

    return Workload(program, SMALL_HEAP_BYTES)
