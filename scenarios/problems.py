"""What can be wrong with a scenario, and how it is shown: place, offending line, what would be right."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

from simulator.errors import TimeshareError

KeyPath = tuple[str | int, ...]
MAX_SHOWN = 10
_MAX_LINE = 120
_MAX_WORD = 64


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, relative to the model whose check found it.

    Attributes:
        path: keys and list positions from that model to the place.
        message: what is wrong and what would be right, in plain words.
        on_key: the key itself is at fault rather than its value.
    """

    path: KeyPath
    message: str
    on_key: bool = False


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at its place in the input.

    Attributes:
        source: file path or option text that the input came from.
        message: what is wrong and what would be right.
        key: the dotted key path, "" for the whole input.
        line: line in the file from 1, 0 where there is none.
        column: column in the line from 1, 0 where there is none.
        text: the offending line as it stands in the file.
        width: how many characters of the line are at fault.
    """

    source: str
    message: str
    key: str = ""
    line: int = 0
    column: int = 0
    text: str = ""
    width: int = 1

    def __str__(self) -> str:
        """Return the place and the message, then the offending line with a caret below it."""
        place = f"{self.source}:{self.line}:{self.column}" if self.line else self.source
        head = ": ".join(part for part in (place, self.key, self.message) if part)
        if not self.text.strip() or self.column > _MAX_LINE:
            return head
        gutter = f"{self.line:>5} | "
        # Tabs are kept in the margin so that the caret stands below its character.
        margin = "".join("\t" if char == "\t" else " " for char in self.text[: self.column - 1])
        width = max(1, min(self.width, len(self.text) - self.column + 1, _MAX_LINE - self.column))
        return f"{head}\n{gutter}{self.text[:_MAX_LINE]}\n{' ' * 5} | {margin}{'^' * width}"


class ScenarioError(TimeshareError):
    """A scenario that cannot be run; its text shows every problem with its place.

    Attributes:
        problems: all that was found, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        shown = [str(problem) for problem in self.problems[:MAX_SHOWN]]
        hidden = len(self.problems) - len(shown)
        if hidden:
            shown.append(f"... and {hidden} more problem{'s' if hidden > 1 else ''}")
        super().__init__("\n".join(shown))


def findings_error(findings: Sequence[Finding]) -> PydanticCustomError:
    """Return the error with which a check inside a model reports several findings at once."""
    text = "; ".join(
        ": ".join(part for part in (dotted(finding.path), finding.message) if part) for finding in findings
    )
    return PydanticCustomError("findings", "{text}", {"text": text, "findings": tuple(findings)})


def dotted(path: KeyPath) -> str:
    """Return a key path as it is written on the command line: jobs.gate.tickets, changes[0].at."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean NEAREST?", or "" when nothing known is close."""
    options = list(known)
    near = difflib.get_close_matches(word.casefold(), [option.casefold() for option in options], n=1)
    match = next((option for option in options if near and option.casefold() == near[0]), None)
    return f"; did you mean {match}?" if match else ""


def known_words(known: Iterable[str]) -> str:
    """Return "(known: A, B)" for the end of a message."""
    return f"(known: {', '.join(known)})"


def as_written(value: object) -> str:
    """Return the value as its writer would recognise it, cut when long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str) and not value.strip() else str(value)
    return text if len(text) <= _MAX_WORD else f"{text[:_MAX_WORD]}..."
