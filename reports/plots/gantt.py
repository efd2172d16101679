"""The first quanta: who ran when, on which CPU, and where the CPU changed hands."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import units
from reports.plots import style
from reports.result import Result

_SLICES_PER_CPU = 40
_READ = 4000
_NEAR_ZERO = 0.05
_LEAD = 5
_LANE_IN = 0.32
_LOWEST_IN = 1.0


@style.styled
def gantt(result: Result) -> Figure:
    """Draw the run's first slices: a lane per process on one CPU, a lane per CPU on several.

    Args:
        result: a run.

    Returns:
        One panel; under the lanes, a tick wherever a CPU switched to another process.
    """
    slices = _first(result)
    if slices.empty:
        return style.page(0.0, "No process ran").figure
    lanes = _lanes(slices, result)
    start, end = int(slices["start_ns"].min()), int(slices["end_ns"].max())
    start = 0 if start < _NEAR_ZERO * end else start
    length, symbol = units.time_unit(end / 1e9)
    switches = _switches(slices)
    names = [*lanes, "switches"]
    height_in = max(_LANE_IN * len(names), _LOWEST_IN)
    left_in, right_in = style.room_in(names), 0.3
    shown = {job: shade for job, shade in style.colours(result).items() if job in set(slices["job"])}
    rows = style.key_rows(list(shown), style.WIDTH_IN - left_in - right_in) if result.manifest.cpus > 1 else 0
    head_in = 0.17 * rows + 0.06
    page = style.page(
        height_in + head_in + 0.14 + style.FOOT_IN,
        _finding(slices, switches, result),
        f"A bar is one slice of CPU time, a tick below a context switch{_cost(result)}.",
    )
    (ax,) = page.panels(1, 1, height_in, top_in=head_in - style.TITLE_IN, left_in=left_in, right_in=right_in)
    if rows:
        style.key(ax, shown)
    scale = 1e9 * length
    for row, lane in enumerate(lanes.values()):
        _draw_lane(ax, row, lane, result, scale)
    ax.plot(
        switches / scale,
        [len(lanes)] * len(switches),
        "|",
        color=style.INK,
        markersize=7,
        markeredgewidth=0.8,
    )
    ax.set_yticks(range(len(names)), [style.short(name) for name in names])
    ax.set(xlim=(start / scale, end / scale), ylim=(len(lanes) + 0.5, -0.5))
    page.x_label(f"time ({symbol})")
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    style.grid(ax, "x")
    return page.figure


def _first(result: Result) -> pd.DataFrame:
    """Return the first slices of every CPU, up to the time at which the first CPU has had its number.

    Where one process has the machine to itself for long, they start shortly before a second one runs.
    """
    slices = result.first_slices(_READ).sort_values(["start_ns", "cpu"], kind="stable", ignore_index=True)
    if slices.empty:
        return slices
    others = slices.index[slices["pid"] != slices["pid"].iloc[0]]
    if len(others) and others[0] > _SLICES_PER_CPU // 2:
        slices = slices.iloc[others[0] - _LEAD :]
    ends = [own["end_ns"].iloc[:_SLICES_PER_CPU].iloc[-1] for _, own in slices.groupby("cpu")]
    early: pd.DataFrame = slices[slices["end_ns"] <= min(ends)]
    return early


def _lanes(slices: pd.DataFrame, result: Result) -> dict[str, pd.DataFrame]:
    """Return each lane's slices by its name, in the order from top to bottom."""
    if result.manifest.cpus > 1:
        return {f"CPU {cpu}": slices[slices["cpu"] == cpu] for cpu in range(result.manifest.cpus)}
    lanes = {}
    for job in result.job_names:
        own = slices[slices["job"] == job]
        pids = sorted(own["pid"].unique())
        for pid in pids:
            lanes[job if len(pids) == 1 else f"{job} ({pid})"] = own[own["pid"] == pid]
    return lanes


def _draw_lane(ax: Axes, row: int, slices: pd.DataFrame, result: Result, scale: float) -> None:
    """Draw one lane's bars in the colours of their jobs."""
    colours = style.colours(result)
    starts = slices["start_ns"].to_numpy(dtype=np.float64) / scale
    widths = slices["end_ns"].to_numpy(dtype=np.float64) / scale - starts
    jobs = list(slices["job"])
    shades = [colours.get(job, (0.5, 0.5, 0.5)) for job in jobs]
    bars = list(zip(starts, widths, strict=True))
    ax.broken_barh(bars, (row - 0.36, 0.72), facecolors=shades, edgecolors="white", linewidths=0.5)


def _switches(slices: pd.DataFrame) -> style.Floats:
    """Return the times, in nanoseconds, at which a CPU began to run another process than before."""
    before = slices.groupby("cpu")["pid"].shift()
    changed = before.notna() & (before != slices["pid"])
    return slices.loc[changed, "start_ns"].to_numpy(dtype=np.float64)


def _cost(result: Result) -> str:
    cost = result.manifest.context_switch_ns
    return f", which costs {units.duration(cost / 1e9)}" if cost else ""


def _finding(slices: pd.DataFrame, switches: style.Floats, result: Result) -> str:
    """State how often the CPUs changed hands, between how many processes."""
    start, end = int(slices["start_ns"].min()), int(slices["end_ns"].max())
    span = units.duration((end - start) / 1e9)
    when = (
        f"In the first {span}"
        if start < _NEAR_ZERO * end
        else f"In {span} from {units.duration(start / 1e9)} on"
    )
    processes = slices["pid"].nunique()
    whose = "the CPU" if result.manifest.cpus == 1 else f"the {result.manifest.cpus} CPUs"
    if processes == 1:
        return f"{when} only {slices['job'].iloc[0]} ran"
    if not len(switches):
        return f"{when} {processes} processes ran and {whose} never switched between them"
    times = "once" if len(switches) == 1 else f"{len(switches)} times"
    return f"{when} {whose} switched {times} between {processes} processes"
