"""What memcheck found: errors by job, and what was lost."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from reports import units
from reports.result import Result

LEAKS = ("definitely-lost", "indirectly-lost", "possibly-lost", "still-reachable")
"""The categories of valgrind's leak report, worst first; they are told apart from errors."""
_LOST = ("definitely-lost", "indirectly-lost")
_MOST_SHOWN = 8


def checked_jobs(result: Result) -> list[str]:
    """Return the jobs that ran with memcheck."""
    jobs = result.manifest.scenario.get("jobs", {})
    modes = {name: job.get("memory", {}).get("memcheck", "off") for name, job in jobs.items()}
    return [name for name in result.job_names if modes.get(name, "off") != "off"]


def errors_found(result: Result) -> float:
    """Return how often memcheck found an error, leaks left aside; NaN where no job was checked."""
    if not checked_jobs(result):
        return math.nan
    table = result.table("memory_errors")
    return float(table.loc[~table["kind"].isin(LEAKS), "count"].sum())


def leaked_bytes(result: Result, job: str) -> float:
    """Return the bytes that a job's processes lost, definitely or indirectly; NaN if it was not checked."""
    if job not in checked_jobs(result):
        return math.nan
    table = result.table("memory_errors")
    own = table[(table["job"] == job) & table["kind"].isin(_LOST)]
    return float(own["size_bytes"].sum())


def findings(result: Result) -> list[dict[str, Any]]:
    """Return what was found in each job that was checked: `job`, `errors` and `leaks`, rows in order of time.

    A row has `kind`, `detail`, `pid`, `time_s`, `function`, `place`, `callers`, `allocated`, `freed`,
    `size_bytes` and `count`.
    """
    table = result.table("memory_errors")
    columns = ["kind", "detail", "pid", "time_s", "function", "place", "callers", "allocated", "freed"]
    columns += ["size_bytes", "count"]
    found = []
    for job in checked_jobs(result):
        own = table[table["job"] == job]
        leaks = own["kind"].isin(LEAKS)
        found.append({"job": job, "errors": _rows(own[~leaks], columns), "leaks": _rows(own[leaks], columns)})
    return found


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that tell of one job's findings, as valgrind tells them."""
    errors, leaks = found["errors"], found["leaks"]
    count = sum(row["count"] for row in errors)
    yield f"{found['job']} under memcheck: {_counted(count, 'error')}" + (
        "" if count or leaks else ", no leaks"
    )
    for row in errors[:_MOST_SHOWN]:
        times = f" ({row['count']:,} times)" if row["count"] > 1 else ""
        yield f"  {row['detail']}{times}"
        yield f"    in {_place(row)}"
        if row["callers"]:
            yield f"    called from {row['callers']}"
        if row["allocated"]:
            yield f"    allocated in {row['allocated']}"
        if row["freed"]:
            yield f"    freed in {row['freed']}"
    if len(errors) > _MOST_SHOWN:
        yield f"  and at {_counted(len(errors) - _MOST_SHOWN, 'more place')}; the table memory_errors has all"
    for kind in LEAKS:
        own = [row for row in leaks if row["kind"] == kind]
        for row in own[:_MOST_SHOWN]:
            yield f"  {row['detail']}, allocated in {row['allocated'] or 'no known place'}"
        if len(own) > _MOST_SHOWN:
            size = units.size(sum(row["size_bytes"] for row in own[_MOST_SHOWN:]))
            yield f"  {kind.replace('-', ' ')}: {size} more, of other places"


def _rows(table: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    rows = table[columns].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _place(row: Mapping[str, Any]) -> str:
    words = [row["function"], row["place"]]
    return ", ".join(word for word in words if word) or "a place that the program does not tell"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
