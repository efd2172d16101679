"""From a scenario file to a checked Scenario, or to one error that shows everything wrong with it."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from pydantic import ValidationError

from scenarios.arrival_files import BESIDE
from scenarios.explain import explain
from scenarios.library_index import library_names, library_text
from scenarios.overrides import apply_overrides
from scenarios.problems import Problem, ScenarioError, as_written, did_you_mean, known_words
from scenarios.schema import Scenario
from scenarios.yaml_tree import MAX_CHARACTERS, Tree, read_tree

_SUFFIXES = (".yaml", ".yml")
_BYTES_PER_CHARACTER = 4


def load_scenario(name_or_path: str | PathLike[str], overrides: Sequence[str] = ()) -> Scenario:
    """Return the scenario of a library name or of a file, with `overrides` (`KEY=VALUE`) applied.

    A library name wins over a file of that name; `./NAME` means the file.

    Raises:
        ScenarioError: there is no such scenario, the file cannot be read, or its content is wrong.
    """
    name = fspath(name_or_path)
    if name in library_names():
        return parse_scenario(library_text(name), f"library scenario {name}", overrides)
    return parse_scenario(_read(name), name, overrides, Path(name).parent)


def parse_scenario(
    text: str,
    source: str = "scenario",
    overrides: Sequence[str] = (),
    directory: str | PathLike[str] = ".",
) -> Scenario:
    """Return the scenario that a YAML text says.

    Args:
        text: the scenario.
        source: names the text in messages.
        overrides: as `KEY=VALUE`.
        directory: where relative paths of files that it names start from.

    Raises:
        ScenarioError: everything that is wrong with the text and the overrides.
    """
    tree = read_tree(text, source)
    if not isinstance(tree.value, dict):
        raise ScenarioError(tree.problems or [_no_mapping(tree)])
    apply_overrides(tree, overrides)
    try:
        scenario = Scenario.model_validate(tree.value, context={BESIDE: directory})
    except ValidationError as error:
        raise ScenarioError(dict.fromkeys([*tree.problems, *explain(error, tree)])) from None
    if tree.problems:
        raise ScenarioError(dict.fromkeys(tree.problems))
    return scenario


def _no_mapping(tree: Tree) -> Problem:
    if tree.value is None:
        return Problem(tree.source, "empty; a scenario needs at least name, duration, scheduler and jobs")
    return tree.problem((), f"{as_written(tree.value)} where keys such as name, duration and jobs belong", "")


def _read(name: str) -> str:
    """Return the text of a file."""
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_CHARACTERS * _BYTES_PER_CHARACTER + 1)
    except FileNotFoundError:
        raise ScenarioError([Problem(name, _no_such_scenario(name))]) from None
    except IsADirectoryError:
        raise ScenarioError([Problem(name, "a directory; name the scenario file in it")]) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ScenarioError([Problem(name, f"cannot be read: {reason}")]) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"line {line} is not UTF-8 text; save the file as UTF-8"
        raise ScenarioError([Problem(name, message)]) from None


def _no_such_scenario(name: str) -> str:
    path = Path(name)
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    known = library_names()
    return f"no such file or library scenario{did_you_mean(stem, known)} {known_words(known)}"
