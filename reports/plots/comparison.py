"""Schedulers side by side: the mean of each metric over replications, with its confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import units
from reports.comparison import differences, summarise
from reports.plots import style
from reports.result import Result

_COLUMNS = 3
_GAP_IN = 0.72
_LATENCY = "latency_p99_s"
_FAIRNESS = (
    ("share_error_mean", "share error", "percentage points, mean of jobs", 100.0),
    ("lag_quanta_worst", "worst lag", "quanta", 1.0),
    ("jain", "Jain's index", "1: all treated alike", 1.0),
    ("finish_ratio", "first over last finish", "1: all end together", 1.0),
    ("response_mean_s", "response", "", None),
    ("switches_per_s", "context switches", "per second", 1.0),
)


@dataclass(frozen=True)
class _Panel:
    """One metric to draw: its rows of the summary, its title, its unit, and what to multiply values with."""

    rows: pd.DataFrame
    title: str
    unit: str
    scale: float


@style.styled
def comparison(result: Result) -> Figure:
    """Draw each fairness metric per scheduler, and each job's p99 latency, as dots with 95 % intervals.

    A scheduler has the same colour everywhere.

    Args:
        result: a comparison.

    Returns:
        A panel per fairness metric, schedulers from top to bottom in the order compared; below them, if jobs
        finished requests, one panel of their p99 latency with a lane per job.
    """
    schedulers, summary = list(result.manifest.schedulers), summarise(result)
    fairness = _fairness_panels(summary)
    latency = summary[(summary["metric"] == _LATENCY) & (summary["job"] != "")]
    jobs = [job for job in result.job_names if job in set(latency["job"])]
    columns = min(_COLUMNS, max(len(fairness), 1))
    height_in, left_in = 0.24 * len(schedulers) + 0.1, style.room_in([*schedulers, *jobs])
    latency_in = max(0.3, 0.1 * len(schedulers) + 0.1) * len(jobs)
    fairness_in = style.rows_for(len(fairness), columns) * (height_in + _GAP_IN)
    body_in = fairness_in + (latency_in + _GAP_IN if jobs else 0.0)
    page = style.page(body_in, _finding(result, summary), _subtitle(result))
    axes = page.panels(len(fairness), columns, height_in, left_in=left_in, gap_in=(0.3, _GAP_IN), share="y")
    for panel, ax in zip(fairness, axes, strict=True):
        _draw_fairness(ax, panel, schedulers)
    if jobs:
        (ax,) = page.panels(1, 1, latency_in, top_in=fairness_in, left_in=left_in)
        _draw_latency(ax, latency, schedulers, jobs)
    return page.figure


def _fairness_panels(summary: pd.DataFrame) -> list[_Panel]:
    found = []
    for metric, title, unit, scale in _FAIRNESS:
        rows = summary[(summary["metric"] == metric) & (summary["job"] == "")]
        if rows.empty:
            continue
        if scale is None:
            length, symbol = units.time_unit(float(rows["mean"].abs().median()))
            found.append(_Panel(rows, title, symbol, 1 / length))
        else:
            found.append(_Panel(rows, title, unit, scale))
    return found


def _draw_fairness(ax: Axes, panel: _Panel, schedulers: Sequence[str]) -> None:
    for row, (scheduler, colour) in enumerate(zip(schedulers, style.palette(len(schedulers)), strict=True)):
        own = panel.rows[panel.rows["scheduler"] == scheduler]
        _dots(ax, own, [row] * len(own), colour, panel.scale)
    _finish(ax, [style.short(name) for name in schedulers], panel.unit, 4)
    ax.set_title(panel.title, fontweight="bold")


def _draw_latency(ax: Axes, rows: pd.DataFrame, schedulers: Sequence[str], jobs: Sequence[str]) -> None:
    """Draw a lane per job; within it the schedulers stand one below the other."""
    length, symbol = units.time_unit(float(rows["mean"].median()))
    lanes = {job: lane for lane, job in enumerate(jobs)}
    for place, (scheduler, colour) in enumerate(zip(schedulers, style.palette(len(schedulers)), strict=True)):
        own = rows[rows["scheduler"] == scheduler]
        offset = 0.0 if len(schedulers) == 1 else 0.62 * (place / (len(schedulers) - 1) - 0.5)
        _dots(ax, own, [lanes[job] + offset for job in own["job"]], colour, 1 / length)
    _finish(ax, [style.short(job) for job in jobs], symbol, 8)
    ax.set_title("p99 latency per job, schedulers from top to bottom as above", fontweight="bold")


def _dots(ax: Axes, rows: pd.DataFrame, y: Sequence[float], colour: style.Colour, scale: float) -> None:
    means = rows["mean"].to_numpy(dtype=np.float64) * scale
    halves = np.nan_to_num(rows["half_width"].to_numpy(dtype=np.float64)) * scale
    ax.errorbar(means, y, xerr=halves, fmt="o", color=colour, markersize=4, elinewidth=1.3, capsize=2)


def _finish(ax: Axes, lanes: Sequence[str], unit: str, ticks: int) -> None:
    ax.set_yticks(range(len(lanes)), lanes)
    ax.set_ylim(len(lanes) - 0.45, -0.55)
    ax.set_xlabel(unit)
    ax.xaxis.set_major_locator(MaxNLocator(ticks))
    ax.margins(x=0.12)
    ax.tick_params(axis="y", length=0)
    style.grid(ax, "both")


def _subtitle(result: Result) -> str:
    count = result.manifest.replications
    if count == 1:
        return "Dots: one replication, so there are no intervals."
    return f"Dots: means of {count} replications. Bars: 95 % confidence intervals (Student's t)."


def _finding(result: Result, summary: pd.DataFrame) -> str:
    """State which scheduler kept closest to the entitled shares, and whether that is a real difference."""
    own = summary[(summary["metric"] == "share_error_mean") & (summary["job"] == "")]
    if own.empty:
        return "No scheduler delivered CPU time"
    errors = own.set_index("scheduler")["mean"]
    best, worst = str(errors.idxmin()), str(errors.idxmax())
    off = f"off by {units.number(100 * errors[best])} points"
    if len(errors) == 1:
        return f"{best} was {off} from the entitled shares"
    pairs = differences(result)
    extremes = pairs["first"].isin([best, worst]) & pairs["second"].isin([best, worst])
    pair = pairs[extremes & (pairs["metric"] == "share_error_mean") & (pairs["job"] == "")]
    if result.manifest.replications > 1 and not pair["real"].any():
        return "No real difference between the schedulers in how close they kept to the entitled shares"
    furthest = units.number(100 * errors[worst])
    return f"{best} kept closest to the entitled shares ({off}), {worst} least ({furthest})"
