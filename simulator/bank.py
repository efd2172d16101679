"""The bank: changes in the ticket economy, told to the dispatcher and put on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.currencies import BASE
from simulator.tables import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.dispatcher import Dispatcher
    from simulator.tickets import Economy, Parcel


class Bank:
    """Keeps the scheduler's tickets in step with the economy.

    Only where there are currencies does it watch processes block and wake: base tickets are worth the same
    whoever is runnable.

    Args:
        economy: who holds what; nobody yet.
        dispatcher: is told of base tickets at the economy's scale.
        tell: puts an event on record: pid or NOBODY, and what happened in words.
    """

    def __init__(self, economy: Economy, dispatcher: Dispatcher, tell: Callable[[int, str], None]) -> None:
        self.economy = economy
        self._dispatcher = dispatcher
        self._tell = tell
        if economy.has_currencies:
            dispatcher.watch_runnable(self._note_runnable)

    def open(self, tickets: int, currency: str, affinity: int | None, group: int = 0) -> int:
        """Admit a new process with its tickets; return its pid.

        Raises:
            TicketError: a negative amount, an unknown currency, or more tickets than can be.
            PolicyError: the policy does not look at affinity.
        """
        return self._dispatcher.admit(self.economy.open(tickets, currency), affinity, group)

    def close(self, pid: int) -> None:
        """Send home what an ended process held of others, and withdraw its own tickets."""
        self.economy.close(pid)
        self._pass_on()

    def set_tickets(self, pid: int, tickets: int) -> None:
        """Change a process's own tickets.

        Raises:
            TicketError: an amount that cannot be.
        """
        before, currency = self.economy.owned(pid), self.economy.currency_of(pid)
        self.economy.set_tickets(pid, tickets)
        of = "" if currency == BASE else f" of {currency}"
        self._tell(pid, f"tickets{of} {before} -> {tickets}")
        self._pass_on()

    def set_funding(self, currency: str, funding: int) -> None:
        """Change a currency's funding.

        Raises:
            TicketError: an unknown currency or an amount that cannot be.
        """
        before = self.economy.funding(currency)
        self.economy.set_funding(currency, funding)
        self._tell(NOBODY, f"funding of {currency} {before} -> {funding}")
        self._pass_on()

    def transfer(self, pid: int, to: int, tickets: int) -> Parcel:
        """Hand tickets from one process to another; return what went.

        Raises:
            TicketError: more than the process has in hand, or a negative amount.
        """
        parcel = self.economy.transfer(pid, to, tickets)
        if tickets:
            self._tell(pid, f"{tickets} tickets to process {to}")
        self._pass_on()
        return parcel

    def move(self, parcel: Parcel, holder: int, to: int) -> None:
        """Move a parcel on, from the process that holds it to another."""
        self.economy.move(parcel, holder, to)
        if parcel:
            self._tell(holder, f"{sum(amount for _, amount in parcel)} tickets to process {to}")
        self._pass_on()

    def _note_runnable(self, pid: int, runnable: bool) -> None:  # noqa: FBT001 - the kernel's call
        self.economy.set_active(pid, runnable)
        self._pass_on()

    def _pass_on(self) -> None:
        for pid, tickets in self.economy.changes().items():
            self._dispatcher.set_tickets(pid, tickets)
