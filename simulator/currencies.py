"""Currencies: what tickets are issued in, and what can be wrong with a set of them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASE = "base"
"""The currency at the root: one of its tickets is always worth one base ticket."""


class TicketError(TimeshareError):
    """A currency or an amount of tickets that cannot be."""


@dataclass(frozen=True)
class Currency:
    """A currency.

    Attributes:
        funding: tickets of the parent currency that back it, >= 0.
        of: the parent currency.
    """

    funding: int
    of: str = BASE


def currency_problems(currencies: Mapping[str, Currency]) -> Iterator[tuple[str, str, str]]:
    """Yield currency, attribute and message for all that is wrong with a set of currencies."""
    for name, currency in currencies.items():
        if name == BASE:
            yield name, "", f"{BASE} is the root of all currencies and cannot be defined; choose another name"
        if currency.funding < 0:
            yield name, "funding", f"a funding is never negative: {currency.funding}"
        if currency.of != BASE and currency.of not in currencies:
            yield name, "of", unknown_currency(currency.of, currencies)
        elif chain := _cycle(name, currencies):
            yield name, "of", f"currencies fund each other in a circle: {' of '.join(chain)}"


def unknown_currency(name: str, currencies: Mapping[str, object]) -> str:
    """Return the message for a currency that does not exist."""
    known = [BASE, *currencies]
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown currency {name}{hint} (known: {', '.join(known)})"


def _cycle(start: str, currencies: Mapping[str, Currency]) -> list[str]:
    """Return the way from a currency back to itself, or nothing."""
    chain = [start]
    while (parent := currencies[chain[-1]].of) in currencies and len(chain) <= len(currencies):
        chain.append(parent)
        if parent == start:
            return chain
    return []
