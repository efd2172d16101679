"""Memory that is too small: working sets against the box, the faults, and what is left of the CPU."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import units
from reports.paging import by_degree, rates
from reports.plots import style
from reports.plots.windows import Floats, per_window, sample_edges_s
from reports.result import Result

_SETS_IN, _FAULTS_IN, _USE_IN = 1.9, 1.3, 1.1
_GAP_IN = 0.4
_DISK = style.GREY


@style.styled
def paging(result: Result) -> Figure:
    """Draw the jobs' working sets and the memory held, major faults, and the use of CPUs and disk, over time.

    Args:
        result: a run with a swap device.

    Returns:
        Three panels under each other.
    """
    jobs, samples = result.job_names, result.table("memory")
    edges = sample_edges_s(samples)
    height_in = _SETS_IN + _FAULTS_IN + _USE_IN + 2 * _GAP_IN + style.TITLE_IN
    page = style.page(
        height_in + style.FOOT_IN + 0.08,
        _finding(result),
        "Above: working sets, stacked; line, memory held. Middle: major faults, stacked. Below: time in use.",
    )
    right_in = style.room_in(jobs)
    tops = (0.0, _SETS_IN + _GAP_IN, _SETS_IN + _FAULTS_IN + 2 * _GAP_IN)
    heights = (_SETS_IN, _FAULTS_IN, _USE_IN)
    sets, faults, use = (
        page.panels(1, 1, height, top_in=top, right_in=right_in)[0]
        for height, top in zip(heights, tops, strict=True)
    )
    length, label = style.time_axis(float(edges[-1]))
    _draw_sets(sets, result, edges / length)
    lasting = np.diff(edges)
    paged = rates(result)
    each = per_window(paged, jobs, "major_faults", end="time_s") / lasting
    _stack(faults, result, edges / length, each)
    faults.set(ylabel="major faults/s")
    _draw_use(use, result, edges, length)
    for ax in (sets, faults, use):
        ax.set_xlim(0, edges[-1] / length)
        style.grid(ax)
    for ax in (sets, faults):
        ax.tick_params(labelbottom=False)
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    page.x_label(label)
    return page.figure


def _draw_sets(ax: Axes, result: Result, edges: Floats) -> None:
    """Stack the working sets, with the memory held and the size of the box as lines."""
    jobs, samples, colours = result.job_names, result.table("memory"), style.colours(result)
    sets = per_window(samples, jobs, "working_set_bytes", end="time_s")
    held = per_window(samples, jobs, "resident_bytes", end="time_s").sum(axis=0)
    box = float(result.manifest.memory_bytes)
    highest = max(float(sets.sum(axis=0).max()), box)
    unit, symbol = units.size_unit(highest)
    _stack(ax, result, edges, sets / unit)
    ax.plot(*style.steps(edges, held / unit), color=style.INK, linewidth=1.0)
    ax.axhline(box / unit, color=style.INK, linewidth=1.0, dashes=(4, 2))
    ax.annotate(
        f"size of the box, {units.size(box)}",
        xy=(0, box / unit),
        xycoords=ax.get_yaxis_transform(),
        xytext=(4, 3),
        textcoords="offset points",
        va="bottom",
    )
    ax.set(ylim=(0, 1.18 * highest / unit), ylabel=f"working sets ({symbol})")
    tops = sets.cumsum(axis=0)[:, -1] / unit
    middles = tops - sets[:, -1] / unit / 2
    alive = [at for at in range(len(jobs)) if sets[at, -1] > 0]
    gap = 0.15 / _SETS_IN * ax.get_ylim()[1]
    places = style.spread([float(middles[at]) for at in alive], gap, 0.0, ax.get_ylim()[1])
    for at, y in zip(alive, places, strict=True):
        ax.annotate(
            style.short(jobs[at]),
            xy=(1, y),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=style.darker(colours[jobs[at]]),
            annotation_clip=False,
        )


def _stack(ax: Axes, result: Result, edges: Floats, values: Floats) -> None:
    """Stack a row of values for each job in its colour."""
    colours, below = style.colours(result), np.zeros(values.shape[1])
    for job, row in zip(result.job_names, values, strict=True):
        ax.stairs(below + row, edges, baseline=below, fill=True, color=colours[job], lw=0)
        below = below + row
    ax.set_ylim(0, max(1.08 * float(below.max()), 1e-9))


def _draw_use(ax: Axes, result: Result, edges: Floats, length: float) -> None:
    """Draw how much of the time CPUs and disk were in use, window by window."""
    windows = result.table("cpu").groupby("window_end_s")["share"].sum()
    physical = result.table("physical").set_index("time_s")["disk_busy_s"]
    busy = windows.reindex(edges[1:]).fillna(0.0).to_numpy(dtype=np.float64)
    worked = physical.reindex(edges[1:]).ffill().fillna(0.0).to_numpy(dtype=np.float64)
    disk = np.diff(worked, prepend=0.0) / np.diff(edges)
    cpus = "CPU" if result.manifest.cpus == 1 else "CPUs"
    for values, colour, name in ((100 * busy, style.INK, cpus), (100 * disk, _DISK, "disk")):
        x, y = style.steps(edges / length, values)
        ax.plot(x, y, color=colour, linewidth=1.2, dashes=(3, 1.5) if name == "disk" else (None, None))
        ax.annotate(
            name,
            xy=(1, min(float(values[-1]), 100)),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 5 if (name == "disk") == bool(disk[-1] > busy[-1]) else -5),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
    ax.set(ylim=(0, 105), ylabel="in use (%)")


def _finding(result: Result) -> str:
    """State what becomes of CPU and disk with the most processes that there were."""
    rows = by_degree(result)
    most = rows[-1]
    many = "1 process" if most["processes"] == 1 else f"{most['processes']} processes"
    said = (
        f"With {many} in memory the CPU was busy {units.percent(most['busy_share'])} of the time, "
        f"the disk {units.percent(most['disk_busy_share'])}"
    )
    best = max(rows, key=lambda row: row["busy_share"])
    if best is most:
        return said
    return f"{said}; with {best['processes']} the CPU was busy {units.percent(best['busy_share'])}"
