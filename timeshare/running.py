"""Run or compare a scenario and get a result that reports can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa

from reports.metrics import long_metrics
from reports.result import Result
from reports.stopping import judge, next_total
from scenarios.loader import load_scenario
from scenarios.result import Output
from scenarios.runner import Simulation
from scenarios.schema import Scenario
from simulator.errors import TimeshareError
from timeshare.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    Progress = Callable[[float], None]
    Replications = int | Literal["auto"]

MAX_REPLICATIONS = 100
"""The most replications that are made where the number is not given."""
OF_ONE_RUN = ("scheduler", "replication")
"""Keys of a run's manifest that a comparison's has not."""
COMPARED_TABLES = ("processes", "requests", "cpu")
"""Tables of each scheduler's first replication that a comparison keeps."""


def simulate(
    scenario: Scenario | str | PathLike[str], *, scheduler: str | None = None, replication: int = 0
) -> Result:
    """Simulate a scenario and return its result, in memory.

    Args:
        scenario: a scenario, the name of a library scenario, or the path of a file.
        scheduler: another policy than the scenario's.
        replication: which independent repetition of its random draws.

    Raises:
        TimeshareError: anything wrong with the scenario.
    """
    return as_result(run(_loaded(scenario), scheduler=scheduler, replication=replication))


def compare(
    scenario: Scenario | str | PathLike[str],
    schedulers: Sequence[str],
    *,
    replications: Replications = "auto",
    max_replications: int = MAX_REPLICATIONS,
    jobs: int = 1,
) -> Result:
    """Simulate a scenario under several schedulers with common random numbers; return the comparison.

    Args:
        scenario: as for `simulate`.
        schedulers: names of policies, at least one, none twice.
        replications: independent repetitions of each, >= 1; "auto" adds some until every interval of the
            fairness table is within 1 % (`reports.stopping`).
        max_replications: the most that "auto" may make, >= 1.
        jobs: processes to simulate in; the result does not depend on it. With more than one, a script must
            do its work under `if __name__ == "__main__":`, as worker processes import it.

    Raises:
        TimeshareError: anything wrong with the scenario or the schedulers.
        ValueError: a number below 1.
    """
    if min(max_replications, jobs, 1 if replications == "auto" else replications) < 1:
        raise ValueError("replications, max_replications and jobs are at least 1")
    return as_result(
        run_comparison(
            _loaded(scenario), schedulers, replications, max_replications=max_replications, jobs=jobs
        )
    )


def as_result(output: Output) -> Result:
    """Return an output as reports read it."""
    return Result.from_tables(output.manifest, output.tables)


def run(
    scenario: Scenario,
    *,
    scheduler: str | None = None,
    replication: int = 0,
    all_slices: bool = False,
    progress: Progress | None = None,
    directory: Path | None = None,
) -> Output:
    """Simulate once.

    Args:
        scenario: the scenario.
        scheduler: another policy than its own.
        replication: which independent repetition.
        all_slices: keep every slice on record.
        progress: is told the part that is done, 0 to 1.
        directory: where tables that grow with time are written on the way; None keeps them in memory.
    """
    simulation = Simulation(
        scenario, policy=scheduler, replication=replication, all_slices=all_slices, directory=directory
    )
    duration = scenario.duration_ns
    return simulation.run(None if progress is None else lambda now: progress(now / duration))


def run_comparison(
    scenario: Scenario,
    schedulers: Sequence[str],
    replications: Replications = "auto",
    *,
    max_replications: int = MAX_REPLICATIONS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Output:
    """Simulate under each scheduler, each replication; return metrics of all and tables of the first."""
    doubled = [name for at, name in enumerate(schedulers) if name in schedulers[:at]]
    if doubled or not schedulers:
        raise TimeshareError(
            f"--schedulers: {doubled[0]} is named twice" if doubled else "--schedulers: none named"
        )
    for name in schedulers:
        # A wrong name must show before the first of many runs, not after.
        Simulation(scenario, policy=name)
    adaptive = replications == "auto"
    most = max_replications if replications == "auto" else replications
    found: dict[str, list[Replicated]] = {name: [] for name in schedulers}
    with Workers(replicate, jobs) as workers:
        count = 0
        while count < most and not (adaptive and count and judge(_metrics(found)).enough):
            total = next_total(count, most) if adaptive else most
            calls = [(scenario, name, number) for number in range(count, total) for name in schedulers]
            for at, replicated in enumerate(workers.results(calls), start=1):
                found[replicated.scheduler].append(replicated)
                if progress is not None:
                    progress((count + at / len(schedulers)) / most)
            count = total
    firsts = [found[name][0] for name in schedulers]
    manifest = {key: value for key, value in firsts[0].manifest.items() if key not in OF_ONE_RUN}
    manifest |= {"kind": "comparison", "schedulers": list(schedulers)}
    manifest |= {"replications": count, "adaptive": adaptive}
    tables = {name: pa.concat_tables([first.tables[name] for first in firsts]) for name in COMPARED_TABLES}
    tables["replications"] = pa.Table.from_pandas(_metrics(found), preserve_index=False)
    return Output(manifest, tables)


@dataclass(frozen=True)
class Replicated:
    """What a comparison keeps of one replication under one scheduler; tables of the first alone."""

    scheduler: str
    metrics: pd.DataFrame
    manifest: Mapping[str, Any]
    tables: Mapping[str, pa.Table]


def replicate(scenario: Scenario, scheduler: str, replication: int) -> Replicated:
    """Simulate one replication and keep what a comparison needs of it."""
    output = run(scenario, scheduler=scheduler, replication=replication)
    long = long_metrics(as_result(output))
    long.insert(0, "scheduler", scheduler)
    long.insert(1, "replication", replication)
    if replication:
        return Replicated(scheduler, long, {}, {})
    kept = {name: _labelled(output.tables[name], scheduler) for name in COMPARED_TABLES}
    return Replicated(scheduler, long, output.manifest, kept)


def _metrics(found: Mapping[str, Sequence[Replicated]]) -> pd.DataFrame:
    """Join the metrics of all replications, by scheduler."""
    return pd.concat([replicated.metrics for own in found.values() for replicated in own], ignore_index=True)


def _labelled(table: pa.Table, scheduler: str) -> pa.Table:
    return table.add_column(0, "scheduler", pa.array([scheduler] * table.num_rows, pa.string()))


def _loaded(scenario: Scenario | str | PathLike[str]) -> Scenario:
    return scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
