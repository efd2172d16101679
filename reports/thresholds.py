"""The scenario's promises held against what was measured."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports import units
from reports.errors import ReportError
from reports.manifest import Manifest, Threshold
from reports.metrics import long_metrics
from reports.notes import too_few
from reports.result import Result

Metrics = Mapping[tuple[str, str], float]
"""Value per (job, metric), job "" for the whole machine: the rows of `metrics.long_metrics`."""

_OF_JOB = {
    "cpu_share": "cpu_share",
    "missed_deadlines": "missed_deadlines",
    "drops": "dropped",
    "throughput": "throughput_per_s",
    "response": "response_s",
    "lag": "lag_s",
    "peak_heap": "peak_heap_bytes",
    "peak_resident": "peak_resident_bytes",
    "faults": "faults",
    "tlb_hit_rate": "tlb_hit_share",
    "oom_kills": "oom_kills",
    "throttled": "throttled_s",
    "memory_share": "memory_share",
    "leaked_bytes": "leaked_bytes",
    "major_faults": "major_faults",
    "disk_wait": "disk_wait_s",
    "working_set": "working_set_bytes",
}
_OF_MACHINE = {
    "oom_kills": "oom_kills",
    "jain": "jain",
    "switches": "switches",
    "idle_share": "idle_share",
    "switching_share": "switching_share",
    "internal_fragmentation": "internal_fragmentation_bytes",
    "compactions": "compactions",
    "memory_share_error": "memory_share_error_mean",
    "memory_errors": "memory_errors",
    "disk_busy_share": "disk_busy_share",
}
_WITHOUT_VALUE = {
    "latency": "no request arrived",
    "drops": "no request arrived",
    "throughput": "no request arrived",
    "missed_deadlines": "no request had a deadline",
    "response": "it never ran",
    "cpu_share": "no CPU time was delivered",
    "tlb_hit_rate": "no address was translated by a TLB",
    "throttled": "the scenario says nothing of who may hold what memory",
    "memory_share": "the scenario says nothing of who may hold what memory",
    "leaked_bytes": "it ran without memcheck",
    "major_faults": "there was no swap device",
    "disk_wait": "there was no swap device",
    "working_set": "there was no swap device",
}
_LATENCY = re.compile(r"mean|max|p\d+(\.\d+)?")


@dataclass(frozen=True)
class Outcome:
    """What became of one threshold.

    Attributes:
        threshold: the promise.
        measured: the value, in the threshold's unit (SI base units), or NaN if there was nothing to measure.
        passed: whether the promise was kept; a promise about nothing is not.
        reason: why there was nothing to measure, or "".
        scheduler: whose replications these were, or "" for a run.
        kept: in how many replications the promise was kept.
        replications: of how many.
    """

    threshold: Threshold
    measured: float
    passed: bool
    reason: str = ""
    scheduler: str = ""
    kept: int = 0
    replications: int = 1

    @property
    def measured_text(self) -> str:
        """The measured value with its unit, or the reason there is none."""
        return self.reason or units.by_metric_name(metric_of(self.threshold), self.measured)


def metric_of(threshold: Threshold) -> str:
    """Return the name under which `metrics.long_metrics` holds a threshold's metric.

    Raises:
        ReportError: if the threshold names a metric or statistic that does not exist.
    """
    known = _OF_JOB if threshold.job else _OF_MACHINE
    if threshold.job and threshold.metric == "latency":
        if _LATENCY.fullmatch(threshold.statistic or ""):
            return f"latency_{threshold.statistic}_s"
        raise ReportError(
            f'threshold "{threshold.text}": latency has no statistic "{threshold.statistic}"; '
            "expected mean, max, or a percentile such as p99."
        )
    if threshold.metric not in known:
        whose = "a job" if threshold.job else "the machine"
        names = ", ".join([*known, "latency"] if threshold.job else known)
        raise ReportError(
            f'threshold "{threshold.text}": {whose} has no metric "{threshold.metric}"; known: {names}.'
        )
    return known[threshold.metric]


def evaluate(result: Result) -> list[Outcome]:
    """Hold every threshold of the manifest against a run, or against each scheduler of a comparison.

    A percentile that too few requests support has no value, and what is promised of it is missed. In a
    comparison the measured value is the mean over the replications, and a threshold passes only if
    every replication kept it.

    Raises:
        ReportError: if a threshold names an unknown metric.
    """
    thresholds = result.manifest.thresholds
    if not thresholds:
        return []
    if result.manifest.kind == "run":
        found = _by_key(long_metrics(result))
        return [_outcome(threshold, found, result.manifest) for threshold in thresholds]
    outcomes = []
    for scheduler in result.manifest.schedulers:
        rows = result.of_scheduler("replications", scheduler)
        replications = [_by_key(own) for _, own in rows.groupby("replication", sort=True)]
        for threshold in thresholds:
            each = [_outcome(threshold, found, result.manifest) for found in replications]
            outcomes.append(_together(threshold, scheduler, each))
    return outcomes


def holds(threshold: Threshold, measured: float) -> bool:
    """Whether a measured value keeps a promise.

    `~` asks for the value within the tolerance, ends included; `==` allows for rounding in the last digits.
    """
    value = threshold.value
    match threshold.op:
        case "<":
            return measured < value
        case "<=":
            return measured <= value
        case ">":
            return measured > value
        case ">=":
            return measured >= value
        case "==":
            return math.isclose(measured, value, rel_tol=1e-9)
        case "~":
            return abs(measured - value) <= (threshold.tolerance or 0.0)


def _by_key(rows: pd.DataFrame) -> Metrics:
    return dict(zip(zip(rows["job"], rows["metric"], strict=True), rows["value"].astype(float), strict=True))


def _outcome(threshold: Threshold, found: Metrics, manifest: Manifest) -> Outcome:
    measured = found.get((threshold.job or "", metric_of(threshold)), math.nan)
    if math.isnan(measured):
        return Outcome(threshold, measured, passed=False, reason=_why_missing(threshold, found, manifest))
    passed = holds(threshold, measured)
    return Outcome(threshold, measured, passed=passed, kept=int(passed))


def _together(threshold: Threshold, scheduler: str, each: list[Outcome]) -> Outcome:
    """Sum up one threshold's outcomes over a scheduler's replications."""
    values = [outcome.measured for outcome in each if not outcome.reason]
    reasons = [outcome.reason for outcome in each if outcome.reason] or ([] if each else ["no replications"])
    return Outcome(
        threshold,
        measured=sum(values) / len(values) if values else math.nan,
        passed=bool(each) and all(outcome.passed for outcome in each),
        reason=reasons[0] if reasons else "",
        scheduler=scheduler,
        kept=sum(outcome.passed for outcome in each),
        replications=len(each),
    )


def _why_missing(threshold: Threshold, found: Metrics, manifest: Manifest) -> str:
    """Say why a metric has no value, from the metrics that are there."""
    job = threshold.job
    if not job:
        missing = {
            "jain": "no CPU time was wanted",
            "disk_busy_share": "there was no swap device",
            "memory_share_error": _WITHOUT_VALUE["memory_share"],
        }
        return missing.get(threshold.metric, "nothing was recorded")
    if (job, "requests") not in found:
        return f'there is no job "{job}"'
    if threshold.metric == "latency" and found[job, "queries"]:
        terms = next(own for own in manifest.jobs if own.job == job)
        percentile = float((threshold.statistic or "")[1:])
        return too_few(percentile, terms, int(found[job, "queries"]), manifest.duration_s)
    if threshold.metric == "latency" and found[job, "requests"]:
        return "no request finished"
    return _WITHOUT_VALUE.get(threshold.metric, "it was never started")
