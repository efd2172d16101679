"""How long jobs waited for a CPU each time: a histogram per job."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from reports import units
from reports.metrics import queue_waits
from reports.plots import style
from reports.result import Result

_WIDE = 1e3
_LABELLED = {True: (1.0, 3.0), False: (1.0,)}


@style.styled
def runqueue_latency(result: Result) -> Figure:
    """Draw per job how its waits for a CPU, from ready to running, were spread.

    Args:
        result: a run.

    Returns:
        One panel per job that was given a CPU, with a bar per bucket on a logarithmic axis and one on the
        left for the times it did not wait; no panel, and a title that says so, if no waits are on record.
    """
    table = result.table("runqueue_latency")
    jobs = [job for job in result.job_names if job in set(table["job"])]
    if not jobs:
        return style.page(0.0, "No waits for a CPU are on record").figure
    columns = style.columns_for(len(jobs))
    rows = style.rows_for(len(jobs), columns)
    height_in = {1: 1.7, 2: 1.2}.get(rows, 0.9)
    page = style.page(
        rows * (height_in + 0.36) + style.FOOT_IN,
        _finding(result, jobs),
        "Bars: share of the times a job was given a CPU, by how long it had been waiting; the bar on the "
        "left: at once.",
    )
    panels = page.panels(len(jobs), columns, height_in, share="xy")
    waited = table[table["bucket_low_ns"] > 0]
    low = float(waited["bucket_low_ns"].min()) if len(waited) else 1e6
    high = float(waited["bucket_high_ns"].max()) if len(waited) else 1e7
    at_once = (low / 2.2, low / 1.5)
    panels[0].set_xscale("log")
    panels[0].set_xlim(at_once[0] / 1.15, high * 1.15)
    panels[0].xaxis.set_major_locator(LogLocator(subs=_LABELLED[high / low < _WIDE], numticks=12))
    panels[0].xaxis.set_minor_locator(NullLocator())
    panels[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value, low)))
    for job, ax in zip(jobs, panels, strict=True):
        own = table[table["job"] == job]
        _draw(ax, own, at_once, style.colours(result)[job])
        waits = queue_waits(result, job)
        parts = [f"p50 {units.duration(waits['queue_p50_s'])}, p99 {units.duration(waits['queue_p99_s'])}"]
        style.panel_title(ax, job, parts, style.colours(result)[job])
    page.x_label("wait for a CPU (logarithmic)")
    page.y_label("share of dispatches (%)", panels)
    return page.figure


def _tick(value_ns: float, low_ns: float) -> str:
    """Label a tick, but not where the bar of those who did not wait stands."""
    return units.duration(value_ns * 1e-9) if value_ns >= low_ns / 1.2 else ""


def _draw(ax: Axes, own: pd.DataFrame, at_once: tuple[float, float], colour: style.Colour) -> None:
    low = own["bucket_low_ns"].to_numpy(dtype=np.float64)
    high = own["bucket_high_ns"].to_numpy(dtype=np.float64)
    left, right = np.where(low == 0, at_once[0], low), np.where(low == 0, at_once[1], high)
    share = 100 * own["count"].to_numpy(dtype=np.float64) / own["count"].sum()
    ax.bar(left, share, width=right - left, align="edge", color=colour, edgecolor="white", linewidth=0.5)
    ax.set_ylim(0, None)
    style.grid(ax)


def _finding(result: Result, jobs: list[str]) -> str:
    """State whose longest waits were the longest."""
    p99 = {job: queue_waits(result, job)["queue_p99_s"] for job in jobs}
    longest = max(jobs, key=p99.__getitem__)
    if p99[longest] == 0:
        return "Nobody waited for a CPU"
    times = f"{units.duration(p99[longest])} or less 99 times of 100"
    return f"{style.short(longest)} waited longest for a CPU: {times}"
