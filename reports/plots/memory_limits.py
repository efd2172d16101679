"""What jobs and groups held of memory, against their limits and what their tickets entitle them to."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import units
from reports.plots import style
from reports.plots.windows import Floats, sample_edges_s
from reports.result import Result

_PANEL_IN = 1.15
_GAP_IN = 0.42
_RED = "#D55E00"


@style.styled
def memory_limits(result: Result) -> Figure:
    """Draw, per job and group, memory held with limits, entitlement, time throttled, and kills.

    Args:
        result: a run whose scenario says who may hold what.

    Returns:
        A panel per group and job in the order of the table `memory_limits`.
    """
    samples, limits = result.table("memory_control"), result.table("memory_limits")
    edges = sample_edges_s(samples)
    count = len(limits)
    columns = style.columns_for(count)
    rows = style.rows_for(count, columns)
    page = style.page(
        rows * (_PANEL_IN + _GAP_IN) + style.FOOT_IN,
        _finding(limits, result.table("kills")),
        "Area: memory held. Dashed: what tickets entitle the job to. Orange lines: memory.high (thin) and "
        "memory.max (thick). Shaded: time asleep for holding too much. Cross: a kill or refusal.",
    )
    panels = page.panels(count, columns, _PANEL_IN, gap_in=(0.55, _GAP_IN), share="x")
    colours = style.colours(result)
    unit, symbol = units.size_unit(max(float(samples["held_bytes"].max()) if len(samples) else 0.0, 1.0))
    length, label = style.time_axis(float(edges[-1]))
    for (_, row), ax in zip(limits.iterrows(), panels, strict=True):
        own = samples[(samples["name"] == row["name"]) & (samples["kind"] == row["kind"])]
        colour = colours[row["name"]] if row["kind"] == "job" else style.darker(style.GREY, 1.0)
        _draw(ax, own, edges / length, unit, colour)
        for start, end in _throttled(own, edges / length, length):
            ax.axvspan(start, end, color=style.light((0.84, 0.37, 0.0)), linewidth=0, zorder=0)
        _mark_kills(ax, result, row, length)
        ax.set(xlim=(0, edges[-1] / length))
        style.panel_title(ax, str(row["name"]), _parts(row), colour)
        style.grid(ax)
    page.y_label(f"memory ({symbol})", panels)
    page.x_label(label)
    return page.figure


def _draw(ax: Axes, own: pd.DataFrame, edges: Floats, unit: int, colour: style.Colour) -> None:
    """Draw one claim: the area it held, its entitlement and its limits."""
    held = own["held_bytes"].to_numpy(dtype=np.float64) / unit
    entitled = own["entitled_resident_bytes"].to_numpy(dtype=np.float64) / unit
    x, y = style.steps(edges[: len(held) + 1], held)
    ax.fill_between(x, y, color=style.light(colour), linewidth=0)
    ax.plot(x, y, color=style.darker(colour), linewidth=style.step_width(held.size))
    alive = np.repeat(entitled > 0, 2)
    if alive.any():
        line = np.where(alive, np.repeat(entitled, 2), np.nan)
        ax.plot(x, line, color=style.INK, linewidth=1.0, linestyle=(0, (4, 2)))
    highest = max(float(held.max(initial=0.0)), float(entitled.max(initial=0.0)))
    for column, width in (("high_bytes", 0.8), ("max_bytes", 1.8)):
        limit = float(own[column].iloc[0]) / unit if len(own) else math.nan
        if not math.isnan(limit):
            ax.axhline(limit, color=_RED, linewidth=width)
            highest = max(highest, limit)
    ax.set_ylim(0, highest * 1.12 or 1.0)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_locator(MaxNLocator(6))


def _throttled(own: pd.DataFrame, edges: Floats, length: float) -> list[tuple[float, float]]:
    """Return the stretches of time in which somebody slept for holding too much, from windows' starts on."""
    slept = np.diff(own["throttled_s"].to_numpy(dtype=np.float64), prepend=0.0) / length
    stretches: list[tuple[float, float]] = []
    for window in np.flatnonzero(slept > 0).tolist():
        start = float(edges[window])
        end = min(start + float(slept[window]), float(edges[-1]))
        if stretches and stretches[-1][1] >= start:
            first, last = stretches.pop()
            start, end = first, max(last, end)
        stretches.append((start, end))
    return stretches


def _mark_kills(ax: Axes, result: Result, row: pd.Series, length: float) -> None:
    """Mark kills and refusals of a job's processes on its panel's upper edge."""
    kills = result.table("kills")
    own = kills[kills["job"] == row["name"]] if row["kind"] == "job" else kills[:0]
    if len(own):
        ax.plot(
            own["time_s"] / length,
            [ax.get_ylim()[1] / 1.12 * 1.04] * len(own),
            "X",
            color=_RED,
            markersize=6,
            clip_on=False,
            zorder=5,
        )


def _parts(row: pd.Series) -> Sequence[str]:
    """Return what a panel's title says of a claim."""
    parts = [f"at most {units.size(float(row['peak_bytes']))}"]
    if row["throttled_s"] > 0:
        parts.append(f"asleep {units.duration(float(row['throttled_s']))}")
    if row["oom_kills"]:
        parts.append(f"{int(row['oom_kills'])} killed")
    return parts


def _finding(limits: pd.DataFrame, kills: pd.DataFrame) -> str:
    """State what limits and killers did."""
    jobs = limits[limits["kind"] == "job"]
    slept = jobs[jobs["throttled_s"] > 0]
    said = []
    if len(slept):
        most = str(slept.sort_values("throttled_s", kind="stable")["name"].iloc[-1])
        others = f" and {len(slept) - 1} more were" if len(slept) > 1 else " was"
        said.append(f"{most}{others} throttled, {units.duration(float(slept['throttled_s'].sum()))} in all")
    for verb in ("killed", "refused"):
        names = list(dict.fromkeys(kills.loc[kills["kind"] == verb, "job"]))
        if names:
            more = f" and {len(names) - 2} more" if len(names) > 2 else ""  # noqa: PLR2004 - names that fit
            said.append(f"{', '.join(names[:2])}{more} {'was' if len(names) == 1 else 'were'} {verb}")
    return "; ".join(said) if said else "All stayed within their limits, and nobody was killed"
