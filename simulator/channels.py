"""Requests, and where a program receives them from."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import simpy

    from simulator.clock import Clock

WhenFull = Literal["drop-oldest", "drop-newest", "wait"]


@dataclass(eq=False, slots=True)
class Request:
    """One piece of work that was asked for: a camera frame, a query.

    Attributes:
        number: counts from 0 within its channel.
        arrived_ns: when it was asked for.
        started_ns: when a program received it, -1 before.
        finished_ns: when it was replied to, -1 before.
        dropped: whether it was thrown away because the queue was full.
    """

    number: int
    arrived_ns: int
    started_ns: int = -1
    finished_ns: int = -1
    dropped: bool = False


class Source(Protocol):
    """Where requests come from."""

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in order of arrival."""
        ...

    def receive(self) -> simpy.Event:
        """Return an event whose value is the next request."""
        ...


@dataclass
class Channel:
    """A queue between the outside world and the programs that serve it.

    Attributes:
        clock: simulated time.
        capacity: how many requests may wait; None for any number.
        when_full: which request is dropped when one more arrives: "drop-oldest", "drop-newest", or "wait",
            which drops none (and needs capacity None).
        requests: all requests so far, in order of arrival.
    """

    clock: Clock
    capacity: int | None = None
    when_full: WhenFull = "wait"
    requests: list[Request] = field(default_factory=list)
    _waiting: deque[Request] = field(default_factory=deque)
    _receivers: deque[simpy.Event] = field(default_factory=deque)

    def __post_init__(self) -> None:
        if (self.capacity is None) != (self.when_full == "wait"):
            raise ValueError("a channel drops requests exactly when its capacity is limited")

    def arrive(self, request: Request | None = None) -> Request:
        """Let one more request arrive now, a plain one unless given; it or another may be dropped."""
        if request is None:
            request = Request(len(self.requests), self.clock.now_ns)
        self.requests.append(request)
        if self._receivers:
            self._hand(request, self._receivers.popleft())
        elif self.capacity is not None and len(self._waiting) >= self.capacity:
            if self.when_full == "drop-oldest":
                self._waiting.popleft().dropped = True
                self._waiting.append(request)
            else:
                request.dropped = True
        else:
            self._waiting.append(request)
        return request

    def receive(self) -> simpy.Event:
        """Return an event whose value is the oldest waiting request, once there is one."""
        event = self.clock.event()
        if self._waiting:
            self._hand(self._waiting.popleft(), event)
        else:
            self._receivers.append(event)
        return event

    def _hand(self, request: Request, receiver: simpy.Event) -> None:
        request.started_ns = self.clock.now_ns
        receiver.succeed(request)


@dataclass
class ClosedLoop:
    """A client that asks again as soon as it was answered, or after thinking.

    Attributes:
        clock: simulated time.
        think_ns: pause between a reply and the next request, in nanoseconds.
        limit: number of requests after which none comes; None for no end.
        requests: all requests so far.
    """

    clock: Clock
    think_ns: int = 0
    limit: int | None = None
    requests: list[Request] = field(default_factory=list)

    def receive(self) -> simpy.Event:
        """Return an event whose value is the next request; past the limit it never happens."""
        event = self.clock.event()
        if self.limit is None or len(self.requests) < self.limit:
            pause = self.think_ns if self.requests else 0
            self.clock.timeout(pause, event).callbacks.append(self._ask)
        return event

    def _ask(self, thought: simpy.Event) -> None:
        """Hand the next request to the event that the pause carries."""
        now = self.clock.now_ns
        request = Request(len(self.requests), now, started_ns=now)
        self.requests.append(request)
        waiting: Any = thought.value
        waiting.succeed(request)
