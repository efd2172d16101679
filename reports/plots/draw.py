"""All plots of a result as files, with the same bytes each time."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from reports.plots import style
from reports.plots.address_space import address_space
from reports.plots.comparison import comparison
from reports.plots.cpu import cpu_share
from reports.plots.gantt import gantt
from reports.plots.heap import heap_map
from reports.plots.latency import latency
from reports.plots.memory import memory
from reports.plots.memory_limits import memory_limits
from reports.plots.memory_map import memory_map
from reports.plots.paging import paging
from reports.plots.waits import runqueue_latency
from reports.result import Result

_OF_RUN: dict[str, Callable[[Result], Figure]] = {
    "cpu_share": cpu_share,
    "memory": memory,
    "memory_limits": memory_limits,
    "memory_map": memory_map,
    "address_space": address_space,
    "paging": paging,
    "latency": latency,
    "gantt": gantt,
    "runqueue_latency": runqueue_latency,
}
_NEEDS = {
    "memory_limits": "memory_limits",
    "paging": "paging",
    "memory_map": "physical",
    "address_space": "address_spaces",
}
"""Plots of what not all results have, and the tables it stands in."""
_OF_COMPARISON: dict[str, Callable[[Result], Figure]] = {"comparison": comparison}


def draw_all(result: Result, directory: str | Path, *, svg: bool = False) -> list[Path]:
    """Draw every plot that a result has the tables for into a directory, which is made if it does not exist.

    Args:
        result: a run or a comparison.
        directory: where to write `cpu_share.png` and so on.
        svg: whether to write each as SVG too.

    Returns:
        The files written. The same result gives the same bytes with the same matplotlib.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    plots = _OF_RUN if result.manifest.kind == "run" else _OF_COMPARISON
    written = []
    if len(result.table("heap")) if result.manifest.kind == "run" else False:
        plots = {**plots, "heap": heap_map}
    for name, draw in plots.items():
        if name in _NEEDS and result.table(_NEEDS[name]).empty:
            continue
        figure = draw(result)
        for kind in ("png", "svg") if svg else ("png",):
            path = directory / f"{name}.{kind}"
            save(figure, path)
            written.append(path)
    return written


def save(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's ending, without the date and the program's version."""
    unsaid = {"Software": None} if path.suffix == ".png" else {"Date": None, "Creator": None}
    with style.context():
        figure.savefig(path, metadata=unsaid)
