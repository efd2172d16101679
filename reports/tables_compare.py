"""The tables of a comparison: fairness per scheduler, differences between schedulers, latency per job."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from reports import units
from reports.fitted import Column, FittedTable

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """How a metric is shown in a comparison: its heading, its scale, or a duration where `scale` is None."""

    metric: str
    header: str
    scale: float | None
    rank: int


SHOWN = (
    Shown("share_error_mean", "share error\npp", 100.0, 1),
    Shown("lag_quanta_worst", "worst lag\nquanta", 1.0, 2),
    Shown("jain", "Jain's\nindex", 1.0, 3),
    Shown("finish_ratio", "first/last\nfinish", 1.0, 3),
    Shown("response_mean_s", "response", None, 4),
    Shown("switches_per_s", "switches\nper second", 1.0, 5),
)


def comparison_tables(summary: Row) -> list[RenderableType]:
    """Return the renderables of a comparison's summary."""
    count = summary["replications"]
    runs = "1 replication" if count == 1 else f"{count} replications"
    title = Text(summary["scenario"], style="bold")
    title.append(
        f": {runs} of {units.duration(summary['duration_s'])}, seed {summary['seed']}\n", style="not bold"
    )
    parts: list[RenderableType] = [title, fairness_table(summary)]
    if len(summary["schedulers"]) > 1:
        parts += [Text(), difference_table(summary)]
    latency = latency_table(summary)
    if latency is not None:
        parts += [Text(), latency]
    return [*parts, Text(), _intervals_explained(summary), *_stopping_explained(summary)]


def fairness_table(summary: Row) -> FittedTable:
    """Per scheduler each fairness metric as mean ± half-width of its 95 % confidence interval."""
    names = summary["schedulers"]
    found = {(row["scheduler"], row["metric"]): row for row in summary["metrics"] if not row["job"]}
    columns = [Column("scheduler", names, left=True)]
    for shown in SHOWN:
        cells = [_cell(found.get((name, shown.metric)), shown) for name in names]
        columns.append(Column(shown.header, cells, shown.rank))
    return FittedTable(columns)


def difference_table(summary: Row) -> FittedTable:
    """Per pair of schedulers the paired difference of each fairness metric; * marks the real ones."""
    rows = [row for row in summary["differences"] if not row["job"]]
    pairs = list(dict.fromkeys((row["first"], row["second"]) for row in rows))
    found = {(row["first"], row["second"], row["metric"]): row for row in rows}
    columns = [Column("difference", [f"{first} - {second}" for first, second in pairs], left=True)]
    for shown in SHOWN:
        cells = [_cell(found.get((*pair, shown.metric)), shown, signed=True) for pair in pairs]
        columns.append(Column(shown.header, cells, shown.rank))
    return FittedTable(columns)


def latency_table(summary: Row) -> FittedTable | None:
    """Per job the p99 latency under each scheduler, or None if no job finished a request."""
    rows = [row for row in summary["metrics"] if row["metric"] == "latency_p99_s" and row["job"]]
    jobs = list(dict.fromkeys(row["job"] for row in rows))
    if not jobs:
        return None
    found = {(row["scheduler"], row["job"]): row for row in rows}
    shown = Shown("latency_p99_s", "", None, 1)
    columns = [Column("p99 latency", jobs, left=True)]
    for rank, name in enumerate(summary["schedulers"], start=1):
        columns.append(Column(name, [_cell(found.get((name, job)), shown) for job in jobs], rank))
    return FittedTable(columns)


def _cell(row: Row | None, shown: Shown, *, signed: bool = False) -> str:
    if row is None or row["mean"] is None:
        return units.NOTHING
    mean, half = row["mean"], row["half_width"]
    mark = " *" if signed and row["real"] else ""
    half = math.nan if half is None else half
    if shown.scale is None:
        length, symbol = units.time_unit(mean)
        return f"{units.with_error(mean / length, half / length, signed=signed)} {symbol}{mark}"
    if shown.metric == "jain" and math.isnan(half):
        return f"{mean:{'+' if signed else ''}.4f}{mark}"  # near 1 it is the fourth decimal that differs
    return units.with_error(mean * shown.scale, half * shown.scale, signed=signed) + mark


def _intervals_explained(summary: Row) -> Text:
    """Say what ± and * mean, and why a number stands without an interval."""
    rows: Sequence[Row] = [*summary["metrics"], *summary["differences"]]
    sentences = []
    if any(row["half_width"] is not None for row in rows):
        sentences.append(
            "± is half the 95 % confidence interval of the mean (Student's t over replications)."
        )
    if any(row["real"] for row in summary["differences"] if not row["job"]):
        sentences.append("* marks a difference, paired by replication, whose interval excludes 0.")
    if any(row["why"] == "one replication" for row in rows):
        sentences.append("One replication gives no interval; ask for more with --replications.")
    if any(row["why"] == "all replications alike" for row in rows):
        sentences.append("A number without ± was the same in every replication.")
    return Text(" ".join(sentences))


def _stopping_explained(summary: Row) -> list[Text]:
    """Say why there are as many replications as there are, where that was not asked for."""
    stopping = summary["stopping"]
    if stopping is None:
        return []
    count = summary["replications"]
    if stopping["alike"]:
        return [Text(f"{count} replications came out alike, so there were no more.")]
    name = next(shown.header.replace("\n", " ") for shown in SHOWN if shown.metric == stopping["metric"])
    whose = f"{stopping['scheduler']}'s {name}"
    relative = stopping["relative"]
    known = "" if relative is None else f" (± {units.percent(relative)})"
    if stopping["precise"]:
        return [Text(f"{count} replications made every interval narrow enough; widest: {whose}{known}.")]
    cap = f"{count} replications, the most allowed (--max-replications), left some intervals wider than 1 %"
    return [Text(f"{cap}; widest: {whose}{known}.")]
