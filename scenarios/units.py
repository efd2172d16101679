"""Durations and sizes with their units: text in, exact integer nanoseconds and bytes out, and back."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, SerializationInfo, WithJsonSchema

from scenarios.problems import as_written
from simulator.errors import TimeshareError

_NUMBER = r"[0-9]+(\.[0-9]+)?"
_QUANTITY = re.compile(rf"\s*(?P<sign>[+-]?)(?P<number>{_NUMBER})\s*(?P<unit>%|[^\W\d_]\S*)?\s*")
_MAX = 2**63 - 1
# Longer than any text whose value fits, and short enough that converting it costs nothing.
_MAX_TEXT = 64


class UnitError(TimeshareError, ValueError):
    """A text that is no duration or no size; the message says what would be right."""


@dataclass(frozen=True)
class Dimension:
    """A kind of quantity and the units it is written in.

    Attributes:
        noun: what messages call it, with its article.
        base: the integer unit it is kept in.
        units: factor of each unit in `base`, in ascending order; these are the ones messages name.
        spellings: other accepted spellings of those units.
        example: a few units, for messages about a number without one.
    """

    noun: str
    base: str
    units: Mapping[str, int]
    spellings: Mapping[str, str]
    example: tuple[str, ...]

    def parse(self, value: object) -> int:
        """Return `value`, such as "10ms", in the base unit, exactly.

        Raises:
            UnitError: no text, no unit, an unknown unit, negative, a fraction of the base unit, or
                beyond a 64-bit integer.
        """
        shown = as_written(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            raise UnitError(self._without_unit(shown))
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_TEXT else None
        if match is None:
            raise UnitError(f"{shown} is not {self.noun}; write {self._examples('10')}")
        if match["sign"] == "-":
            raise UnitError(f"{shown} is negative; {self.noun} is 0 or more")
        if match["unit"] is None:
            raise UnitError(self._without_unit(match["number"]))
        unit = self.spellings.get(match["unit"], match["unit"])
        if unit not in self.units:
            raise UnitError(self._unknown_unit(shown, match["unit"]))
        exact = Fraction(match["number"]) * self.units[unit]
        if exact.denominator != 1:
            raise UnitError(f"{shown} is not a whole number of {self.base}")
        if exact > _MAX:
            raise UnitError(f"{shown} is too large; {self.noun} is at most {_MAX} {self.base}")
        return int(exact)

    def format(self, value: int) -> str:
        """Return `value` (base units) as text that `parse` reads back exactly, in its largest whole unit."""
        for unit, factor in reversed(list(self.units.items())):
            if value and value % factor == 0:
                return f"{value // factor}{unit}"
        return f"0{self.example[0]}"

    def _examples(self, number: str) -> str:
        return ", ".join(f"{number}{unit}" for unit in self.example) + " ..."

    def _without_unit(self, number: str) -> str:
        return f"{number} has no unit; write {self._examples(number)}"

    def _unknown_unit(self, shown: str, unit: str) -> str:
        typed = unit.casefold()
        near = [
            known
            for known in self.units
            if known.casefold().startswith(typed) or typed.startswith(known.casefold())
        ]
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return f"{shown}: {unit} is not a unit of {self.noun}{hint} (known: {', '.join(self.units)})"


DURATION = Dimension(
    noun="a duration",
    base="nanoseconds",
    units={
        "ns": 1,
        "us": 1_000,
        "ms": 1_000_000,
        "s": 1_000_000_000,
        "min": 60_000_000_000,
        "h": 3_600_000_000_000,
    },
    spellings={"\N{MICRO SIGN}s": "us", "\N{GREEK SMALL LETTER MU}s": "us"},
    example=("s", "ms"),
)
SIZE = Dimension(
    noun="a size",
    base="bytes",
    units={
        "B": 1,
        "kB": 10**3,
        "KiB": 2**10,
        "MB": 10**6,
        "MiB": 2**20,
        "GB": 10**9,
        "GiB": 2**30,
        "TB": 10**12,
        "TiB": 2**40,
    },
    spellings={"KB": "kB"},
    example=("MiB", "GiB"),
)


def parse_duration(value: object) -> int:
    """Return a duration such as "1.5s" or "10ms" in integer nanoseconds; raises UnitError."""
    return DURATION.parse(value)


def parse_size(value: object) -> int:
    """Return a size such as "4GiB" or "1GB" in integer bytes; raises UnitError."""
    return SIZE.parse(value)


def format_duration(nanoseconds: int) -> str:
    """Return a duration as text in the largest unit that needs no fraction: 1500000000 is "1500ms"."""
    return DURATION.format(nanoseconds)


def format_size(size_bytes: int) -> str:
    """Return a size as text in the largest unit that needs no fraction: 1073741824 is "1GiB"."""
    return SIZE.format(size_bytes)


def _as_in_file(dimension: Dimension) -> Callable[[int, SerializationInfo], int | str]:
    def serialize(value: int, info: SerializationInfo) -> int | str:
        """Keys as in the file take values as in the file; otherwise the base unit stays."""
        return dimension.format(value) if info.by_alias else value

    return serialize


def _more_than_zero(dimension: Dimension) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value == 0:
            raise UnitError(f"{dimension.noun} here must be more than 0")
        return value

    return check


def _schema(dimension: Dimension, examples: list[str]) -> dict[str, Any]:
    units = [*dimension.units, *dimension.spellings]
    return {
        "type": "string",
        "pattern": rf"^\s*\+?{_NUMBER}\s*({'|'.join(units)})\s*$",
        "examples": examples,
    }


SIZE_SCHEMA = _schema(SIZE, ["4GiB", "512MiB", "1KiB", "100B", "1GB"])
"""What a size is in the JSON Schema."""

Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(_as_in_file(DURATION)),
    WithJsonSchema(_schema(DURATION, ["60s", "10ms", "1.5s", "3us", "500ns", "2min", "1h"])),
]
"""A duration in a scenario: text with a unit in the file, integer nanoseconds in Python."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(_as_in_file(SIZE)),
    WithJsonSchema(SIZE_SCHEMA),
]
"""A size in a scenario: text with a unit in the file, integer bytes in Python."""


def parse_bandwidth(value: object) -> int:
    """Return a bandwidth such as "500MB/s" or "100MiB" in integer bytes per second; raises UnitError."""
    return parse_size(value.strip().removesuffix("/s") if isinstance(value, str) else value)


def _bandwidth_in_file(value: int, info: SerializationInfo) -> int | str:
    return f"{format_size(value)}/s" if info.by_alias else value


Bandwidth = Annotated[
    int,
    BeforeValidator(parse_bandwidth),
    AfterValidator(_more_than_zero(SIZE)),
    PlainSerializer(_bandwidth_in_file),
    WithJsonSchema(
        {
            **SIZE_SCHEMA,
            "pattern": SIZE_SCHEMA["pattern"][:-1] + r"(/s)?\s*$",
            "examples": ["500MB/s", "2GiB/s"],
        }
    ),
]
"""Bytes in a second in a scenario: a size with or without "/s" in the file, an integer in Python."""

PositiveDuration = Annotated[Duration, AfterValidator(_more_than_zero(DURATION))]
PositiveSize = Annotated[Size, AfterValidator(_more_than_zero(SIZE))]
