"""Published figures, drawn anew from simulations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from reports.metrics import machine_metrics
from reports.plots.draw import save
from reports.plots.ostep import ostep_fairness
from scenarios.loader import load_scenario
from scenarios.result import OutputError
from simulator.errors import TimeshareError
from timeshare.running import simulate
from timeshare.terminal import Terminal
from timeshare.workers import Workers, cpus_to_use

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    Draw = Callable[[int, Callable[[float], None]], Figure]

LENGTHS = (1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 200, 300, 500, 700, 1000)
TRIALS = 30
SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True)
class Published:
    """A figure that can be drawn.

    Attributes:
        shows: what it shows, in a line.
        draw: simulates in so many processes, tells how much is done, and draws.
    """

    shows: str
    draw: Draw


def figure(*, name: str, out: Path | None, jobs: int | None, as_json: bool, quiet: bool) -> int:
    """`timeshare figure`."""
    if name not in FIGURES:
        raise TimeshareError(f"no figure is called '{name}'; there are: {', '.join(FIGURES)}")
    target = out or Path(f"{name}.png")
    if target.suffix not in SUFFIXES:
        raise TimeshareError(f"--out {target}: cannot draw that; end the name in {', '.join(SUFFIXES)}")
    if not target.parent.is_dir():
        raise TimeshareError(f"--out {target}: there is no directory {target.parent}")
    terminal = Terminal(as_json, quiet)
    with terminal.progress(f"simulating for {name}") as progress:
        drawn = FIGURES[name].draw(jobs or cpus_to_use(), progress)
    try:
        save(drawn, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
    terminal.data({"figure": name, "file": str(target)})
    terminal.note(f"figure in {target}")
    return 0


def fairness_by_length(
    lengths: Sequence[int], trials: int, *, jobs: int = 1, progress: Callable[[float], None] | None = None
) -> dict[str, pd.DataFrame]:
    """Simulate the library's `ostep-fairness` with jobs of several lengths.

    Args:
        lengths: the jobs' lengths in quanta.
        trials: simulations of each length under lottery; stride leaves nothing to chance and has one.
        jobs: processes to simulate in; the result does not depend on it.
        progress: told the part that is done.

    Returns:
        Per scheduler, one row a simulation: `quanta` and `finish_ratio`.
    """
    calls = [("lottery", quanta, trial) for quanta, trial in product(lengths, range(trials))]
    calls += [("stride", quanta, 0) for quanta in lengths]
    ratios = []
    with Workers(two_equal_jobs, jobs) as workers:
        for ratio in workers.results(calls):
            ratios.append(ratio)
            if progress is not None:
                progress(len(ratios) / len(calls))
    frame = pd.DataFrame(calls, columns=["scheduler", "quanta", "trial"]).assign(finish_ratio=ratios)
    return {str(name): own for name, own in frame.groupby("scheduler", sort=False)}


def two_equal_jobs(scheduler: str, quanta: int, trial: int) -> float:
    """Return first over last finish of the two jobs of `ostep-fairness`, each so many quanta long."""
    work = f"{10 * quanta}ms"
    scenario = load_scenario("ostep-fairness", [f"jobs.first.work={work}", f"jobs.second.work={work}"])
    return machine_metrics(simulate(scenario, scheduler=scheduler, replication=trial))["finish_ratio"]


def _ostep_fairness(jobs: int, progress: Callable[[float], None]) -> Figure:
    return ostep_fairness(fairness_by_length(LENGTHS, TRIALS, jobs=jobs, progress=progress))


FIGURES: dict[str, Published] = {
    "ostep-fairness": Published(
        "How far apart two equal jobs finish, by their length (OSTEP, figure 9.2).", _ostep_fairness
    ),
}
"""The figures that can be drawn, by name."""
