"""Who held the memory: all jobs against the size of the box, and each job's heap within what it held."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator
from numpy.typing import NDArray

from reports import units
from reports.plots import style
from reports.plots.windows import Floats, per_window, sample_edges_s
from reports.result import Result

_LABEL_IN = 0.135
_MACHINE_IN = 2.3
_PANEL_IN = 0.9
_GAP_IN = 0.36
_COLUMNS = 3
_UP_IN = 0.14


@style.styled
def memory(result: Result) -> Figure:
    """Draw the memory held by all jobs against the box, refusals and kills marked, and each job's heap.

    Args:
        result: a run.

    Returns:
        A panel of the machine on top, then one panel per job in scenario order.
    """
    jobs, samples = result.job_names, result.table("memory")
    edges = sample_edges_s(samples)
    resident, heap, peak = (
        per_window(samples, jobs, column, end="time_s")
        for column in ("resident_bytes", "heap_bytes", "heap_peak_bytes")
    )
    columns = min(len(jobs), _COLUMNS)
    rows = style.rows_for(len(jobs), columns)
    failed = failures(result)
    page = style.page(
        _MACHINE_IN + 0.6 - _UP_IN + rows * (_PANEL_IN + _GAP_IN) + style.FOOT_IN,
        _finding(result, resident, failed),
        "Above: memory held by all jobs. Below, per job: light, held; dark, heap in use; line, heap's peak.",
    )
    (machine,) = page.panels(1, 1, _MACHINE_IN, top_in=-_UP_IN, right_in=style.room_in(jobs))
    _draw_machine(machine, result, edges, resident, failed)
    panels = page.panels(
        len(jobs), columns, _PANEL_IN, top_in=_MACHINE_IN + 0.6 - _UP_IN, gap_in=(0.5, _GAP_IN), share="x"
    )
    _draw_jobs(panels, result, edges, (resident, heap, peak))
    page.x_label(style.time_axis(float(edges[-1]))[1])
    return page.figure


def failures(result: Result) -> pd.DataFrame:
    """Return the processes that were refused or killed: columns `time_s`, `job`, `verb`."""
    processes = result.table("processes")
    failed = processes[processes["exit_reason"].str.match(r"(?:refused|killed):", na=False)]
    verbs = failed["exit_reason"].str.split(":").str[0]
    times = failed["exited_s"].fillna(failed["arrived_s"])
    frame = pd.DataFrame({"time_s": times, "job": failed["job"], "verb": verbs})
    return frame.sort_values("time_s", kind="stable", ignore_index=True)


def _draw_machine(ax: Axes, result: Result, edges: Floats, resident: Floats, failed: pd.DataFrame) -> None:
    """Stack what the jobs hold under the line of the box's size, and name each layer at its right end."""
    colours, box = style.colours(result), result.manifest.memory_bytes
    length, _ = style.time_axis(float(edges[-1]))
    tops = resident.cumsum(axis=0)
    highest = max(float(tops.max(initial=0.0)), float(box), 1.0)
    unit, symbol = units.size_unit(highest)
    middles, names = [], []
    for job, top, held in zip(result.job_names, tops, resident, strict=True):
        ax.stairs(
            top / unit, edges / length, baseline=(top - held) / unit, fill=True, color=colours[job], lw=0
        )
        if held[-1] > 0:
            middles.append(float(top[-1] - held[-1] / 2) / unit)
            names.append(job)
        elif held.max(initial=0.0) > 0:
            _name_inside(ax, job, edges / length, (top - held / 2) / unit, held > 0)
    limit = highest * 1.16 / unit
    ax.set(xlim=(0, edges[-1] / length), ylim=(0, limit), ylabel=f"memory held ({symbol})")
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    gap = _LABEL_IN / _MACHINE_IN * limit * 1.12
    for job, y in zip(names, style.spread(middles, gap, 0.0, limit), strict=True):
        ax.annotate(
            style.short(job),
            xy=(1, y),
            xycoords=ax.get_yaxis_transform(),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=style.darker(colours[job]),
            annotation_clip=False,
        )
    if box:
        ax.axhline(box / unit, color=style.INK, linewidth=1.0)
        # At the end of the line where fewer marks of failures stand.
        at_right = len(failed) > 0 and float(failed["time_s"].mean()) < edges[-1] / 2
        ax.annotate(
            f"size of the box, {units.size(box)}",
            xy=(1 if at_right else 0, box / unit),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-4 if at_right else 4, 4),
            textcoords="offset points",
            ha="right" if at_right else "left",
            va="bottom",
        )
    _mark_failures(ax, failed, float(edges[-1]), (box or highest) / unit, length)
    style.grid(ax)


def _name_inside(ax: Axes, job: str, edges: Floats, middle: Floats, alive: NDArray[np.bool_]) -> None:
    """Name the layer of a job that ended before the run did in the middle of its time."""
    windows = np.flatnonzero(alive)
    window = int(windows[len(windows) // 2])
    ax.annotate(
        style.short(job),
        xy=((edges[window] + edges[window + 1]) / 2, middle[window]),
        ha="center",
        va="center",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.75},
    )


def _mark_failures(ax: Axes, failed: pd.DataFrame, end_s: float, y: float, length: float) -> None:
    """Mark refusals and kills with a cross on the box's line; those close together share a label."""
    close_s = 0.15 * end_s
    clusters: list[list[int]] = []
    for index, time_s in enumerate(failed["time_s"]):
        if clusters and time_s - failed["time_s"][clusters[-1][0]] < close_s:
            clusters[-1].append(index)
        else:
            clusters.append([index])
    for cluster in clusters:
        own = failed.loc[cluster]
        ax.plot(
            own["time_s"] / length,
            [y] * len(own),
            "X",
            color="#D55E00",
            markersize=6,
            clip_on=False,
            zorder=5,
        )
        middle = float(own["time_s"].mean()) / end_s
        side = "left" if middle < 0.25 else "right" if middle > 0.75 else "center"  # noqa: PLR2004 - of the axis
        ax.annotate(
            _told(own),
            xy=(float(own["time_s"].mean()) / length, y),
            xytext=({"left": 6, "right": -2, "center": 0}[side], 5),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color="#A84300",
        )


def _told(failed: pd.DataFrame, *, sentence: bool = False) -> str:
    """Say who was refused or killed: names of the first few, then how many more."""
    parts = []
    for verb, own in failed.groupby("verb", sort=False):
        names = list(dict.fromkeys(own["job"]))
        more = "" if len(names) <= 2 else f" and {len(names) - 2} more"  # noqa: PLR2004 - names that fit
        times = f" {len(own)} times" if len(own) > len(names) else ""
        was = "" if not sentence else " was" if len(names) == 1 else " were"
        parts.append(f"{', '.join(names[:2])}{more}{was} {verb}{times}")
    return "; ".join(parts)


def _draw_jobs(
    panels: Sequence[Axes], result: Result, edges: Floats, series: tuple[Floats, Floats, Floats]
) -> None:
    """Draw each job's memory held, heap and heap peak in a panel of its own scale."""
    colours = style.colours(result)
    length, _ = style.time_axis(float(edges[-1]))
    # A process may come and go between two samples; what it held at most is on record all the same.
    most = result.table("processes").groupby("job")["peak_resident_bytes"].max()
    unit, symbol = units.size_unit(max(float(held.max(initial=1.0)) for held in series))
    for index, (job, ax) in enumerate(zip(result.job_names, panels, strict=True)):
        resident, heap, peak = (held[index] / unit for held in series)
        x, y = style.steps(edges / length, resident)
        ax.fill_between(x, y, color=style.light(colours[job]), linewidth=0)
        ax.fill_between(x, np.repeat(heap, 2), color=colours[job], linewidth=0)
        ax.plot(
            x, np.repeat(peak, 2), color=style.darker(colours[job]), linewidth=style.step_width(peak.size)
        )
        highest = float(max(resident.max(), peak.max()))
        ax.set(xlim=(0, x[-1]), ylim=(0, highest * 1.1 or 1.0))
        ax.yaxis.set_major_locator(MaxNLocator(3) if highest else FixedLocator([0]))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        if panels[0].get_position().x0 == ax.get_position().x0:
            ax.set_ylabel(symbol)
        style.grid(ax)
        peak_bytes = float(most.get(job, 0.0))
        style.panel_title(
            ax, job, [f"at most {units.size(peak_bytes)}" if peak_bytes else "held no memory"], colours[job]
        )


def _finding(result: Result, resident: Floats, failed: pd.DataFrame) -> str:
    """State how full the box was, and who did not fit."""
    held = float(resident.sum(axis=0).max(initial=0.0))
    box = result.manifest.memory_bytes
    said = (
        f"At most {units.size(held)} of {units.size(box)} were held" if box else f"{units.size(held)} at most"
    )
    if len(failed):
        return f"{said}; {_told(failed, sentence=True)}"
    free = f", {units.percent(1 - held / box)} stayed free" if box else ""
    return f"{said}{free}; no job was refused or killed" if np.isfinite(held) else said
