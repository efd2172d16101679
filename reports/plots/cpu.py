"""Who got the CPU, window by window, against what their tickets entitled them to."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import units
from reports.metrics import job_metrics
from reports.notes import endings
from reports.plots import style
from reports.plots.windows import edges_s, per_window
from reports.result import Result

_NEGLIGIBLE = 0.0005


@style.styled
def cpu_share(result: Result) -> Figure:
    """Draw each job's share of all CPUs per window, with its entitlement as dashed steps.

    Args:
        result: a run.

    Returns:
        One panel per job in scenario order, on the same axes.
    """
    jobs, colours = result.job_names, style.colours(result)
    windows = result.table("cpu")
    edges = edges_s(windows)
    shares, entitled = (per_window(windows, jobs, column) for column in ("share", "entitled_share"))
    columns = style.columns_for(len(jobs))
    rows = style.rows_for(len(jobs), columns)
    height_in = {1: 2.2, 2: 1.5, 3: 1.15}.get(rows, 0.9)
    whole = "the CPU" if result.manifest.cpus == 1 else f"all {result.manifest.cpus} CPUs"
    width = units.duration(float(edges[1] - edges[0]))
    page = style.page(
        rows * (height_in + 0.36) + style.FOOT_IN,
        _finding(result),
        f"Filled: share of {whole} in windows of {width}. Dashed: entitled by tickets. "
        "Titles: of all CPU time delivered.",
    )
    panels = page.panels(len(jobs), columns, height_in, share="xy")
    length, label = style.time_axis(float(edges[-1]))
    top = min(max(float(max(shares.max(), entitled.max())) * 1.12, 0.01), 1.04)
    panels[0].set(xlim=(edges[0] / length, edges[-1] / length), ylim=(0, 100 * top))
    panels[0].yaxis.set_major_locator(MaxNLocator(5 if rows < 3 else 4, steps=[1, 2, 5, 10]))  # noqa: PLR2004 - low panels hold few
    words = _words(result)
    for job, ax, share, ideal in zip(jobs, panels, shares, entitled, strict=True):
        x, y = style.steps(edges / length, 100 * share)
        ax.fill_between(x, y, color=style.light(colours[job]), linewidth=0)
        ax.plot(x, y, color=colours[job], linewidth=style.step_width(share.size), label="received")
        ax.plot(x, np.repeat(100 * ideal, 2), color=style.INK, dashes=(4, 2), linewidth=1.0, label="entitled")
        style.grid(ax)
        style.panel_title(ax, job, words[job], colours[job])
    page.x_label(label)
    page.y_label(f"share of {whole} (%)", panels)
    return page.figure


def _words(result: Result) -> dict[str, list[str]]:
    """Per job, what it got against what it was entitled to, or why that is nothing."""
    processes, found = result.table("processes"), {}
    for job, row in job_metrics(result).iterrows():
        own = processes[processes["job"] == job]
        if row["cpu_s"] == 0 and row["entitled_share"] == 0:
            found[str(job)] = [endings(own), "no CPU time"]
        else:
            got, due = 100 * row["cpu_share"], units.percent(row["entitled_share"])
            found[str(job)] = [f"got {got:.1f} of {due}"]
    return found


def _finding(result: Result) -> str:
    """State the largest gap between what a job got and what it was entitled to, or that there is none."""
    metrics = job_metrics(result)
    errors = metrics["share_error"].abs()
    if errors.isna().all():
        return "No job received CPU time"
    job = str(errors.idxmax())
    got, due = units.percent(metrics["cpu_share"][job]), units.percent(metrics["entitled_share"][job])
    if len(metrics) == 1:
        return f"{job} got {got} of the CPU time against {due} entitled"
    if errors[job] < _NEGLIGIBLE:
        return "Every job got the CPU time it was entitled to, within 0.1 points"
    ending = "" if len(metrics) == 2 else ": the largest gap"  # noqa: PLR2004 - of two, both are as far
    return f"{job} got {got} of the CPU time against {due} entitled{ending}"
