"""YAML text as plain Python values, with the place of every key and value in the text."""

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from scenarios.problems import KeyPath, Problem, ScenarioError

MAX_CHARACTERS = 2**20
# Counts each value as often as aliases repeat it, so that a few lines cannot unfold into millions of values.
MAX_VALUES = 50_000
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_CORE = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_CORE + name for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp")}
_MERGE = _CORE + "merge"
_HINTS = {
    r"'\t' that cannot start": "indent with spaces, not with tabs",
    "that cannot start any token": "put the text in quotes",
    "mapping values are not allowed": "put text with a colon in quotes, or correct the indentation",
    "expected <block end>": "the indentation does not match the lines above",
    "could not find expected ':'": "a key needs a colon after it",
    "but found another document": "a file holds one scenario; remove the line ---",
    "found undefined alias": "define it before with &",
}


@dataclass(frozen=True)
class Span:
    """A place in the text: line and column from 1, and how many characters of that line."""

    line: int
    column: int
    width: int


class Items(list[Any]):
    """A list that knows where its items are.

    Attributes:
        lines: the line that each item begins on, from 1.
    """

    lines: tuple[int, ...] = ()


@dataclass
class Tree:
    """What a YAML text says, and where it says it.

    Attributes:
        source: name of the text in messages.
        lines: the text, line by line.
        value: the text as dict, list, str, int, float, bool and None.
        keys: place of each mapping key, by the path of its value.
        values: place of each value.
        origins: values that came from elsewhere than the text, by path: what to call that in messages.
        problems: what is wrong although it can be read (duplicate keys, tags).
    """

    source: str
    lines: list[str]
    value: Any = None
    keys: dict[KeyPath, Span] = field(default_factory=dict)
    values: dict[KeyPath, Span] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str, key: str, *, on_key: bool = False) -> Problem:
        """Return a problem at `path`, or at the nearest place around it that the text has."""
        for length in range(len(path), -1, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return Problem(origin, message, "" if length == len(path) else key)
        if not path:
            return Problem(self.source, message, key)
        return self.at(self._span(path, on_key=on_key), message, key)

    def at(self, span: Span, message: str, key: str = "") -> Problem:
        """Return a problem at a place of the text."""
        text = self.lines[span.line - 1] if span.line <= len(self.lines) else ""
        return Problem(self.source, message, key, span.line, span.column, text, span.width)

    def _span(self, path: KeyPath, *, on_key: bool) -> Span:
        for length in range(len(path), -1, -1):
            around = path[:length]
            key, value = self.keys.get(around), self.values.get(around)
            # A mapping or list, or a value that is not there, is shown by its key.
            if key and (on_key or length < len(path) or value is None or value.width == 0):
                return key
            if value:
                return value
        return Span(1, 1, 1)


def read_tree(text: str, source: str) -> Tree:
    """Return what `text` says.

    Raises:
        ScenarioError: the text is not YAML, too large, or refers to itself.
    """
    tree = Tree(source, _LINE_BREAK.split(text))
    if len(text) > MAX_CHARACTERS:
        message = f"too large; a scenario has at most {MAX_CHARACTERS} characters"
        raise ScenarioError([Problem(source, message)])
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is not None:
            tree.value = _Reader(yaml, tree).read(node, ())
    except MarkedYAMLError as error:
        raise ScenarioError([_syntax_problem(tree, error)]) from None
    except YAMLError as error:
        reason = str(error).splitlines()[0]
        raise ScenarioError([Problem(source, f"not a text file in YAML: {reason}")]) from None
    except RecursionError:
        raise ScenarioError([Problem(source, "lists and mappings too deep in each other")]) from None
    return tree


def _syntax_problem(tree: Tree, error: MarkedYAMLError) -> Problem:
    reason = str(error.problem or error.context)
    # A bracket that is never closed is noticed at the end of the text, but wrong where it opens.
    opens_earlier = "<stream end>" in reason and error.context_mark
    mark = error.context_mark if opens_earlier else error.problem_mark
    hint = next((hint for part, hint in _HINTS.items() if part in reason), "")
    message = f"not valid YAML: {reason}" + (f"; {hint}" if hint else "")
    return tree.at(Span(mark.line + 1, mark.column + 1, 1) if mark else Span(1, 1, 1), message)


class _Reader:
    """Turns YAML nodes into values and notes their places."""

    def __init__(self, yaml: YAML, tree: Tree) -> None:
        self._yaml = yaml
        self._tree = tree
        self._open: list[Node] = []
        self._count = 0

    def read(self, node: Node, path: KeyPath) -> object:
        """Return the value of `node`, which stands at `path`."""
        span = _span(node)
        self._tree.values[path] = span
        self._count += 1
        if self._count > MAX_VALUES:
            message = f"more than {MAX_VALUES} values once its aliases are filled in"
            raise ScenarioError([Problem(self._tree.source, message)])
        if node.tag not in _PLAIN_TAGS:
            self._report(span, f"YAML tags such as {node.tag} are not used here")
            return None
        if any(node is outer for outer in self._open):
            raise ScenarioError([self._tree.at(span, "an alias (*) stands inside what it refers to")])
        self._open.append(node)
        try:
            return self._content(node, path)
        finally:
            self._open.pop()

    def _content(self, node: Node, path: KeyPath) -> object:
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            items = Items(self.read(item, (*path, index)) for index, item in enumerate(node.value))
            items.lines = tuple(_span(item).line for item in node.value)
            return items
        # Dates mean nothing in a scenario, and as text they are refused with a message that fits the place.
        if node.tag == _CORE + "timestamp":
            return str(node.value)
        try:
            return self._yaml.constructor.construct_object(node)
        except ValueError:
            self._report(_span(node), "a number too long to be read")
            return None

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            span = _span(key)
            place = (*path, str(key.value))
            if not isinstance(key, ScalarNode):
                self._report(span, "a key is text, not a list or mapping")
            elif key.tag == _MERGE:
                self._report(
                    span, "<< is not used here; write the keys out, or refer to a whole value with *"
                )
            elif key.value in values:
                line = self._tree.keys[place].line
                self._report(span, f"{key.value} stands here a second time; the first is on line {line}")
            else:
                self._tree.keys[place] = span
                values[key.value] = self.read(value, place)
        return values

    def _report(self, span: Span, message: str) -> None:
        self._tree.problems.append(self._tree.at(span, message))


def _span(node: Node) -> Span:
    start, end = node.start_mark, node.end_mark
    if not isinstance(start, StringMark) or not isinstance(end, StringMark):
        return Span(1, 1, 1)
    width = end.column - start.column if start.line == end.line else 0
    if isinstance(node, ScalarNode) and start.line != end.line:
        width = 1
    return Span(start.line + 1, start.column + 1, width)
