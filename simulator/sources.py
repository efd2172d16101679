"""Sources of requests: the outside world, and clients that ask again when they are answered."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Literal

from simulator import requests
from simulator.channels import Request
from simulator.clock import Demand
from simulator.tables import DROPPED, FINISHED, NEVER, NOBODY, STARTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from simulator.dispatcher import Dispatcher
    from simulator.tables import Int64s, Matrix

WhenFull = Literal["drop-oldest", "drop-newest", "wait"]


class Source:
    """Where a job's requests come from.

    Arrivals, queue and log lie in the kernel's tables, so that requests of a process which has the kernel
    serve them (`SystemCalls.serve`) cost no event. `outside` and `closed_loop` make one.

    Args:
        dispatcher: the kernel.
        times: arrays of arrival times in nanoseconds, ascending; none for a closed loop.
        capacity: how many requests may wait; None for any number.
        when_full: which request is dropped when one more arrives: "drop-oldest", "drop-newest", or "wait",
            which drops none (and needs capacity None).

    Attributes:
        number: of its column in the kernel's table.

    Raises:
        ValueError: a capacity without a rule for what is dropped, or the other way round.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        times: Iterable[Int64s] = (),
        *,
        capacity: int | None = None,
        when_full: WhenFull = "wait",
    ) -> None:
        if (capacity is None) != (when_full == "wait"):
            raise ValueError("a source drops requests exactly when its capacity is limited")
        self._kernel = dispatcher
        self._times: Iterator[Int64s] = iter(times)
        self._rest: Int64s | None = None
        self._receivers: deque[tuple[int, Demand]] = deque()
        self.number = dispatcher.attach(self)
        sources = dispatcher.state.sources
        sources.capacity[self.number] = NEVER if capacity is None else capacity
        sources.drop_newest[self.number] = when_full == "drop-newest"

    @classmethod
    def outside(
        cls,
        dispatcher: Dispatcher,
        times: Iterable[Int64s],
        *,
        capacity: int | None = None,
        when_full: WhenFull = "wait",
    ) -> Source:
        """Return a source whose requests arrive at given times, whether or not anybody keeps up."""
        source = cls(dispatcher, times, capacity=capacity, when_full=when_full)
        source.look_ahead()
        dispatcher.wake_at(int(dispatcher.state.sources.next_ns[source.number]))
        return source

    @classmethod
    def closed_loop(
        cls, dispatcher: Dispatcher, *, think_ns: int = 0, limit: int | None = None, samples: int = 1
    ) -> Source:
        """Return a client that asks again when it was answered and has thought; at most `limit` times.

        With several `samples` it makes so many requests at once, and the next when all are answered.
        """
        source = cls(dispatcher)
        sources = dispatcher.state.sources
        sources.closed[source.number] = 1
        sources.think_ns[source.number] = think_ns
        sources.left[source.number] = NEVER if limit is None else limit
        sources.samples[source.number] = samples
        return source

    @property
    def arrived(self) -> int:
        """Number of requests so far."""
        sources = self._kernel.state.sources
        return int(sources.flushed[self.number] + sources.rows[self.number])

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in order of arrival, as far as they are kept in memory."""
        parts = [*self._kernel.recordings.requests.get(self.number, ()), self._rows()]
        rows = [row for part in parts for row in part.T.tolist()]
        first = self.arrived - len(rows)
        return [
            Request(first + at, arrived, started, max(finished, -1), finished == DROPPED, self)
            for at, (arrived, started, finished) in enumerate(rows)
        ]

    def receive(self, pid: int = NOBODY) -> Demand:
        """Return an event whose value is the next request, once there is one; `pid` is who waits for it."""
        kernel, sources, number = self._kernel, self._kernel.state.sources, self.number
        event = Demand(kernel.clock)
        if sources.waiting[number] > 0:
            row = requests.take(sources, number)
            sources.log[STARTED, number, row] = kernel.clock.now_ns
            event.happen_in(0, value=self._request(row))
        else:
            self._receivers.append((pid, event))
            sources.receivers[number] += 1
            requests.want_next(kernel.state.totals, sources, number)
        return event

    def hand_over(self, delay_ns: int) -> None:
        """Wake the programs whose requests have arrived, so long from now on SimPy's clock."""
        log = self._rows()
        for row in (log[STARTED] == requests.IN_HAND).nonzero()[0].tolist():
            log[STARTED, row] = self._kernel.state.totals.now_ns[0]
            self._receivers.popleft()[1].happen_in(delay_ns, value=self._request(row))

    def forget_receiver(self, pid: int) -> None:
        """Hand no more requests to a process that waits for them: it is gone."""
        before = len(self._receivers)
        self._receivers = deque(entry for entry in self._receivers if entry[0] != pid)
        self._kernel.state.sources.receivers[self.number] -= before - len(self._receivers)

    def finish(self, request: Request) -> None:
        """Note that a request that a program received is answered."""
        sources = self._kernel.state.sources
        row = request.number - int(sources.flushed[self.number])
        sources.log[FINISHED, self.number, row] = request.finished_ns

    def look_ahead(self) -> None:
        """Put the next arrival times on hand if all have been used."""
        sources, number = self._kernel.state.sources, self.number
        if sources.closed[number] or sources.ended[number] or sources.at[number] < sources.known[number]:
            return
        if self._rest is None or len(self._rest) == 0:
            self._rest = next((times for times in self._times if len(times)), None)
        if self._rest is None:
            sources.ended[number] = 1
            return
        room = sources.times.shape[1]
        taken, self._rest = self._rest[:room], self._rest[room:]
        sources.times[number, : len(taken)] = taken
        sources.at[number], sources.known[number] = 0, len(taken)
        sources.next_ns[number] = taken[0]

    def flush(self, *, everything: bool = False) -> None:
        """Hand the log's first requests on to the recordings, as far as they are answered or dropped."""
        sources, number = self._kernel.state.sources, self.number
        log = self._rows()
        open_rows = [] if everything else (log[FINISHED] == requests.WAITS).nonzero()[0]
        count = int(open_rows[0]) if len(open_rows) else log.shape[1]
        if count:
            self._kernel.recordings.add_requests(number, log[:, :count].copy())
            sources.log[:, number, : log.shape[1] - count] = log[:, count:].copy()
            sources.rows[number] -= count
            sources.flushed[number] += count
            sources.head[number] = max(int(sources.head[number]) - count, 0)
            sources.current[number] = max(int(sources.current[number]) - count, -1)

    def _rows(self) -> Matrix:
        """int64[3, requests], the log as it is now, to be changed in place."""
        sources = self._kernel.state.sources
        return sources.log[:, self.number, : int(sources.rows[self.number])]

    def _request(self, row: int) -> Request:
        sources = self._kernel.state.sources
        arrived, started, _ = sources.log[:, self.number, row].tolist()
        return Request(int(sources.flushed[self.number]) + row, arrived, started, source=self)
