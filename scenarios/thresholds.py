"""Thresholds such as "gate.latency.p99 < 100ms": what they may say, and reading one."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo, WithJsonSchema

from scenarios.problems import did_you_mean, known_words
from scenarios.units import UnitError, parse_duration, parse_size
from simulator.errors import TimeshareError

Operator = Literal["<", "<=", ">", ">=", "==", "~"]
Unit = Literal["seconds", "bytes", "fraction", "count", "per second"]
_OPERATORS: tuple[Operator, ...] = ("<", "<=", ">", ">=", "==", "~")
_THRESHOLD = re.compile(r"\s*(?P<left>[^\s<>=~!]+)\s*(?P<op>[<>=~!]+)\s*(?P<right>.*?)\s*")
_TOLERANCE = re.compile(r"\s*(?:\+-|\+/-|\N{PLUS-MINUS SIGN})\s*")
_PERCENTILE = re.compile(r"p(?P<percent>[0-9]{1,3}(\.[0-9]+)?)")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")
_EXAMPLE = "write METRIC OPERATOR VALUE, for example gate.latency.p99 < 100ms"


class ThresholdError(TimeshareError, ValueError):
    """A text that is no threshold; the message says what would be right."""


@dataclass(frozen=True)
class Metric:
    """A quantity that thresholds can be set on.

    Attributes:
        unit: what its value is measured in.
        per_job: written JOB.NAME; otherwise it is the whole machine's and written NAME.
        of_job_too: the machine's, and each job has its own, written JOB.NAME.
        description: what it means.
        statistics: it has many values in a run, so a statistic (mean, max, pNN) is named.
        requests: only jobs that serve requests have it.
        memcheck: only jobs that run with memcheck have it.
    """

    unit: Unit
    per_job: bool
    description: str
    statistics: bool = False
    requests: bool = False
    of_job_too: bool = False
    memcheck: bool = False


METRICS: dict[str, Metric] = {
    "latency": Metric("seconds", True, "from a request's arrival to its answer", True, True),
    "missed_deadlines": Metric("count", True, "requests not answered by their deadline", requests=True),
    "drops": Metric("count", True, "requests thrown away because the queue was full", requests=True),
    "throughput": Metric("per second", True, "requests answered per second", requests=True),
    "cpu_share": Metric("fraction", True, "part of all CPUs' time that the job received"),
    "response": Metric("seconds", True, "from the job's start until it first runs"),
    "lag": Metric("seconds", True, "CPU time the job was at worst behind its entitlement"),
    "peak_heap": Metric("bytes", True, "most memory allocated from the heap at once"),
    "peak_resident": Metric("bytes", True, "most physical memory held at once"),
    "faults": Metric("count", True, "page faults and stack growths that the kernel served"),
    "tlb_hit_rate": Metric("fraction", True, "part of the address translations that the TLB knew"),
    "major_faults": Metric("count", True, "page faults for which something was read from disk"),
    "disk_wait": Metric("seconds", True, "time that the job's processes were blocked on the disk"),
    "working_set": Metric("bytes", True, "largest working set, in memory or not"),
    "throttled": Metric("seconds", True, "how long its processes slept for holding more than memory.high"),
    "memory_share": Metric("fraction", True, "part of the memory that the job held, on average while alive"),
    "oom_kills": Metric(
        "count", False, "processes refused or killed because memory ran out", of_job_too=True
    ),
    "leaked_bytes": Metric("bytes", True, "bytes lost at its end, found by memcheck", memcheck=True),
    "jain": Metric("fraction", False, "Jain's fairness index of CPU time per ticket; 1 is perfectly fair"),
    "switches": Metric("count", False, "context switches"),
    "idle_share": Metric("fraction", False, "part of all CPUs' time in which nothing ran"),
    "switching_share": Metric("fraction", False, "part of all CPUs' time lost to switches"),
    "internal_fragmentation": Metric("bytes", False, "most memory held that no process had asked for"),
    "compactions": Metric("count", False, "times that processes were moved together in memory"),
    "memory_share_error": Metric(
        "fraction", False, "how far jobs' memory was from what their tickets entitle them to, on average"
    ),
    "memory_errors": Metric("count", False, "errors found by memcheck, leaks left aside", memcheck=True),
    "disk_busy_share": Metric("fraction", False, "part of the time in which the swap device worked"),
}


@dataclass(frozen=True)
class Threshold:
    """A condition that a run is held to.

    Attributes:
        text: as written.
        metric: a key of METRICS.
        job: whose, None for the machine's metrics.
        statistic: "mean", "max" or a percentile such as "p99.9"; None where the metric has one value.
        op: the comparison; "~" means within `tolerance`.
        value: the bound, in seconds, bytes, a fraction, a count, or per second.
        tolerance: half-width for "~" in the same unit, else None.
    """

    text: str
    metric: str
    job: str | None
    statistic: str | None
    op: Operator
    value: float
    tolerance: float | None


def parse_threshold(text: str) -> Threshold:
    """Return what `text` says.

    Raises:
        ThresholdError: unknown metric, statistic or operator, a value of the wrong unit, a job where none
            belongs or none where one does. Whether the job exists is not known here.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ThresholdError(f"{text!r} is not a threshold; {_EXAMPLE}")
    job, name, statistic = _subject(match["left"])
    metric = METRICS[name]
    op = _operator(match["op"])
    bound, *tolerances = _TOLERANCE.split(match["right"])
    if op == "~" and len(tolerances) != 1:
        raise ThresholdError(f"~ needs one tolerance: {match['left']} ~ {bound or 'VALUE'} +- TOLERANCE")
    if op != "~" and tolerances:
        raise ThresholdError(f"a tolerance goes with ~, not with {op}: {match['left']} ~ {match['right']}")
    return Threshold(
        text=text,
        metric=name,
        job=job,
        statistic=statistic,
        op=op,
        value=_value(bound, metric.unit, name),
        tolerance=_value(tolerances[0], metric.unit, name) if tolerances else None,
    )


def _subject(left: str) -> tuple[str | None, str, str | None]:
    """Return job, metric and statistic of the left-hand side."""
    head, *rest = left.split(".", maxsplit=2)
    if not rest:
        if head not in METRICS:
            raise ThresholdError(
                f"unknown metric {head}{did_you_mean(head, METRICS)} {_known(per_job=False)}"
            )
        if METRICS[head].per_job:
            example = f"JOB.{head}.p99" if METRICS[head].statistics else f"JOB.{head}"
            raise ThresholdError(f"{head} is a job's; write {example}")
        return None, head, None
    name, statistic = rest[0], rest[1] if len(rest) > 1 else None
    if name not in METRICS and head in METRICS and METRICS[head].per_job:
        raise ThresholdError(f"{head} is a job's; write JOB.{left}")
    if name not in METRICS:
        raise ThresholdError(f"unknown metric {name}{did_you_mean(name, METRICS)} {_known(per_job=True)}")
    if not METRICS[name].per_job and not METRICS[name].of_job_too:
        raise ThresholdError(f"{name} is the whole machine's; write {name} without {head}")
    if METRICS[name].statistics:
        return head, name, _statistic(head, name, statistic)
    if statistic is not None:
        raise ThresholdError(f"{name} has one value in a run; write {head}.{name} without {statistic}")
    return head, name, None


def _statistic(job: str, metric: str, statistic: str | None) -> str:
    known = f"write {job}.{metric}.mean, {job}.{metric}.max or a percentile such as {job}.{metric}.p99"
    if statistic is None:
        raise ThresholdError(f"{metric} needs a statistic; {known}")
    percentile = _PERCENTILE.fullmatch(statistic)
    if percentile and float(percentile["percent"]) <= 100:  # noqa: PLR2004 - a percentile's own bound
        return statistic
    if statistic not in ("mean", "max"):
        raise ThresholdError(f"unknown statistic {statistic}; {known}")
    return statistic


def _operator(text: str) -> Operator:
    for operator in _OPERATORS:
        if text == operator:
            return operator
    near = {"=": "==", "=<": "<=", "=>": ">=", "~=": "~", "=~": "~"}.get(text)
    hint = f"; did you mean {near}?" if near else ""
    raise ThresholdError(f"unknown comparison {text}{hint} {known_words(_OPERATORS)}")


def _value(text: str, unit: Unit, metric: str) -> float:
    """Return a bound or tolerance as a number in the metric's unit."""
    if not text:
        raise ThresholdError(f"no value for {metric}; {_EXAMPLE}")
    try:
        if unit == "seconds":
            return parse_duration(text) / 1e9
        if unit == "bytes":
            return float(parse_size(text))
    except UnitError as error:
        raise ThresholdError(f"{metric}: {error}") from None
    number, percent = text.removesuffix("%").rstrip(), text.endswith("%")
    if unit == "per second":
        number = number.removesuffix("/s").rstrip()
    if not _NUMBER.fullmatch(number) or (percent and unit != "fraction"):
        wanted = {"fraction": "a fraction such as 0.75 or 75%", "count": "a whole number such as 3"}
        raise ThresholdError(f"{metric} is {wanted.get(unit, 'a number such as 9.5')}, not {text}")
    value = float(number) / 100 if percent else float(number)
    if unit == "fraction" and value > 1:
        raise ThresholdError(f"{metric} is at most 1, not {text}; write {number}% for hundredths")
    if unit == "count" and not value.is_integer():
        raise ThresholdError(f"{metric} is counted in whole numbers, not {text}")
    return value


def _names(*, per_job: bool) -> list[str]:
    return [name for name, metric in METRICS.items() if metric.per_job == per_job]


def _known(*, per_job: bool) -> str:
    whose = "a job's" if per_job else "the machine's"
    return f"({whose}: {', '.join(_names(per_job=per_job))})"


def _read(value: object) -> object:
    if isinstance(value, Threshold):
        return value
    if not isinstance(value, str):
        raise ThresholdError(f"a threshold is text; {_EXAMPLE}")
    return parse_threshold(value)


def _as_in_file(value: Threshold, info: SerializationInfo) -> object:
    """Keys as in the file take values as in the file: the text."""
    return value.text if info.by_alias else vars(value).copy()


ThresholdText = Annotated[
    Threshold,
    BeforeValidator(_read),
    PlainSerializer(_as_in_file),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\s*[^\s<>=~!]+\s*(<|<=|>|>=|==|~)\s*[0-9].*$",
            "examples": ["gate.latency.p99 < 100ms", "gate.cpu_share ~ 0.75 +- 0.02", "oom_kills == 0"],
        }
    ),
]
"""A threshold in a scenario: text in the file, a Threshold in Python."""
