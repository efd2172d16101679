"""pydantic's errors in the words of a scenario file: where, what is wrong, what would be right."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scenarios.jobs import MODULE_ATTRIBUTE, known_workloads
from scenarios.places import has, keys_of, model_at, unknown_key, value_at
from scenarios.problems import Finding, KeyPath, Problem, as_written, did_you_mean, dotted, known_words
from scenarios.schema import JOB_NAME, unknown_jobs
from scenarios.thresholds import ThresholdError, parse_threshold
from scenarios.yaml_tree import Tree

_JOB_KEY = "[key]"


def explain(error: ValidationError, tree: Tree) -> list[Problem]:
    """Return a problem for everything that pydantic found wrong with `tree`, at its place there."""
    details = error.errors(include_url=False)
    findings = [finding for detail in details for finding in _findings(detail, tree.value)]
    if all(detail["loc"] for detail in details):
        # The checks of how the parts fit together have not run; names can be checked all the same.
        seen = {finding.path for finding in findings}
        findings += [finding for finding in _unknown_jobs(tree.value) if finding.path not in seen]
    return [
        tree.problem(finding.path, finding.message, dotted(finding.path), on_key=finding.on_key)
        for finding in findings
    ]


def _findings(detail: ErrorDetails, data: object) -> list[Finding]:
    path = _path(detail, data)
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "findings":
        return [Finding((*path, *inner.path), inner.message, inner.on_key) for inner in context["findings"]]
    if kind == "missing":
        return [_missing(path, data)]
    if kind == "extra_forbidden":
        return [Finding(path, unknown_key(path, data), on_key=True)]
    if kind.startswith("union_tag"):
        return [_no_workload(path, detail["input"])]
    on_key = detail["loc"][-1:] == (_JOB_KEY,)
    words = _WORDS.get(kind)
    return [Finding(path, words(detail["input"], context) if words else detail["msg"], on_key=on_key)]


def _path(detail: ErrorDetails, data: Any) -> KeyPath:  # noqa: ANN401 - parsed YAML is anything
    """Return the error's place in the file: its location without the names of union members."""
    path: list[str | int] = []
    for step in detail["loc"]:
        if has(data, step):
            path.append(step)
            data = data[step]
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _missing(path: KeyPath, data: object) -> Finding:
    *around, key = path
    model = model_at(tuple(around), data)
    info = keys_of(model).get(str(key)) if model else None
    meaning = f": {info.description}" if info and info.description else ""
    return Finding(tuple(around), f"{key} is missing{meaning}", on_key=True)


def _no_workload(path: KeyPath, job: object) -> Finding:
    """Return what is wrong with a job whose kind cannot be told."""
    forms = f"{known_words(known_workloads())}, or module:callable"
    if not isinstance(job, Mapping):
        return Finding(path, f"{as_written(job)} is not a job; write a mapping with `workload: ...` {forms}")
    if "workload" not in job:
        return Finding(path, f"workload is missing: what the job runs {forms}", on_key=True)
    workload = job["workload"]
    if not isinstance(workload, str):
        return Finding((*path, "workload"), f"{as_written(workload)} is not the name of a workload {forms}")
    hint = did_you_mean(workload, known_workloads())
    return Finding((*path, "workload"), f"unknown workload {workload}{hint} {forms}")


def _unknown_jobs(data: object) -> list[Finding]:
    """Return the names of jobs that do not exist, in a file that has other errors too."""
    jobs, changes, thresholds = (value_at((key,), data) for key in ("jobs", "changes", "thresholds"))
    if not isinstance(jobs, dict):
        return []
    changed = [value_at(("job",), change) for change in changes] if isinstance(changes, list) else []
    held = [_job_of(text) for text in thresholds] if isinstance(thresholds, list) else []
    return unknown_jobs(jobs, [name if isinstance(name, str) else None for name in changed], held)


def _job_of(text: object) -> str | None:
    try:
        return parse_threshold(text).job if isinstance(text, str) else None
    except ThresholdError:
        return None


def _pattern(value: object, context: Mapping[str, Any]) -> str:
    if MODULE_ATTRIBUTE in context["pattern"]:
        return f"{as_written(value)} is not a name; write a name, or module:attribute such as my_code:thing"
    if context["pattern"] == JOB_NAME:
        return f"{as_written(value)} is not a job's name; use letters, digits, - and _, a letter first"
    return f"{as_written(value)} is not a name; use letters, digits, dot, - and _"


def _text(value: object, _: Mapping[str, Any]) -> str:
    word = as_written(value)
    hint = "" if value is None or isinstance(value, list | dict) else f'; put it in quotes: "{word}"'
    return f"{word} is not text{hint}"


def _choice(value: object, context: Mapping[str, Any]) -> str:
    known = re.findall(r"'([^']*)'", context["expected"])
    return f"unknown value {as_written(value)}{did_you_mean(str(value), known)} {known_words(known)}"


def _not(what: str) -> Callable[[object, Mapping[str, Any]], str]:
    return lambda value, _: f"{as_written(value)} is not {what}"


def _bound(template: str) -> Callable[[object, Mapping[str, Any]], str]:
    return lambda value, context: f"{as_written(value)} is {template.format(**context)}"


_WHOLE = _not("a whole number such as 3")
_LIST = _not("a list; write [A, B], or each item on a line of its own after a dash")
_MAPPING = _not("a mapping; write keys and values, such as {key: value}")
_WORDS: dict[str, Callable[[object, Mapping[str, Any]], str]] = {
    "value_error": lambda _, context: str(context["error"]),
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing": _WHOLE,
    "float_type": _not("a number such as 10 or 29.97"),
    "finite_number": _not("a finite number"),
    "string_type": _text,
    "string_pattern_mismatch": _pattern,
    "string_too_short": lambda *_: "the text is empty",
    "string_too_long": _bound("too long; at most {max_length} characters"),
    "greater_than": _bound("too small; it must be more than {gt:g}"),
    "greater_than_equal": _bound("too small; it must be {ge} or more"),
    "less_than": _bound("too large; it must be less than {lt}"),
    "less_than_equal": _bound("too large; it must be {le} or less"),
    "literal_error": _choice,
    "too_short": lambda *_: "empty; give at least one",
    "model_type": _MAPPING,
    "mapping_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": _LIST,
}
