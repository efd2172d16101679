"""The content of a report as plain data: what `--json` prints, and what the tables are made from."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import pandas as pd

from reports import comparison, memory_errors, metrics, notes, stopping, thresholds
from reports.manifest import Job, Manifest
from reports.metrics import job_metrics, machine_metrics
from reports.paging import by_degree
from reports.result import Result
from reports.support import needed, percentile_name

_COUNTS = {
    "dispatches",
    "switches",
    "preemptions",
    "migrations",
    "peak_heap_bytes",
    "peak_resident_bytes",
    "requests",
}
_COUNTS |= {"weight", "periods", "throttled_periods"}
_COUNTS |= {"finished", "queries", "dropped", "unfinished", "deadlines_met", "missed_deadlines", "oom_kills"}
_COUNTS |= {"faults", "compactions", "internal_fragmentation_bytes"}
_COUNTS |= {"kill", "rank", "pid", "asking_pid", "highs", "maxes", "ooms", "oom_score_adj", "memory_tickets"}
_COUNTS |= {"needed_bytes", "free_bytes", "size_bytes", "rss_bytes", "table_bytes", "swapped_bytes"}
_COUNTS |= {"held_bytes", "asked_bytes", "entitled_bytes", "peak_bytes", "high_bytes", "max_bytes", "tickets"}
_COUNTS |= {"memory_errors", "leaked_bytes"}
_COUNTS |= {"minor_faults", "major_faults"}
_COUNTS |= {"swapped_in_bytes", "swapped_out_bytes", "working_set_bytes", "swap_used_bytes", "processes"}


def summary(result: Result) -> dict[str, Any]:
    """Return a report's content as JSON-able data.

    The keys of a run: `kind`, `scenario`, `scheduler`, `seed`, `replication`, `duration_s`, `cpus`,
    `memory_bytes`, `machine` (`metrics.machine_metrics` and `peak_resident_bytes`), `jobs` (in scenario
    order: `job`, `tickets`, `ended`, `metrics.job_metrics`, and in `latency_needs` how many queries it
    takes to state each percentile that is None for want of them), `groups` (the rows of that table),
    `memory_limits` (the rows of that table), `kills` (those of that table, each with its `candidates`),
    `memory_errors` (`memory_errors.findings`), `paging` (`paging.by_degree`), `thresholds`, `notes`
    (sentences). Of a
    comparison: `schedulers`, `replications`, `stopping` (`stopping.Verdict`; None if the number
    was asked for), `metrics` (`comparison.summarise`) and `differences` instead of
    `machine`, `jobs` and `notes`. What has no value is None.

    Raises:
        ReportError: if a table is damaged or a threshold names an unknown metric.
    """
    return _of_run(result) if result.manifest.kind == "run" else _of_comparison(result)


def _of_run(result: Result) -> dict[str, Any]:
    manifest, processes = result.manifest, result.table("processes")
    jobs = job_metrics(result)
    rows_by_job = cast("dict[str, dict[str, Any]]", jobs.to_dict("index"))
    rows = [
        {
            "job": job.job,
            "tickets": job.tickets,
            "ended": notes.endings(processes[processes["job"] == job.job]),
            **_plain(rows_by_job[job.job]),
            "latency_needs": unsupported(
                job, int(rows_by_job[job.job]["queries"]), metrics.percentiles(result)
            ),
        }
        for job in manifest.jobs
    ]
    held = result.table("memory").groupby("time_s")["resident_bytes"].sum()
    machine = machine_metrics(result) | {"peak_resident_bytes": held.max() if len(held) else 0}
    return {
        **_heading(manifest),
        "scheduler": manifest.scheduler,
        "replication": manifest.replication,
        "machine": _plain(machine),
        "jobs": rows,
        "groups": _records(result.table("groups")),
        "memory_limits": _records(result.table("memory_limits")),
        "kills": _kills(result),
        "memory_errors": memory_errors.findings(result),
        "paging": [_plain(row) for row in by_degree(result)],
        "thresholds": _thresholds(result),
        "notes": notes.explain(result, jobs),
    }


def unsupported(job: Job, queries: int, percentiles: Sequence[float]) -> dict[str, int]:
    """Return how many queries it takes to state each percentile that so many do not support, by name."""
    takes = {percentile_name(p): needed(p, job.percentile_rule) for p in percentiles}
    return {name: count for name, count in takes.items() if 0 < queries < count}


def _kills(result: Result) -> list[dict[str, Any]]:
    """Return the kills and refusals in order of time, each with those who might have been killed."""
    candidates = result.table("kill_candidates")
    return [
        {**row, "candidates": _records(candidates[candidates["kill"] == row["kill"]].drop(columns="kill"))}
        for row in _records(result.table("kills"))
    ]


def _of_comparison(result: Result) -> dict[str, Any]:
    verdict = stopping.judge(result.table("replications")) if result.manifest.adaptive else None
    return {
        **_heading(result.manifest),
        "schedulers": list(result.manifest.schedulers),
        "replications": result.manifest.replications,
        "stopping": None if verdict is None else _plain(asdict(verdict)),
        "metrics": _records(comparison.summarise(result)),
        "differences": _records(comparison.differences(result)),
        "thresholds": _thresholds(result),
    }


def _heading(manifest: Manifest) -> dict[str, Any]:
    return {
        "kind": manifest.kind,
        "scenario": manifest.name,
        "seed": manifest.seed,
        "duration_s": manifest.duration_s,
        "cpus": manifest.cpus,
        "memory_bytes": manifest.memory_bytes,
    }


def _thresholds(result: Result) -> list[dict[str, Any]]:
    rows = []
    for outcome in thresholds.evaluate(result):
        row = {"text": outcome.threshold.text, "passed": outcome.passed, "measured": outcome.measured}
        row |= {"measured_text": outcome.measured_text, "reason": outcome.reason}
        if outcome.scheduler:
            row |= {"scheduler": outcome.scheduler, "kept": outcome.kept}
            row |= {"replications": outcome.replications}
        rows.append(_plain(row))
    return rows


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain(cast("dict[str, Any]", row)) for row in frame.to_dict("records")]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Make counts whole, numpy's scalars Python's, and NaN None."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str | bool) or value is None:
            plain[name] = value
        elif math.isnan(value):
            plain[name] = None
        else:
            plain[name] = int(value) if name in _COUNTS else _python(value)
    return plain


def _python(value: Any) -> Any:  # noqa: ANN401 - a number or bool of numpy or of Python
    return value.item() if hasattr(value, "item") else value
