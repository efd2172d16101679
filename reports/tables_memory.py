"""Limits on memory and kills on the terminal."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from reports import units
from reports.fitted import Column, FittedTable

Row = Mapping[str, Any]

SHOWN = 3
"""Kills whose candidates are shown; all are in the table of kills."""


def limit_table(summary: Row) -> FittedTable:
    """Per job and group: what it held of memory beside its limits and what its tickets entitle it to."""
    rows = summary["memory_limits"]
    jobs = {job["job"]: job for job in summary["jobs"]}
    own = [jobs.get(row["name"], {}) if row["kind"] == "job" else {} for row in rows]

    def cells(name: str, show: Callable[[float], str]) -> list[str]:
        return [_shown(row[name], show) for row in rows]

    def of_jobs(name: str, show: Callable[[float], str]) -> list[str]:
        return [_shown(job.get(name), show) for job in own]

    tickets = [str(row["memory_tickets"]) if row["kind"] == "job" else units.NOTHING for row in rows]
    return FittedTable(
        [
            Column("memory of", [row["name"] for row in rows], left=True),
            Column("in group", [_group(row) for row in rows], rank=4, left=True),
            Column("memory\ntickets", tickets, rank=3),
            Column("entitled\n%", of_jobs("entitled_memory_share", _percent), rank=2),
            Column("held\n%", of_jobs("memory_share", _percent), rank=1),
            Column("error\npp", of_jobs("memory_share_error", units.points), rank=2),
            Column("peak", cells("peak_bytes", units.size), rank=1),
            Column("high", cells("high_bytes", units.size), rank=1),
            Column("max", cells("max_bytes", units.size), rank=1),
            Column("throttled", cells("throttled_s", units.duration), rank=1),
            Column("killed", [units.number(row["oom_kills"]) for row in rows], rank=1),
        ]
    )


def kill_tables(summary: Row) -> list[RenderableType]:
    """For the first kills that a rule decided: who was in line for it, and with what score."""
    decided = [kill for kill in summary["kills"] if kill["killer"] != "kill-asking" and kill["candidates"]]
    parts: list[RenderableType] = []
    for kill in decided[:SHOWN]:
        parts += [_kill_table(kill), Text()]
    if len(decided) > SHOWN:
        parts += [Text(f"{len(decided) - SHOWN} more kills are in the table of kills."), Text()]
    return parts


def _kill_table(kill: Row) -> FittedTable:
    rows = kill["candidates"]
    by_tickets = rows[0]["score_of"] == "entitlement"
    score = "held and asked\n/ entitled" if by_tickets else "badness\npages"

    def sizes(name: str) -> list[str]:
        return [units.size(row[name]) if row[name] else units.NOTHING for row in rows]

    end = ["" if row["pid"] != kill["pid"] else kill["kind"] for row in rows]
    when = units.duration(kill["time_s"])
    return FittedTable(
        [
            Column("in line", [row["job"] for row in rows], left=True),
            Column("pid", [str(row["pid"]) for row in rows], rank=3),
            Column(score, [_score(row) for row in rows], rank=1),
            Column("in memory", sizes("rss_bytes"), rank=2),
            Column("tables", sizes("table_bytes"), rank=5),
            Column("swapped", sizes("swapped_bytes"), rank=4),
            Column("asks for", sizes("asked_bytes"), rank=2),
            Column(
                "entitled", sizes("entitled_bytes") if by_tickets else [units.NOTHING] * len(rows), rank=2
            ),
            Column("adj", [str(row["oom_score_adj"] or units.NOTHING) for row in rows], rank=3),
            Column("", end, rank=1, left=True),
        ],
        title=f"{when}: {kill['asking_job'] or 'somebody'} asked for {units.size(kill['needed_bytes'])}, "
        f"{units.size(kill['free_bytes'])} free of {units.size(kill['size_bytes'])}"
        f"{' of ' + kill['limit'] if kill['limit'] else ''}",
    )


def _score(row: Row) -> str:
    return f"{row['score']:.2f}" if row["score_of"] == "entitlement" else units.number(row["score"])


def _group(row: Row) -> str:
    return units.NOTHING if row["of"] == "root" else str(row["of"])


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return show(math.nan if value is None else value)


def _percent(fraction: float) -> str:
    return units.percent(fraction).removesuffix(" %")
