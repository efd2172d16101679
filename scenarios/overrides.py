"""Overrides such as `jobs.gate.tickets=400`, applied to a scenario's content before it is checked."""

import re
from collections.abc import Iterable
from typing import Any

from scenarios.problems import KeyPath, Problem, ScenarioError, did_you_mean, dotted, known_words
from scenarios.yaml_tree import Tree, read_tree

_STEP = re.compile(r"(?P<key>[^.\[\]=]+)|\[(?P<index>[0-9]{1,6})\]")
_KEY = re.compile(r"[^.\[\]=\s]+(\.[^.\[\]=]+|\[[0-9]{1,6}\])*")


def apply_overrides(tree: Tree, overrides: Iterable[str]) -> None:
    """Set each `KEY=VALUE` in `tree`, the later ones after the earlier; VALUE is read as YAML.

    KEY is a dotted path as messages write it: `jobs.gate.tickets`, `changes[0].at`, `scheduler`.

    Raises:
        ScenarioError: an override is not of this form, its value is not YAML, or its key leads nowhere.
            Whether the value fits is found when the scenario is checked, and named after the override.
    """
    problems: list[Problem] = []
    for text in overrides:
        name = f"--set {text}"
        try:
            path, value = _parse(text, name)
            _set(tree, path, value, name)
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(problems)


def _parse(text: str, name: str) -> tuple[KeyPath, object]:
    key, equals, value_text = text.partition("=")
    if not equals or not _KEY.fullmatch(key.strip()):
        raise ScenarioError([Problem(name, "not KEY=VALUE; write for example jobs.gate.tickets=400")])
    steps = _STEP.finditer(key.strip())
    path = tuple(int(step["index"]) if step["index"] else step["key"].strip() for step in steps)
    try:
        value = read_tree(value_text, name)
    except ScenarioError as error:
        raise ScenarioError([Problem(name, problem.message) for problem in error.problems]) from None
    if value.problems:
        raise ScenarioError([Problem(name, problem.message) for problem in value.problems])
    return path, value.value


def _set(tree: Tree, path: KeyPath, value: object, name: str) -> None:
    """Put `value` at `path`, making sections on the way that the file leaves out."""
    around: Any = tree.value
    for length, step in enumerate(path[:-1], start=1):
        place = path[:length]
        if isinstance(around, dict) and step not in around and _may_be_left_out(place):
            around[step] = {}
            tree.origins[place] = name
        _require(around, place, name)
        around = around[step]
    if not isinstance(around, dict):
        _require(around, path, name)
    around[path[-1]] = value
    tree.origins = {known: text for known, text in tree.origins.items() if known[: len(path)] != path}
    tree.origins[path] = name


def _may_be_left_out(place: KeyPath) -> bool:
    """Tell whether a file may leave out the mapping at `place` although it has keys of its own."""
    memory = ("machine", "memory")
    sections: tuple[KeyPath, ...] = (("machine",), memory, (*memory, "disk"))
    if place == (*memory, "translation", "paging", "tlb"):
        return True
    inside = {"jobs": (("memory",), ("options",)), "groups": (("memory",), ("cpu_max",))}
    return place in sections or place[2:] in inside.get(str(place[0]), ())


def _require(around: Any, place: KeyPath, name: str) -> None:  # noqa: ANN401 - parsed YAML is anything
    """Raise unless `around` has the last step of `place`."""
    step, where = place[-1], dotted(place[:-1])
    if isinstance(around, list):
        if isinstance(step, int) and step < len(around):
            return
        message = f"{where} has {len(around)} items; write {where}[0] to {where}[{len(around) - 1}]"
        if not around:
            message = f"{where} is an empty list"
        raise ScenarioError([Problem(name, message)])
    if not isinstance(around, dict):
        message = (
            f"{where} is {around}, which has no keys; set {where} itself, such as {where}={{key: value}}"
        )
        raise ScenarioError([Problem(name, message)])
    if step not in around:
        known = [str(key) for key in around]
        what = "unknown job" if where == "jobs" else "unknown key"
        message = f"{what} {step}{did_you_mean(str(step), known)} {known_words(known)}"
        raise ScenarioError([Problem(name, message)])
