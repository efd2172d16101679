"""Requests, and the channels by which processes ask each other."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import simpy

    from simulator.clock import Clock
    from simulator.sources import Source


@dataclass(eq=False, slots=True)
class Request:
    """One piece of work that was asked for: a camera frame, a query.

    Attributes:
        number: counts from 0 within its source or channel.
        arrived_ns: when it was asked for.
        started_ns: when a program received it, -1 before.
        finished_ns: when it was replied to, -1 before.
        dropped: whether it was thrown away because the queue was full.
        source: where it came from, None if from another process.
    """

    number: int
    arrived_ns: int
    started_ns: int = -1
    finished_ns: int = -1
    dropped: bool = False
    source: Source | None = None


@dataclass
class Channel:
    """A queue between processes: some ask, others serve.

    Attributes:
        clock: simulated time.
        requests: all requests so far, in order of arrival.
    """

    clock: Clock
    requests: list[Request] = field(default_factory=list)
    _waiting: deque[Request] = field(default_factory=deque)
    _receivers: deque[simpy.Event] = field(default_factory=deque)

    def arrive(self, request: Request) -> None:
        """Let one more request arrive now."""
        self.requests.append(request)
        if self._receivers:
            self._hand(request, self._receivers.popleft())
        else:
            self._waiting.append(request)

    def receive(self) -> simpy.Event:
        """Return an event whose value is the oldest waiting request, once there is one."""
        event = self.clock.event()
        if self._waiting:
            self._hand(self._waiting.popleft(), event)
        else:
            self._receivers.append(event)
        return event

    def withdraw(self, receiver: simpy.Event) -> None:
        """Hand no request to a receiver that is gone."""
        if receiver in self._receivers:
            self._receivers.remove(receiver)

    def forget(self, request: Request) -> None:
        """Let a request that waits be handed to nobody: whoever asked is gone."""
        if request in self._waiting:
            self._waiting.remove(request)

    def _hand(self, request: Request, receiver: simpy.Event) -> None:
        request.started_ns = self.clock.now_ns
        receiver.succeed(request)
