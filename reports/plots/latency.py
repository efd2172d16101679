"""How long requests took: the distribution per job, with its percentiles and deadline."""

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from reports import units
from reports.latency import query_latencies
from reports.metrics import job_metrics
from reports.plots import style
from reports.result import Result
from reports.support import percentile_name

_DOTS_UP_TO = 60
_WIDE = 30.0
_ABOVE_ONE_ANOTHER = 3
_LABEL_ROOM = {1: 0.16, 2: 0.28}
_WHITE = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}


@style.styled
def latency(result: Result) -> Figure:
    """Draw the cumulative distribution of each job's latency, with deadline, p50 and p99.

    Where too few requests support the p99, the maximum is marked in its place.

    Args:
        result: a run.

    Returns:
        One panel per job that finished a request; no panel, and a title that says so, if none did.
    """
    metrics = job_metrics(result)
    jobs = [job for job in result.job_names if metrics["finished"][job] > 0]
    if not jobs:
        arrived = int(metrics["requests"].sum())
        title = f"None of {arrived} requests was finished" if arrived else "No job served requests"
        return style.page(0.0, title).figure
    requests = result.table("requests")
    finished = requests[requests["outcome"] == "finished"]
    columns = 1 if len(jobs) <= _ABOVE_ONE_ANOTHER else 2
    rows = style.rows_for(len(jobs), columns)
    height_in = {1: 2.4, 2: 1.6}.get(rows, 1.15)
    page = style.page(
        rows * (height_in + 0.36) + style.FOOT_IN, _finding(metrics), _subtitle(metrics, result)
    )
    panels = page.panels(len(jobs), columns, height_in, share="xy")
    deadlines = {job.job: (job.deadline_ns or 0) / 1e9 for job in result.manifest.jobs}
    samples = {job.job: job.samples_per_query for job in result.manifest.jobs}
    logarithmic, length, symbol = _scale(
        panels[0], finished["latency_s"], list(deadlines.values()), _LABEL_ROOM[columns]
    )
    for job, ax in zip(jobs, panels, strict=True):
        own = np.sort(query_latencies(requests[requests["job"] == job], samples[job])) / length
        stated = [p for p in (50.0, 99.0) if not math.isnan(metrics[f"latency_p{p:g}_s"][job])]
        _draw(ax, own, style.colours(result)[job], length, stated)
        if deadlines[job]:
            ax.axvline(deadlines[job] / length, color=style.INK, dashes=(4, 2), linewidth=1.0)
            _name_deadline(ax, deadlines[job], own, length)
        style.panel_title(ax, job, _counts(metrics, job), style.colours(result)[job])
    page.x_label(f"latency ({symbol}{', logarithmic' if logarithmic else ''})")
    page.y_label("share of finished requests (%)", panels)
    return page.figure


def _scale(ax: Axes, latency_s: pd.Series, deadlines_s: list[float], room: float) -> tuple[bool, float, str]:
    """Set the shared axes, with room for labels at the right.

    Returns:
        Whether x is logarithmic, and the length in seconds and the symbol of its unit.
    """
    low, high = float(latency_s.min()), max(float(latency_s.max()), *deadlines_s)
    length, symbol = units.time_unit(float(latency_s.median()))
    logarithmic = low > 0 and high / low > _WIDE
    if logarithmic:
        ax.set_xscale("log")
        ax.set_xlim(low / length / 1.15, high / length * (high / low) ** (1.3 * room))
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=12))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        ax.set_xlim(0, high / length * (1 + room))
        ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_ylim(0, 106)
    ax.set_yticks([0, 50, 100])
    return logarithmic, length, symbol


def _draw(
    ax: Axes, latencies: style.Floats, colour: style.Colour, length: float, stated: list[float]
) -> None:
    """Draw one distribution and mark the percentiles that are stated, and its end where the p99 is not."""
    n = latencies.size
    reached = 100 * np.arange(1, n + 1) / n
    dots = {"marker": "o", "markersize": 2.5} if n <= _DOTS_UP_TO else {}
    ax.step(
        np.concatenate([latencies[:1], latencies]),
        np.concatenate([[0.0], reached]),
        where="post",
        color=colour,
        **dots,  # type: ignore[arg-type]  # a marker is text, its size a number
    )
    style.grid(ax)
    marked = [(percentile_name(percentile), percentile) for percentile in stated]
    for name, percentile in marked if 99.0 in stated else [*marked, ("max", 100.0)]:  # noqa: PLR2004 - p99
        value = float(np.percentile(latencies, percentile, method="inverted_cdf"))
        ax.plot([value], [percentile], "o", color=style.darker(colour), markersize=4.5, zorder=4)
        ax.annotate(
            f"{name} {units.duration(value * length)}",
            xy=(value, percentile),
            xytext=(6, -2),  # below and to the right of a point, a distribution function leaves room
            textcoords="offset points",
            va="top",
            zorder=5,
            bbox=_WHITE,
        )


def _name_deadline(ax: Axes, deadline_s: float, latencies: style.Floats, length: float) -> None:
    """Name the deadline at the foot of its line, on the side where the curve is not."""
    x = deadline_s / length
    low = float(np.percentile(latencies, 15))
    left = _fraction_of_axis(ax, x) > (0.3 if low > x else 0.75)
    ax.annotate(
        f"deadline {units.duration(deadline_s)}",
        xy=(x, 0),
        xytext=(-4 if left else 4, 4),
        textcoords="offset points",
        ha="right" if left else "left",
        va="bottom",
        bbox=_WHITE,
    )


def _fraction_of_axis(ax: Axes, value: float) -> float:
    """Where along the x axis a value lies, 0 to 1."""
    low, high = ax.get_xlim()
    if ax.get_xscale() == "log":
        low, high, value = np.log(low), np.log(high), np.log(value)
    return float((value - low) / (high - low))


def _counts(metrics: pd.DataFrame, job: str) -> list[str]:
    parts = []
    for name, word in (
        ("finished", "finished"),
        ("missed_deadlines", "late"),
        ("dropped", "dropped"),
        ("unfinished", "unfinished"),
    ):
        if metrics[name][job] > 0:
            parts.append(f"{metrics[name][job]:,.0f} {word}")
    return parts


def _subtitle(metrics: pd.DataFrame, result: Result) -> str:
    """Say how to read the curves, and which jobs have none."""
    said = "Curve: share of the finished requests that took at most so long."
    deadlines = {job.deadline_ns for job in result.manifest.jobs if job.deadline_ns}
    if len(deadlines) == 1:
        said += f" Dashed: the deadline, {units.duration(deadlines.pop() / 1e9)}."
    elif deadlines:
        said += " Dashed: the job's deadline."
    served, finished = metrics["requests"] > 0, metrics["finished"] > 0
    for without, words in ((~served, "served no requests"), (served & ~finished, "finished none")):
        if without.any():
            said += f" {', '.join(metrics.index[without])} {words}."
    return said


def _finding(metrics: pd.DataFrame) -> str:
    """State the worst miss of a deadline, or that there was none, or whose latency was longest."""
    with_deadline = metrics[metrics["missed_deadlines"].notna()]
    slowest = str(metrics["latency_max_s"].idxmax())
    if len(with_deadline) and with_deadline["missed_deadlines"].sum() > 0:
        rate = with_deadline["missed_deadlines"] / (with_deadline["requests"] - with_deadline["dropped"])
        job = str(rate.idxmax())
        missed, median = with_deadline["missed_deadlines"][job], with_deadline["latency_p50_s"][job]
        of = with_deadline["requests"][job] - with_deadline["dropped"][job]
        ending = f"; half took more than {units.duration(median)}" if median == median else ""  # noqa: PLR0124 - NaN
        return f"{job} missed {missed:,.0f} of {of:,.0f} deadlines ({units.percent(missed / of)}){ending}"
    if not math.isnan(metrics["latency_p99_s"][slowest]):
        longest = f"99 % of {slowest}'s took at most {units.duration(metrics['latency_p99_s'][slowest])}"
    else:
        longest = f"{slowest}'s slowest took {units.duration(metrics['latency_max_s'][slowest])}"
    return f"No request missed a deadline; {longest}" if len(with_deadline) else f"Of all requests, {longest}"
