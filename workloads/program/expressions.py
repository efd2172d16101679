"""The values and places that a script names, as C writes them: `p`, `p + 8`, `buffer[i]`, `&n`, `NULL`.

A value is a sum of terms: a whole number, a variable, or the address of a place. A variable of one word is
worth what is in it; an array is worth its address, as in C. A place is a variable, or a byte at an index: in
an array from its beginning on, otherwise from where the variable points. An index counts bytes and may be
negative or too large; that is what these programs are for. What is copied, filled or printed is where an
address leads: `p` is where p points, as in strcpy(p, ...), and `&p` is p itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TOKEN = re.compile(rf"\s*(?:(?P<number>0[xX][0-9a-fA-F]+|[0-9]+)|(?P<name>{NAME})|(?P<mark>[-+&*\[\]]))")
_NULL = "NULL"
WORD_BITS = 64
MOST_TEXT = 200
FORMS = "write a number, a variable, NULL, p + 8, &n or &buffer[8]"


class ExpressionError(TimeshareError, ValueError):
    """A text that is no value or no place; the message says what would be right."""


@dataclass(frozen=True)
class Number:
    """A whole number."""

    value: int


@dataclass(frozen=True)
class Name:
    """A variable: what is in it, or the address of an array."""

    name: str


@dataclass(frozen=True)
class Place:
    """Where bytes are: a variable itself, or the byte of an index.

    Attributes:
        name: the variable.
        index: bytes from the array's beginning, or from where the variable points; None for the variable.
    """

    name: str
    index: Sum | None = None


@dataclass(frozen=True)
class AddressOf:
    """The address of a place."""

    place: Place


Term = Number | Name | AddressOf


@dataclass(frozen=True)
class Sum:
    """Terms, each with 1 or -1 in front of it."""

    terms: tuple[tuple[int, Term], ...]


def parse_value(text: str | int | None) -> Sum:
    """Return the value that a text, a number, or nothing (NULL) stands for.

    Raises:
        ExpressionError: it stands for none.
    """
    if text is None:
        return Sum(((1, Number(0)),))
    if isinstance(text, int):
        return Sum(((-1 if text < 0 else 1, Number(abs(text))),))
    parser = _Parser(text, "a value")
    value = parser.sum()
    parser.end()
    return value


def parse_place(text: str) -> Place:
    """Return the place that a text stands for.

    Raises:
        ExpressionError: it stands for none.
    """
    parser = _Parser(text, "a place")
    place = parser.place()
    parser.end()
    return place


def parse_address(text: str) -> Sum:
    """Return the address that a text stands for: a value such as `p`, or that of a byte such as `p[8]`.

    Raises:
        ExpressionError: it stands for none.
    """
    try:
        place = parse_place(text)
    except ExpressionError:
        return parse_value(text)
    return parse_value(text) if place.index is None else address_of(place)


def address_of(place: Place) -> Sum:
    """Return the address of a place as a value."""
    return Sum(((1, AddressOf(place)),))


def names_in(what: Sum | Place) -> Iterator[str]:
    """Yield the variables that a value or a place names."""
    if isinstance(what, Place):
        yield what.name
        if what.index is not None:
            yield from names_in(what.index)
        return
    for _, term in what.terms:
        if isinstance(term, Name):
            yield term.name
        elif isinstance(term, AddressOf):
            yield from names_in(term.place)


class _Parser:
    """Reads one text from left to right."""

    def __init__(self, text: str, noun: str) -> None:
        self._text = text
        self._noun = noun
        self._tokens: list[tuple[str, str]] = []
        at, stripped = 0, text.rstrip()
        if len(text) > MOST_TEXT:
            raise self._wrong()
        while at < len(stripped):
            match = _TOKEN.match(stripped, at)
            if match is None or match.lastgroup is None:
                raise self._wrong()
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._at = 0

    def sum(self) -> Sum:
        """Read terms with signs between them."""
        terms = [(-1 if self._take("-") else 1, self._term())]
        while self._peek() in {"+", "-"}:
            sign = -1 if self._next()[1] == "-" else 1
            terms.append((sign, self._term()))
        return Sum(tuple(terms))

    def place(self) -> Place:
        """Read a variable with or without an index, or `*variable`."""
        points = self._take("*")
        kind, name = self._next()
        if kind != "name" or name == _NULL:
            raise self._wrong()
        if points:
            return Place(name, parse_value(0))
        if not self._take("["):
            return Place(name)
        index = self.sum()
        if not self._take("]"):
            raise self._wrong()
        return Place(name, index)

    def end(self) -> None:
        """Hold that nothing is left."""
        if self._at < len(self._tokens):
            raise self._wrong()

    def _term(self) -> Term:
        if self._take("&"):
            return AddressOf(self.place())
        kind, text = self._next()
        if kind == "number":
            value = int(text, 0) if text[:2].lower() == "0x" else int(text)
            if value >> WORD_BITS:
                raise ExpressionError(f"{text} does not fit a word of {WORD_BITS} bits")
            return Number(value)
        if kind != "name":
            raise self._wrong()
        return Number(0) if text == _NULL else Name(text)

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, mark: str) -> bool:
        found = self._peek() == mark
        self._at += found
        return found

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._wrong()
        self._at += 1
        return self._tokens[self._at - 1]

    def _wrong(self) -> ExpressionError:
        shown = self._text if len(self._text) <= MOST_TEXT else f"{self._text[:40]}..."
        forms = "write a variable, buffer[8], p[i] or *p" if self._noun == "a place" else FORMS
        return ExpressionError(f"{shown!r} is not {self._noun}; {forms}")
