"""Run or compare a scenario and get a result that reports can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from reports.metrics import long_metrics
from reports.result import Result
from scenarios.loader import load_scenario
from scenarios.result import Output
from scenarios.runner import Simulation
from scenarios.schema import Scenario
from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    Progress = Callable[[float], None]

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
    scenario: Scenario | str | PathLike[str], schedulers: Sequence[str], *, replications: int = 30
) -> Result:
    """Simulate a scenario under several schedulers with common random numbers; return the comparison.

    Args:
        scenario: as for `simulate`.
        schedulers: names of policies, at least one, none twice.
        replications: independent repetitions of each, >= 1.

    Raises:
        TimeshareError: anything wrong with the scenario or the schedulers.
    """
    return as_result(run_comparison(_loaded(scenario), schedulers, replications))


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
) -> Output:
    """Simulate once; `progress` is told the part that is done, 0 to 1."""
    simulation = Simulation(scenario, policy=scheduler, replication=replication, all_slices=all_slices)
    duration = scenario.duration_ns
    return simulation.run(None if progress is None else lambda now: progress(now / duration))


def run_comparison(
    scenario: Scenario,
    schedulers: Sequence[str],
    replications: int,
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
    metrics: list[pd.DataFrame] = []
    kept: dict[str, list[pa.Table]] = {name: [] for name in COMPARED_TABLES}
    manifest: dict[str, Any] = {}
    runs = len(schedulers) * replications
    for at_scheduler, name in enumerate(schedulers):
        for replication in range(replications):
            output = run(scenario, scheduler=name, replication=replication)
            long = long_metrics(as_result(output))
            long.insert(0, "scheduler", name)
            long.insert(1, "replication", replication)
            metrics.append(long)
            if replication == 0:
                for table, parts in kept.items():
                    parts.append(_labelled(output.tables[table], name))
                manifest = manifest or dict(output.manifest)
            if progress is not None:
                progress((at_scheduler * replications + replication + 1) / runs)
    manifest |= {"kind": "comparison", "schedulers": list(schedulers), "replications": replications}
    del manifest["scheduler"], manifest["replication"]
    tables = {name: pa.concat_tables(parts) for name, parts in kept.items()}
    tables["replications"] = pa.Table.from_pandas(pd.concat(metrics), preserve_index=False)
    return Output(manifest, tables)


def _labelled(table: pa.Table, scheduler: str) -> pa.Table:
    return table.add_column(0, "scheduler", pa.array([scheduler] * table.num_rows, pa.string()))


def _loaded(scenario: Scenario | str | PathLike[str]) -> Scenario:
    return scenario if isinstance(scenario, Scenario) else load_scenario(scenario)
