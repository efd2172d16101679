"""First in, first out (OSTEP chapter 7)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.queue import push_front
from simulator.schedulers.round_robin import RoundRobin
from simulator.tables import NEVER


class Fifo(RoundRobin):
    """Processes run in the order in which they became runnable, each until it blocks or ends.

    A round robin whose quantum never ends. Tickets play no part.
    """

    name: ClassVar[str] = "fifo"

    def charge(self, pid: int, ran_ns: int) -> None:  # noqa: ARG002 - what was used does not matter
        """Keep the first place: nobody else may come between."""
        push_front(self, pid)

    def slice_ns(self, pid: int) -> int:  # noqa: ARG002 - the same for all
        """Run without a timer."""
        return NEVER
