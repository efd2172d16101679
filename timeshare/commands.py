"""The commands that run scenarios and show results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reports.plots.draw import draw_all
from reports.result import load
from reports.summary import summary
from reports.tables import report as report_tables
from scenarios.jobs import VisionJob
from scenarios.loader import load_scenario
from scenarios.result import OutputError, result_directory
from timeshare.cli import EXIT_MISSED
from timeshare.profiling import record
from timeshare.running import run as run_scenario
from timeshare.running import run_comparison
from timeshare.terminal import Terminal
from timeshare.workers import cpus_to_use
from workloads.vision.replay import profile_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from reports.result import Result
    from scenarios.result import Output
    from scenarios.schema import Scenario

RESULTS = Path("results")
PLOTS = "plots"


def run(  # noqa: PLR0913 - one argument an option
    *,
    scenario: str,
    overrides: Sequence[str],
    seed: int | None,
    out: Path | None,
    scheduler: str | None,
    slices: bool,
    replication: int,
    as_json: bool,
    quiet: bool,
) -> int:
    """`timeshare run`."""
    terminal = Terminal(as_json, quiet)
    loaded = _load(scenario, overrides, seed, terminal)
    policy = (scheduler or loaded.scheduler.policy).replace(":", ".")
    target = out or RESULTS / f"{loaded.name}-{policy}"

    def fill(directory: Path) -> Output:
        with terminal.progress(f"simulating {loaded.name}") as progress:
            return run_scenario(
                loaded,
                scheduler=scheduler,
                replication=replication,
                all_slices=slices,
                progress=progress,
                directory=directory,
            )

    return _finish(fill, target, terminal)


def compare(  # noqa: PLR0913 - one argument an option
    *,
    scenario: str,
    overrides: Sequence[str],
    seed: int | None,
    out: Path | None,
    schedulers: str,
    replications: int | Literal["auto"],
    max_replications: int,
    jobs: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """`timeshare compare`."""
    terminal = Terminal(as_json, quiet)
    loaded = _load(scenario, overrides, seed, terminal)
    target = out or RESULTS / f"{loaded.name}-compared"
    names = [name.strip() for name in schedulers.split(",") if name.strip()]

    def fill(_directory: Path) -> Output:
        with terminal.progress(f"comparing on {loaded.name}") as progress:
            return run_comparison(
                loaded,
                names,
                replications,
                max_replications=max_replications,
                jobs=jobs or cpus_to_use(),
                progress=progress,
            )

    return _finish(fill, target, terminal)


def report(*, result_dir: Path, svg: bool, out: Path | None, as_json: bool, quiet: bool) -> int:
    """`timeshare report`."""
    result = load(result_dir)
    target = out or result_dir / PLOTS
    try:
        draw_all(result, target, svg=svg)
    except OSError as error:
        raise OutputError(f"{target}: the pictures cannot be written: {error.strerror or error}") from error
    return _show(result, target, Terminal(as_json, quiet))


def _load(scenario: str, overrides: Sequence[str], seed: int | None, terminal: Terminal) -> Scenario:
    """Read the scenario; record the models in it that were never recorded, where that can be watched."""
    seeded = [] if seed is None else [f"seed={seed}"]
    loaded = load_scenario(scenario, [*overrides, *seeded])
    for job in loaded.jobs.values():
        if isinstance(job, VisionJob) and job.model is not None:
            profile_of(job.model, lambda model: record(model, terminal))
    return loaded


def _finish(fill: Callable[[Path], Output], target: Path, terminal: Terminal) -> int:
    """Simulate, write the result and its pictures, all or nothing, and show it."""
    with result_directory(target) as directory:
        fill(directory).write(directory)
        draw_all(load(directory), directory / PLOTS)
    return _show(load(target), target / PLOTS, terminal)


def _show(result: Result, plots: Path, terminal: Terminal) -> int:
    content = summary(result)
    terminal.show(report_tables(content))
    terminal.data(content)
    terminal.note(f"\nresult in {result.directory}, pictures in {plots}")
    return 0 if all(threshold["passed"] for threshold in content["thresholds"]) else EXIT_MISSED
