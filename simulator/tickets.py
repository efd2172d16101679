"""The ticket economy: what a process's tickets, of whatever currency, are worth in base tickets.

After Waldspurger and Weihl, "Lottery Scheduling", OSDI 1994, sections 3.3 and 4.4. A currency is funded with
an amount of its parent currency; the tickets issued in it share the worth of that funding. Only *active*
tickets share: those held by runnable processes, and the funding of currencies that have active tickets. So a
process that blocks makes the others of its currency richer, and whoever issues more tickets dilutes only the
holders of the same currency.

Amounts are whole numbers and worths are exact fractions; only what the scheduler is told is rounded.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from simulator.currencies import BASE, Currency, TicketError, currency_problems, unknown_currency

if TYPE_CHECKING:
    from collections.abc import Mapping

FINENESS = 1 << 24
"""What the smallest funding out of base is worth to the scheduler, at least.

A holder of a sixteenth of it has 2**20 tickets there, which makes the ratio of any two such holders right to
within 1e-6.
"""

LIMIT = 1 << 52
"""The most tickets that the scheduler is told of in all: a draw for the lottery has 53 bits."""

Parcel = tuple[tuple[int, int], ...]
"""Tickets on their way: pid of the owner and amount, in the owner's currency."""


class Economy:
    """Who holds how many tickets of which currency, and what they are worth.

    Processes are numbered in the order in which they are opened, as the kernel does. After any change,
    `changes` tells whose base tickets are others than before.

    Args:
        currencies: by name; none are needed where all tickets are of the base.

    Attributes:
        scale: tickets that the scheduler is told of for one base ticket: 1 without currencies.

    Raises:
        TicketError: an unknown parent, a cycle, a negative funding, or more than `LIMIT` tickets in all.
    """

    def __init__(self, currencies: Mapping[str, Currency] | None = None) -> None:
        self._currencies = dict(currencies or {})
        for name, _, message in currency_problems(self._currencies):
            raise TicketError(f"currency {name}: {message}")
        self._children: dict[str, list[str]] = {name: [] for name in (BASE, *self._currencies)}
        for name, currency in self._currencies.items():
            self._children[currency.of].append(name)
        roots = [currency.funding for currency in self._currencies.values() if currency.of == BASE]
        self._base_supply = sum(roots)
        least = min((funding for funding in roots if funding > 0), default=1)
        self.scale = 1 << (-(-FINENESS // least) - 1).bit_length() if self._currencies else 1
        self._refuse_overflow(0)
        # Active tickets issued in each currency.
        self._active_amount = dict.fromkeys(self._currencies, 0)
        # By pid: currency and total of its own tickets; by holder, what it holds of each owner.
        self._home: list[str] = []
        self._owned: list[int] = []
        self._held: list[dict[int, int]] = []
        self._active: list[bool] = []
        self._told: list[int] = []
        self._stale: dict[int, None] = {}

    @property
    def has_currencies(self) -> bool:
        """Whether there is any currency but the base."""
        return bool(self._currencies)

    def open(self, tickets: int, currency: str = BASE) -> int:
        """Give the next process its tickets, not yet active; return its base tickets at the scale.

        Raises:
            TicketError: a negative amount, an unknown currency, or more tickets than can be.
        """
        self._check(currency, tickets, "tickets")
        if currency == BASE:
            self._refuse_overflow(tickets)
            self._base_supply += tickets
        self._home.append(currency)
        self._owned.append(tickets)
        self._held.append({len(self._held): tickets})
        self._active.append(False)
        self._told.append(tickets * self.scale if currency == BASE else 0)
        return self._told[-1]

    def close(self, pid: int) -> None:
        """Take a process out: what it holds of others goes home, and its own tickets are withdrawn."""
        self.move(tuple((owner, n) for owner, n in self._held[pid].items() if owner != pid), pid, None)
        for holder, lots in enumerate(self._held):
            if pid in lots:
                self._put(holder, pid, -lots[pid])
                lots.pop(pid, None)
        if self._home[pid] == BASE:
            self._base_supply -= self._owned[pid]
        self._owned[pid] = 0
        self._stale.pop(pid, None)

    def currency_of(self, pid: int) -> str:
        """Return the currency of a process's own tickets."""
        return self._home[pid]

    def owned(self, pid: int) -> int:
        """Return a process's own tickets, those included that others hold at the moment."""
        return self._owned[pid]

    def in_hand(self, pid: int) -> int:
        """Return how many tickets a process holds, its own and others', whatever their currencies."""
        return sum(self._held[pid].values())

    def funding(self, currency: str) -> int:
        """Return the funding of a currency.

        Raises:
            TicketError: there is no such currency.
        """
        self._check(currency, 0, "")
        return self._currencies[currency].funding

    def set_tickets(self, pid: int, tickets: int) -> None:
        """Change a process's own tickets; this dilutes or enriches only holders of the same currency.

        Raises:
            TicketError: a negative amount, fewer than others hold of them, or more than can be.
        """
        self._check(self._home[pid], tickets, "tickets")
        more = tickets - self._owned[pid]
        if self._held[pid].get(pid, 0) + more < 0:
            lent = self._owned[pid] - self._held[pid].get(pid, 0)
            raise TicketError(f"{lent} tickets are transferred to others; {tickets} would be fewer")
        if self._home[pid] == BASE:
            self._refuse_overflow(more)
            self._base_supply += more
        self._owned[pid] = tickets
        self._put(pid, pid, more)

    def set_funding(self, currency: str, funding: int) -> None:
        """Change a currency's funding.

        Raises:
            TicketError: an unknown currency, a negative amount, or more than can be.
        """
        self._check(currency, funding, "funding")
        if currency == BASE:
            raise TicketError(f"{BASE} has no funding: it is the root of all currencies")
        known = self._currencies[currency]
        if known.of == BASE:
            self._refuse_overflow(funding - known.funding)
            self._base_supply += funding - known.funding
        self._currencies[currency] = Currency(funding, known.of)
        if self._active_amount[currency] > 0:
            self._issue(known.of, funding - known.funding)
        self._mark(currency)

    def transfer(self, pid: int, to: int, tickets: int) -> Parcel:
        """Hand tickets to another process, own ones first; return what went.

        Raises:
            TicketError: a negative amount, or more than the process has in hand.
        """
        if not 0 <= tickets <= self.in_hand(pid):
            raise TicketError(f"cannot transfer {tickets} tickets: {self.in_hand(pid)} are in hand")
        parcel = []
        for owner in sorted(self._held[pid], key=lambda owner: owner != pid):
            amount = min(tickets, self._held[pid][owner])
            if amount > 0:
                parcel.append((owner, amount))
                tickets -= amount
        self.move(tuple(parcel), pid, to)
        return tuple(parcel)

    def move(self, parcel: Parcel, holder: int, to: int | None) -> None:
        """Move a parcel from its holder to another process, or with None to the owners of its tickets.

        Tickets that the holder has no more, because their owner has ended, are left out.
        """
        for owner, amount in parcel:
            there = min(amount, self._held[holder].get(owner, 0))
            if there > 0:
                self._put(holder, owner, -there)
                self._put(owner if to is None else to, owner, there)

    def set_active(self, pid: int, active: bool) -> None:  # noqa: FBT001 - the one thing that it says
        """Say whether a process is runnable."""
        if self._active[pid] == active:
            return
        self._active[pid] = active
        for owner, amount in self._held[pid].items():
            self._issue(self._home[owner], amount if active else -amount)
        self._stale[pid] = None

    def worth(self, pid: int) -> Fraction:
        """Return what the tickets in a process's hands are worth in base tickets while it is runnable."""
        lots = self._held[pid].items()
        return sum((amount * self.unit(self._home[owner]) for owner, amount in lots), Fraction(0))

    def unit(self, currency: str) -> Fraction:
        """Return what one active ticket of a currency is worth in base tickets; 0 where none is active."""
        if currency == BASE:
            return Fraction(1)
        known, active = self._currencies[currency], self._active_amount[currency]
        return self.unit(known.of) * Fraction(known.funding, active) if active else Fraction(0)

    def changes(self) -> dict[int, int]:
        """Return base tickets at the scale of all processes whose tickets have another worth than last time.

        By pid, ascending. What has a worth is at least one ticket. A process that is not runnable is left
        out while it holds tickets of a currency: they are worth nothing then.
        """
        found = {}
        for pid in sorted(self._stale):
            owners = self._held[pid]
            if owners and (self._active[pid] or all(self._home[owner] == BASE for owner in owners)):
                worth = self.worth(pid) * self.scale
                tickets = max(1, round(worth)) if worth else 0
                if tickets != self._told[pid]:
                    self._told[pid] = found[pid] = tickets
        self._stale.clear()
        return found

    def _put(self, holder: int, owner: int, more: int) -> None:
        """Change how much of an owner's tickets a process holds."""
        lots = self._held[holder]
        lots[owner] = lots.get(owner, 0) + more
        if lots[owner] == 0 and owner != holder:
            del lots[owner]
        self._stale[holder] = None
        if self._active[holder]:
            self._issue(self._home[owner], more)

    def _issue(self, currency: str, more: int) -> None:
        """Change a currency's active amount; one that becomes active or idle does so to its funding."""
        while currency != BASE and more != 0:
            before = self._active_amount[currency]
            self._active_amount[currency] = before + more
            known = self._currencies[currency]
            woke, slept = before == 0, before + more == 0
            more = known.funding * (int(woke) - int(slept))
            self._mark(currency)
            currency = known.of

    def _mark(self, currency: str) -> None:
        """Note that holders of a currency, or of one below it, are worth something else now."""
        below = [currency]
        for name in below:
            below += self._children[name]
        for pid, lots in enumerate(self._held):
            if self._active[pid] and any(self._home[owner] in below for owner in lots):
                self._stale[pid] = None

    def _check(self, currency: str, amount: int, what: str) -> None:
        if currency != BASE and currency not in self._currencies:
            raise TicketError(unknown_currency(currency, self._currencies))
        if amount < 0:
            raise TicketError(f"{what} are never negative: {amount}")

    def _refuse_overflow(self, more: int) -> None:
        if (self._base_supply + more) * self.scale > LIMIT:
            raise TicketError(
                f"{self._base_supply + more} base tickets in all are too many: at most {LIMIT // self.scale} "
                "here; give currencies and jobs smaller numbers in the same proportions"
            )
