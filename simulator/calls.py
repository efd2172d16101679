"""Calls: one process asks another and waits, and its tickets work for whoever serves it.

Waldspurger and Weihl's ticket transfers (OSDI 1994, sections 3.1 and 4.6): a client's tickets go to the
server while it waits for the reply and come back with it. A call that finds its server busy lends its tickets
at once to the process that took the last one, as a lock's waiters fund its holder, so that nobody important
waits behind a server that nobody funds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from simulator.channels import Channel, Request
from simulator.currencies import TicketError

if TYPE_CHECKING:
    import simpy

    from simulator.bank import Bank
    from simulator.process import Process
    from simulator.tickets import Parcel


class CallError(TicketError):
    """A process asks, or hands tickets to, one that has ended."""


@dataclass(eq=False, slots=True, kw_only=True)
class Call(Request):
    """A request from one process to another.

    Attributes:
        client: who asks, and waits.
        tickets: how many tickets it lends.
        answered: happens with the reply.
        parcel: what is lent at the moment.
        holder: who holds it; None while the client still does.
    """

    client: Process
    tickets: int
    answered: simpy.Event
    parcel: Parcel = ()
    holder: Process | None = None


@dataclass
class _Service:
    """The processes behind a channel, and the calls that wait there."""

    servers: list[Process] = field(default_factory=list)
    last: Process | None = None
    waiting: list[Call] = field(default_factory=list)
    receiving: list[tuple[Process, simpy.Event]] = field(default_factory=list)

    def busy(self) -> Process | None:
        """Return who took the last request, or else any server that is alive."""
        alive = [server for server in (self.last, *self.servers) if server and server.ended is None]
        return alive[0] if alive else None


class Calls:
    """All calls of a machine that have not been answered.

    Args:
        bank: moves the tickets.
    """

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self._services: list[tuple[Channel, _Service]] = []
        self._served: dict[int, list[Call]] = {}

    def transfer(self, process: Process, to: Process, tickets: int) -> None:
        """Hand tickets from one process to another, for good.

        Raises:
            CallError: the other has ended.
            TicketError: more than the process has in hand, or a negative amount.
        """
        if to.ended is not None:
            raise _gone(f"cannot transfer {tickets} tickets", to)
        self._bank.transfer(process.pid, to.pid, tickets)

    def ask(self, client: Process, channel: Channel, tickets: int | None) -> simpy.Event:
        """Put a call in a channel; the event happens with its reply.

        Raises:
            CallError: all that ever served the channel have ended.
            TicketError: more tickets than the client has in hand.
        """
        service = self._service(channel)
        if service.servers and service.busy() is None:
            raise _gone("cannot ask", service.servers[-1])
        in_hand = self._bank.economy.in_hand(client.pid)
        lent = in_hand if tickets is None else tickets
        if not 0 <= lent <= in_hand:
            raise TicketError(f"cannot lend {lent} tickets: {in_hand} are in hand")
        now, event = channel.clock.now_ns, channel.clock.event()
        call = Call(len(channel.requests), now, client=client, tickets=lent, answered=event)
        service.waiting.append(call)
        channel.arrive(call)
        busy = service.busy()
        if call.started_ns < 0 and busy is not None:
            self._lend(call, busy)
        return event

    def receive(self, server: Process, channel: Channel) -> simpy.Event:
        """Return the event of the channel's next request; a call's tickets come with it."""
        service = self._service(channel)
        if server not in service.servers:
            service.servers.append(server)
        event = channel.receive()
        event.callbacks.append(partial(self._take, server, service))
        service.receiving.append((server, event))
        return event

    def reply(self, call: Call) -> None:
        """Send a call's tickets back to its client, and wake it."""
        if call.holder is not None:
            if call.client.ended is None:
                self._bank.move(call.parcel, call.holder.pid, call.client.pid)
            self._served[call.holder.pid].remove(call)
            call.holder = None
            call.answered.succeed(call)

    def end(self, process: Process) -> None:
        """Fail the calls that nobody will answer any more because a process has ended; pass on the others.

        Each client receives a CallError. The bank has already sent home the tickets that the process held.
        Its own calls that nobody has taken yet are forgotten.
        """
        for channel, service in self._services:
            for entry in [one for one in service.receiving if one[0] is process and not one[1].triggered]:
                channel.withdraw(entry[1])
                service.receiving.remove(entry)
            for call in [call for call in service.waiting if call.client is process]:
                self._forget(channel, service, call)
        held = self._served.pop(process.pid, [])
        for call in held:
            call.holder = None
        lost = [call for call in held if call.started_ns >= 0]
        for _, service in self._services:
            busy = service.busy()
            if process in service.servers and busy is None:
                lost += service.waiting
            elif process in service.servers and busy is not None:
                for call in service.waiting:
                    self._lend(call, busy)
        for call in lost:
            self._fail(call, process)

    def _take(self, server: Process, service: _Service, event: simpy.Event) -> None:
        service.receiving.remove((server, event))
        call = event.value
        if server.ended is not None:
            # It was killed at the very instant at which it was handed the call.
            if isinstance(call, Call) and call in service.waiting:
                self._send_home(call)
                service.waiting.remove(call)
                self._fail(call, server)
            return
        service.last = server
        if isinstance(call, Call):
            service.waiting.remove(call)
            self._lend(call, server)

    def _forget(self, channel: Channel, service: _Service, call: Call) -> None:
        """Take back a call that its client does not wait for any more, with what it lent."""
        channel.forget(call)
        service.waiting.remove(call)
        if call.holder is not None:
            self._served[call.holder.pid].remove(call)
            call.holder = None

    def _send_home(self, call: Call) -> None:
        """Give a client back what a call of its lends."""
        if call.holder is not None:
            self._bank.move(call.parcel, call.holder.pid, call.client.pid)
            self._served[call.holder.pid].remove(call)
            call.holder = None

    def _fail(self, call: Call, server: Process) -> None:
        """Have a client receive a CallError in place of a reply, if it waits."""
        if call.answered.callbacks and not call.answered.triggered:
            call.answered.fail(_gone("no reply will come", server))

    def _lend(self, call: Call, server: Process) -> None:
        if call.holder is None:
            call.parcel = self._bank.transfer(call.client.pid, server.pid, call.tickets)
        elif call.holder is not server:
            self._bank.move(call.parcel, call.holder.pid, server.pid)
            self._served[call.holder.pid].remove(call)
        if call.holder is not server:
            self._served.setdefault(server.pid, []).append(call)
        call.holder = server

    def _service(self, channel: Channel) -> _Service:
        for known, service in self._services:
            if known is channel:
                return service
        self._services.append((channel, _Service()))
        return self._services[-1][1]


def _gone(what: str, process: Process) -> CallError:
    ended = process.ended
    how = f"it has {ended.reason.partition(':')[0]} at {ended.at_ns} ns" if ended else "it has not started"
    return CallError(f"{what}: process {process.pid} (job '{process.name}') is gone, {how}")
