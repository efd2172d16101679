"""Simulated time: SimPy's event queue with the CPUs running between its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import simpy
from simpy.events import NORMAL

from simulator.tables import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock(simpy.Environment):
    """A SimPy environment on integer nanoseconds that lets the CPUs run up to each event before it happens.

    SimPy sees arrivals, wake-ups and ends of demands, nothing else. `step` is the documented place where an
    environment may add to that, as `simpy.rt.RealtimeEnvironment` does.

    Args:
        advance: called with the time of the next event (NEVER without one) before that event happens. It may
            schedule an earlier event, which then comes first.
    """

    def __init__(self, advance: Callable[[int], None]) -> None:
        super().__init__(initial_time=0)
        self._advance = advance

    @property
    def now_ns(self) -> int:
        """The time in nanoseconds."""
        return int(self.now)

    def step(self) -> None:
        """Run the CPUs up to the next event, then process the event."""
        horizon = self.peek()
        self._advance(NEVER if horizon == simpy.core.Infinity else int(horizon))
        super().step()


class Demand(simpy.Event):
    """Happens when a process has received what it asked for: CPU time, or a request.

    Triggered ahead of time, as SimPy's own Timeout is: one event a demand, and none that goes stale.
    """

    def happen_in(self, delay_ns: int, failure: Exception | None = None, value: object = None) -> None:
        """Schedule the event; with a failure, the waiting program receives it as an exception."""
        self._ok = failure is None
        self._value: Any = value if failure is None else failure
        self.env.schedule(self, NORMAL, delay_ns)
