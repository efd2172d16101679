"""Address spaces: what lies where in each process's memory, and how much of it is really there."""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports import units
from reports.plots import style
from reports.result import Result

_MOST = 5
_PANEL_IN = 3.3
_GAP = 0.55
_LEAST = 0.5
_BELOW, _ABOVE = 0.35, 0.12
_LINE_IN = 0.16
_UNUSED = "unused"
_HELD_UNUSED = "#BDBDBD"


@style.styled
def address_space(result: Result) -> Figure:
    """Draw the regions of the first process of each job, in order of address, sizes not to scale.

    Addresses grow upward. What is held in physical memory is in the job's colour; what is part of the space
    and is not held is light; what is held without being of use is grey. Gaps between regions are cut short.

    Args:
        result: a run.

    Returns:
        A column for each of the first few jobs that had memory.
    """
    table = result.table("address_spaces")
    jobs = [job for job in result.job_names if (table["job"] == job).any()]
    shown = jobs[:_MOST]
    more = "" if len(jobs) == len(shown) else f" First {len(shown)} of {len(jobs)}."
    page = style.page(
        _PANEL_IN + style.TITLE_IN + 0.12,
        _finding(table, len(jobs)),
        "Addresses grow upward, not to scale. Full: held; light: not, or by another; grey: without use."
        + more,
    )
    if not shown:
        return page.figure
    panels = page.panels(len(shown), len(shown), _PANEL_IN, left_in=0.2, gap_in=(0.18, 0.3))
    colours = style.colours(result)
    for job, ax in zip(shown, panels, strict=True):
        own = table[table["job"] == job]
        first = own[own["pid"] == own["pid"].min()].sort_values("start")
        _draw(ax, first, colours[job])
        style.panel_title(ax, job, [""], colours[job])
    return page.figure


def _draw(ax: Axes, regions: pd.DataFrame, colour: style.Colour) -> None:
    """Stack the regions of one process; the widths of labels decide how much is said."""
    sizes = regions["size_bytes"].to_numpy(dtype=float)
    heights = [_LEAST + (size / sizes.max()) ** 0.4 for size in sizes]
    starts = regions["start"].to_numpy(dtype=float)
    # A page's rest between two regions is no gap that anybody would draw.
    smallest = max(65536.0, 0.002 * float(starts[-1] + sizes[-1]))
    gaps = np.diff(starts) - sizes[:-1]
    total = sum(heights) + _GAP * int((gaps > smallest).sum())
    inches = _PANEL_IN / (total + _BELOW + _ABOVE)
    y = 0.0
    for index, row in enumerate(regions.to_dict("records")):
        if index and gaps[index - 1] > smallest:
            _gap(ax, y, gaps[index - 1])
            y += _GAP
        _region(ax, row, (y, heights[index]), int(heights[index] * inches / _LINE_IN), colour)
        y += heights[index]
    ax.annotate(
        f"from {int(starts[0]):#x}", xy=(0, -0.06), ha="left", va="top", color=style.GREY, fontsize=7.5
    )
    ax.set(xlim=(0, 1), ylim=(-_BELOW, total + _ABOVE))
    ax.axis("off")


def _region(
    ax: Axes, row: dict[Hashable, Any], place: tuple[float, float], lines: int, colour: style.Colour
) -> None:
    """Draw a region at (bottom, height), with as many lines about it as there is room for."""
    y, height = place
    size, held = float(row["size_bytes"]), float(row["resident_bytes"])
    full = style.darker(_HELD_UNUSED, 1.0) if row["region"] == _UNUSED else colour
    part = min(held / size, 1.0) if size else 0.0
    ax.add_patch(Rectangle((0, y), 1, height, facecolor=style.light(full), edgecolor="none"))
    ax.add_patch(Rectangle((0, y), part, height, facecolor=full, edgecolor="none"))
    ax.add_patch(Rectangle((0, y), 1, height, facecolor="none", edgecolor="white", linewidth=1.2))
    room = ax.get_position().width * style.WIDTH_IN - 0.1
    name = str(row["region"])
    words = [name, units.size(size)]
    if row["region"] != _UNUSED:
        words[0] = f"{name} ({row['allows']})"
        elsewhere = held == 0 and "w" not in str(row["allows"])
        some = "held by another" if elsewhere else f"{units.size(held)} held"
        words.append(some if held < size else "all held")
    luminance = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    white = part > 0.6 and row["region"] != _UNUSED and luminance < 0.55  # noqa: PLR2004 - light on dark
    text = "\n".join(_fitting(words, room)[: max(lines, 1)])
    ink = "white" if white else style.INK
    ax.annotate(text, xy=(0.5, y + height / 2), ha="center", va="center", color=ink, linespacing=1.25)


def _fitting(words: Sequence[str], room_in: float) -> list[str]:
    """Cut each line to the width of the column."""
    lines = []
    for word in words:
        cut = word
        while len(cut) > 4 and style.width_in(cut) > room_in:  # noqa: PLR2004 - letters that still say something
            cut = cut[:-2].rstrip() + "\u2026"
        lines.append(cut)
    return lines


def _gap(ax: Axes, y: float, size: float) -> None:
    """Draw the gap between two regions, cut short."""
    ax.annotate(
        f"\u22ee  {units.size(size)} of nothing",
        xy=(0.5, y + _GAP / 2),
        ha="center",
        va="center",
        color=style.GREY,
        fontsize=7.5,
    )


def _finding(table: pd.DataFrame, jobs: int) -> str:
    """State how much of the spaces was in memory, and how much of that was of no use."""
    if not jobs:
        return "No process had an address space"
    size, held = float(table["size_bytes"].sum()), float(table["resident_bytes"].sum())
    unused = float(table.loc[table["region"] == _UNUSED, "resident_bytes"].sum())
    said = f"Address spaces of {units.size(size)} in all hold {units.size(held)} of memory"
    return (
        f"{said}, {units.percent(unused / held)} of it without use" if unused else f"{said}, all of it in use"
    )
