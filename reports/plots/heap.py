"""A heap's map: which addresses were blocks, and when; what is free between them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports import units
from reports.errors import ReportError
from reports.plots import style
from reports.plots.memory import failures
from reports.result import Result

if TYPE_CHECKING:
    from reports.plots.windows import Floats

_SHADES = (1.0, 0.8, 0.6)
_LEGIBLE = 1500
"""Blocks and extents of a job that are shown unless more are asked for."""
_PANEL_IN = {1: 3.4, 2: 1.75, 3: 1.35}
_GAP_IN = 0.4


@style.styled
def heap_map(result: Result, jobs: Sequence[str] | None = None, *, until_s: float | None = None) -> Figure:
    """Draw the heap of jobs whose heap was recorded: address against the CPU time that the job had received.

    Args:
        result: a run in which a job has `memory: {record: heap}`.
        jobs: which jobs; None for all that were recorded, in scenario order.
        until_s: CPU time at which the picture ends; None for as long as single blocks can be told apart.

    Returns:
        A panel per job on the same axes: each block a rectangle from its malloc to its free, on a light
        ground from the heap's beginning to the program break, so that what is light is free. What lies below
        all blocks that come and go is cut off if it is large. Mappings are not in it.

    Raises:
        ReportError: a job's heap was not recorded.
    """
    table = result.table("heap")
    recorded = [job for job in result.job_names if job in set(table["job"])]
    missing = [job for job in jobs or () if job not in recorded]
    if missing:
        has = ", ".join(recorded) or "none"
        raise ReportError(
            f"the heap of {missing[0]} was not recorded (recorded: {has}); "
            "give the job memory: {record: heap}"
        )
    shown = list(recorded if jobs is None else jobs)
    if not shown:
        return style.page(0.0, "No heap was recorded").figure
    lives = {job: _lives(table[table["job"] == job]) for job in shown}
    columns = 1 if len(shown) == 1 else 2
    rows = style.rows_for(len(shown), columns)
    height_in = _PANEL_IN.get(rows, 1.2)
    page = style.page(
        rows * (height_in + _GAP_IN) + style.FOOT_IN,
        _finding(lives),
        "Each block from its malloc to its free, at its address; light: free, up to the program break.",
    )
    panels = page.panels(len(shown), columns, height_in, gap_in=(0.25, _GAP_IN), share="xy")
    end_s = until_s or max(_legible_s(own) for own in lives.values())
    lowest, highest = _reach(lives, end_s)
    (length, symbol), (unit, size) = units.time_unit(end_s), units.size_unit(highest)
    panels[0].set(xlim=(0, end_s / length), ylim=(lowest / unit, 1.04 * highest / unit))
    panels[0].yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    killed = failures(result)
    for job, ax in zip(shown, panels, strict=True):
        colour = style.colours(result)[job]
        _draw(ax, lives[job], colour, length, unit)
        ended = killed[killed["job"] == job]["verb"]
        _title(ax, job, lives[job], colour, ended.iloc[0] if len(ended) else "")
    page.x_label(f"CPU time received ({symbol})")
    page.y_label(f"address from the heap's beginning ({size})", panels)
    return page.figure


def _lives(own: pd.DataFrame) -> pd.DataFrame:
    """Return a job's pieces with addresses from the heap's beginning, and an end for what went on."""
    last = float(np.nanmax(own[["from_cpu_s", "to_cpu_s"]].to_numpy()))
    begin = int(own.loc[own["kind"] == "extent", "address"].min())
    return own.assign(address=own["address"] - begin, to_cpu_s=own["to_cpu_s"].fillna(last))


def _legible_s(own: pd.DataFrame) -> float:
    """Return until when a job's pieces are few enough to be told apart."""
    if len(own) <= _LEGIBLE:
        return float(own["to_cpu_s"].max())
    return float(own["from_cpu_s"].iloc[_LEGIBLE])


def _reach(lives: dict[str, pd.DataFrame], end_s: float) -> tuple[float, float]:
    """Return the lowest and the highest address to be shown."""
    shown = pd.concat([own[own["from_cpu_s"] < end_s] for own in lives.values()])
    highest = float(shown.loc[shown["kind"] == "extent", "size_bytes"].max())
    freed = shown[(shown["kind"] == "block") & (shown["to_cpu_s"] < end_s)]
    lowest = float(freed["address"].min()) if len(freed) else 0.0
    return (lowest - 0.06 * (highest - lowest) if lowest > highest / 2 else 0.0), highest


def _draw(ax: Axes, own: pd.DataFrame, colour: style.Colour, length: float, unit: int) -> None:
    extents, blocks = own[own["kind"] == "extent"], own[own["kind"] == "block"]
    shades = [style.darker(colour, factor) for factor in _SHADES]
    for pieces, shade in ((extents, style.light(colour)), *zip(_dealt(blocks), shades, strict=True)):
        corners = cast("Any", _corners(pieces, length, unit))
        ax.add_collection(PolyCollection(corners, facecolor=shade, edgecolor="none", antialiased=False))


def _dealt(blocks: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the blocks dealt out in as many parts as there are shades, so that neighbours differ."""
    in_order = blocks.sort_values(["address", "from_cpu_s"])
    return [in_order.iloc[part :: len(_SHADES)] for part in range(len(_SHADES))]


def _corners(pieces: pd.DataFrame, length: float, unit: int) -> NDArray[np.float64]:
    """float64[pieces, 4, 2]: the rectangles' corners in the units of the axes."""
    left, right = (pieces[column].to_numpy(np.float64) / length for column in ("from_cpu_s", "to_cpu_s"))
    low = pieces["address"].to_numpy(np.float64) / unit
    high = low + pieces["size_bytes"].to_numpy(np.float64) / unit
    return np.stack([left, low, left, high, right, high, right, low], axis=1).reshape(-1, 4, 2)


def _title(ax: Axes, job: str, own: pd.DataFrame, colour: style.Colour, verb: str) -> None:
    held, asked = _fullest(own)
    parts = [f"held {units.size(held)} for {units.size(asked)}", verb]
    style.panel_title(ax, job, [part for part in parts if part], colour)


def _fullest(own: pd.DataFrame) -> tuple[float, float]:
    """Return the most bytes that a heap has held, and the most that were asked for at a time."""
    blocks = own[own["kind"] != "extent"]
    times = np.concatenate([blocks["from_cpu_s"], blocks["to_cpu_s"]])
    change: Floats = np.concatenate([blocks["asked_bytes"], -blocks["asked_bytes"]]).astype(np.float64)
    # Frees before mallocs at the same instant: a block that takes another's place does not add to it.
    order = np.lexsort((change, times))
    extents = own.loc[own["kind"] == "extent", "size_bytes"]
    return float(extents.max()), float(change[order].cumsum().max(initial=0.0))


def _finding(lives: dict[str, pd.DataFrame]) -> str:
    """State which heap made most of its memory, and which least."""
    fullest = {job: _fullest(own) for job, own in lives.items()}
    share = {job: asked / held for job, (held, asked) in fullest.items()}
    best, worst = max(share, key=share.__getitem__), min(share, key=share.__getitem__)
    of = "of what it held was asked for when it was fullest"
    if best == worst:
        return f"{style.short(best)}'s heap: {units.percent(share[best])} {of}"
    return (
        f"{style.short(best)} made most of its heap: {units.percent(share[best])} {of}; "
        f"{style.short(worst)} least: {units.percent(share[worst])}"
    )
