"""Sentences for what a table cannot say: who was refused or killed and why, and how far a number carries."""

import math
import re
from collections.abc import Iterator

import pandas as pd

from reports import units
from reports.manifest import Job
from reports.result import Result
from reports.support import OF_RULE, needed, percentile_name, requests_needed

_SHARPEST = 99.0
_MOST_LINES = 8


def endings(processes: pd.DataFrame) -> str:
    """Say in a word or two how a job's processes ended: "alive" if they ran to the end of the simulation."""
    processes = _first_threads(processes)
    counts = pd.Series([_ending(row) for _, row in processes.iterrows()], dtype="object").value_counts(
        sort=False
    )
    if len(counts) == 1 and len(processes) == 1:
        return str(counts.index[0])
    return ", ".join(f"{count} {ending}" for ending, count in counts.items()) or "never arrived"


def explain(result: Result, jobs: pd.DataFrame) -> list[str]:
    """Return sentences about a run, jobs in scenario order.

    Args:
        result: the run.
        jobs: its `metrics.job_metrics`.
    """
    processes = result.table("processes")
    sentences: list[str] = []
    for job in result.manifest.jobs:
        own = _first_threads(processes[processes["job"] == job.job])
        sentences += _failures(job.job, own, result.table("kills"))
        sentences += _starved(job.job, own)
        sentences += _printed(job.job, result.table("events"))
    sentences += _throttled(result.table("groups"))
    sentences += _not_stated(result, jobs)
    sentences += _thin_evidence(jobs)
    modelled = [job.job for job in result.manifest.jobs if job.modelled]
    if modelled:
        sentences.append(f"What {_listed(modelled)} cost is modelled, not recorded from a real run.")
    return sentences


def _throttled(groups: pd.DataFrame) -> Iterator[str]:
    """Groups whose quota was spent before its period was over."""
    held = groups[groups["throttled_s"] > 0]
    if len(held):
        each = [
            f"{row['group']} {units.duration(row['throttled_s'])} ({row['throttled_periods']} of "
            f"{row['periods']} periods)"
            for _, row in held.iterrows()
        ]
        yield f"Held back because the quota was spent, over all CPUs: {_listed(each)}."


def _first_threads(processes: pd.DataFrame) -> pd.DataFrame:
    """Return one row a process; results written before there were threads have no others."""
    return processes[processes["thread"] == 0] if "thread" in processes else processes


def _ending(process: pd.Series) -> str:
    reason = str(process["exit_reason"] or "")
    if reason:
        return re.split(r"[:\s]", reason, maxsplit=1)[0]
    return "never ran" if math.isnan(process["first_run_s"]) else "alive"


def _failures(job: str, own: pd.DataFrame, kills: pd.DataFrame) -> Iterator[str]:
    """Processes refused or killed, those with the same reason told once; then those that exited in error."""
    failed = own[own["exit_reason"].str.match(r"(?:refused|killed):", na=False)]
    for reason, alike in failed.groupby("exit_reason", sort=False):
        verb, why = str(reason).split(":", 1)
        when = alike["exited_s"].min()
        at = "" if math.isnan(when) else f" at {units.duration(when)}"
        times = f" {len(alike)} times, first" if len(alike) > 1 else ""
        saved = _saved_by(kills, int(alike["pid"].iloc[0]))
        yield f"{job} was {verb}{times}{at}: {why.strip().rstrip('.')}.{saved}"
    if "exit_code" in own:
        ended = own.drop(failed.index)
        for code, alike in ended[ended["exit_code"].fillna(0) != 0].groupby("exit_code"):
            yield f"{job} exited with code {code}{f' {len(alike)} times' if len(alike) > 1 else ''}."


def _saved_by(kills: pd.DataFrame, pid: int) -> str:
    """Say what would have let a process live, if that is known."""
    ways = "".join(kills.loc[kills["pid"] == pid, "saved_by"])
    if not ways:
        return ""
    options = [" ".join(f"--set {setting}" for setting in _split(way)) for way in ways.split(" or ")]
    return f" It would not have come to this with {' or '.join(options)}."


def _split(way: str) -> list[str]:
    """Return the settings of a way; one that holds spaces is in quotes."""
    return re.findall(r"'[^']*'|\S+", way)


def _starved(job: str, own: pd.DataFrame) -> Iterator[str]:
    """Processes that wanted a CPU and never got one."""
    if not own.empty and own["first_run_s"].isna().all() and own["wait_s"].sum() > 0:
        yield f"{job} waited {units.duration(own['wait_s'].sum())} for a CPU and never ran."


def _printed(job: str, events: pd.DataFrame) -> Iterator[str]:
    """What a job's programs have printed, as far as it is short."""
    lines = events.loc[(events["job"] == job) & (events["kind"] == "print"), "detail"]
    for line in lines.head(_MOST_LINES):
        yield f"{job} prints: {line}"
    if len(lines) > _MOST_LINES:
        yield f"{job} prints {len(lines) - _MOST_LINES:,} more lines; the table events has all."


def too_few(percentile: float, job: Job, queries: int, duration_s: float) -> str:
    """Say how many queries it takes to state a percentile, and how long a run has as many, if any."""
    takes, rule = needed(percentile, job.percentile_rule), OF_RULE[job.percentile_rule]
    longer = "" if job.finite_requests else f": a run of about {units.duration(duration_s * takes / queries)}"
    return (
        f"{percentile_name(percentile)} takes {takes:,} queries ({rule}), "
        f"{takes - queries:,} more than {queries:,}{longer}"
    )


def _not_stated(result: Result, jobs: pd.DataFrame) -> Iterator[str]:
    """Percentiles that are not stated, because too few requests support them."""
    for job in result.manifest.jobs:
        queries = int(jobs["queries"][job.job])
        if 0 < queries < needed(_SHARPEST, job.percentile_rule):
            why = too_few(_SHARPEST, job, queries, result.manifest.duration_s)
            yield f"No p99 latency of {job.job}: {why}."


def _thin_evidence(jobs: pd.DataFrame) -> Iterator[str]:
    """Latency statistics that rest on few requests, or on a part of them."""
    enough = requests_needed(_SHARPEST)
    thin = jobs[jobs["latency_p99_s"].notna() & (jobs["queries"] < enough)]
    if len(thin):
        fewest = int(thin["queries"].min())
        of = _listed([str(job) for job in thin.index])
        yield (
            f"Too few requests for a firm p99 latency of {of}: it takes {enough} by MLPerf's early stopping, "
            f"and {'the fewest' if len(thin) > 1 else 'there'} were {fewest}."
        )
    left = [f"{count:g} of {job}'s" for job, count in jobs["unfinished"].items() if count]
    if left:
        yield f"Unfinished at the end, and so in no latency: {_listed(left)} requests."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
