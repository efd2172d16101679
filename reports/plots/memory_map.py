"""Physical memory over time: who held which addresses, and which holes were between them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import units
from reports.plots import style
from reports.plots.memory import failures
from reports.result import Result

_PANEL_IN = 3.4
_ROW_IN = 0.17
_FOOT_IN = style.FOOT_IN + 0.12
_UP_IN = 0.12
_CROPPED = 0.25
"""Where less of memory than this part was ever used, the rest is not drawn."""
_TABLES, _ALL_TABLES, _REST = "page tables of ", "page tables", "other code and files"
_SHARED = ("#7A96B5", "#B5A27A", "#A87A9C", "#7FA88A")
"""For memory that is no single job's: files and code that jobs share."""


@dataclass(frozen=True)
class _Band:
    """A piece of memory that one owner held from one time to another."""

    start_s: float
    end_s: float
    base: int
    size: int
    owner: str


@style.styled
def memory_map(result: Result) -> Figure:
    """Draw address against time, each piece of memory in its owner's colour, what is free in white.

    Args:
        result: a run.

    Returns:
        One panel; under paging, where frames are anywhere, the pieces are as fine as the picture can show.
    """
    bands = _bands(result)
    end_s = _end_s(result)
    shades = _shades(result, bands)
    highest = max((band.base + band.size for band in bands), default=1)
    size = result.manifest.memory_bytes or highest
    cropped = highest < _CROPPED * size
    across_in = style.WIDTH_IN - 0.62 - 0.2
    key_in = _ROW_IN * style.key_rows(list(shades), across_in) if shades else 0.0
    page = style.page(
        _PANEL_IN + key_in + style.TITLE_IN + _FOOT_IN - _UP_IN,
        _finding(result),
        "Each piece of physical memory in the colour of whoever held it, white where nobody did."
        + (" Above, nothing ever was." if cropped else ""),
    )
    (ax,) = page.panels(1, 1, _PANEL_IN, top_in=key_in - _UP_IN)
    length, label = style.time_axis(end_s)
    limit = highest * 1.15 if cropped else size
    unit, symbol = units.size_unit(limit)
    _draw(ax, bands, shades, length, unit)
    ax.set(xlim=(0, end_s / length), ylim=(0, limit / unit), ylabel=f"physical address ({symbol})")
    ax.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 4, 5, 8, 10]))
    for spine in ("top", "right"):
        ax.spines[spine].set_visible(True)
    _mark_compactions(ax, result, length)
    _mark_refusals(ax, result, length)
    if shades:
        style.key(ax, shades)
    page.x_label(label)
    return page.figure


def _bands(result: Result) -> list[_Band]:
    """Return the pieces; one that stays through several maps is one band."""
    table = result.table("memory_map")
    times = table["time_s"].unique()
    ends = np.append(times[1:], _end_s(result)) if len(times) else times
    open_since: dict[tuple[int, int, str], float] = {}
    bands: list[_Band] = []
    # A map stands at the end of the window in which it came about, and shows what was so within it.
    windows = np.unique(result.table("physical")["time_s"].to_numpy(dtype=np.float64))
    for time, end in zip(times, ends, strict=True):
        at = int(np.searchsorted(windows, time))
        start = float(windows[at - 1]) if at else 0.0
        own = table[(table["time_s"] == time) & (table["size_bytes"] > 0)]
        now = set(zip(own["base"].astype(int), own["size_bytes"].astype(int), own["owner"], strict=True))
        gone = [piece for piece in open_since if piece not in now]
        bands += [_Band(open_since.pop(piece), start, *piece) for piece in gone]
        for piece in sorted(now):
            open_since.setdefault(piece, start)
        last = float(end)
    bands += [_Band(since, last, *piece) for piece, since in open_since.items()]
    return bands


def _end_s(result: Result) -> float:
    return float(result.table("physical")["time_s"].max()) if len(result.table("physical")) else 1.0


def _shades(result: Result, bands: list[_Band]) -> dict[str, style.Colour]:
    """Return a colour for each owner: jobs as everywhere; of what they share the largest by name."""
    jobs = style.colours(result)
    sizes: dict[str, int] = {}
    for band in bands:
        sizes[band.owner] = max(sizes.get(band.owner, 0), band.size)
    shades: dict[str, style.Colour] = {job: colour for job, colour in jobs.items() if job in sizes}
    others = sorted(owner for owner in sizes if owner not in jobs and not owner.startswith(_TABLES))
    largest = sorted(others, key=lambda owner: -sizes[owner])[: len(_SHARED)]
    for owner, shade in zip(largest, _SHARED, strict=False):
        shades[owner] = style.darker(shade, 1.0)
    if len(others) > len(largest):
        shades[_REST] = style.darker("#C9C9C9", 1.0)
    if any(owner.startswith(_TABLES) for owner in sizes):
        shades[_ALL_TABLES] = style.darker("#444444", 1.0)
    return shades


def _draw(ax: Axes, bands: list[_Band], shades: dict[str, style.Colour], length: float, unit: int) -> None:
    corners, faces = [], []
    for band in bands:
        left, right = band.start_s / length, band.end_s / length
        low, high = band.base / unit, (band.base + band.size) / unit
        corners.append([(left, low), (left, high), (right, high), (right, low)])
        rest = _ALL_TABLES if band.owner.startswith(_TABLES) else _REST
        faces.append(shades[band.owner if band.owner in shades else rest])
    # White edges keep neighbours apart, as long as the pieces are large enough to be seen between them.
    thick = 0.6 if len(bands) < 200 else 0.0  # noqa: PLR2004 - by eye
    ax.add_collection(PolyCollection(corners, facecolors=faces, edgecolors="white", linewidths=thick))


def _mark_compactions(ax: Axes, result: Result, length: float) -> None:
    """Mark when processes were moved together."""
    physical = result.table("physical")
    if not len(physical) or "compactions" not in physical:
        return
    steps = physical[physical["compactions"].diff().fillna(physical["compactions"]) > 0]
    before = physical["time_s"].shift(fill_value=0.0)
    for index in steps.index:
        time_s = float(before[index])
        ax.axvline(time_s / length, color=style.INK, linewidth=0.9, linestyle=(0, (3, 2)))
        ax.annotate(
            "moved together",
            xy=(time_s / length, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(4, -4),
            textcoords="offset points",
            va="top",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _mark_refusals(ax: Axes, result: Result, length: float) -> None:
    """Mark with a cross at the top when somebody was refused or killed."""
    failed = failures(result)
    for time_s, job, verb in zip(failed["time_s"], failed["job"], failed["verb"], strict=True):
        right = float(time_s) / length > 0.7 * ax.get_xlim()[1]
        ax.plot(
            [time_s / length],
            [1],
            "X",
            color="#D55E00",
            markersize=7,
            clip_on=False,
            zorder=5,
            transform=ax.get_xaxis_transform(),
        )
        ax.annotate(
            f"{style.short(job)} {verb}",
            xy=(time_s / length, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(-7 if right else 7, -5),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            color="#A84300",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
        )


def _finding(result: Result) -> str:
    """State how full memory was, and what the holes were worth when somebody did not fit."""
    physical = result.table("physical")
    if not len(physical):
        return "Nothing is known of physical memory"
    size = result.manifest.memory_bytes
    most = f"At most {units.size(float(physical['used_bytes'].max()))} of {units.size(size)} were in use"
    refused = _refused(result.table("processes"))
    moved = int(physical["compactions"].max())
    if refused and not moved:
        scattered = physical[physical["free_bytes"] > physical["largest_hole_bytes"]]
        if len(scattered):
            free = units.size(float(scattered["free_bytes"].iloc[-1]))
            hole = units.size(float(scattered["largest_hole_bytes"].iloc[-1]))
            return f"{refused} found no hole: {free} were free, {hole} in one piece"
        return f"{most}; there was no room for {refused}"
    if moved:
        times = "once" if moved == 1 else f"{moved} times"
        return f"Processes were moved together {times}; {refused or 'nobody'} was refused"
    return f"{most}, and nobody was refused"


def _refused(processes: pd.DataFrame) -> str:
    """Name the first process that was refused its memory."""
    own = processes[processes["exit_reason"].str.startswith("refused:", na=False)]
    return str(own["job"].iloc[0]) if len(own) else ""
