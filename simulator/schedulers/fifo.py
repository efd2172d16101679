"""First in, first out (OSTEP chapter 7)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerProcess, Scheduler, Shared
from simulator.schedulers.queue import push_back, push_front, unlink
from simulator.tables import NEVER


class Fifo(Scheduler):
    """Processes run in the order in which they became runnable, each until it blocks or ends.

    Tickets play no part.
    """

    name: ClassVar[str] = "fifo"
    compilable: ClassVar[bool] = True

    head: Shared
    tail: Shared
    after: PerProcess
    before: PerProcess

    def enter(self, pid: int) -> None:
        """Join the tail."""
        push_back(self, pid)

    def leave(self, pid: int) -> None:
        """Leave from wherever it stands."""
        unlink(self, pid)

    def pick(self) -> int:
        """Take the head."""
        pid: int = self.head[0] - 1
        unlink(self, pid)
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:  # noqa: ARG002 - what was used does not matter
        """Keep the first place: nobody else may come between."""
        push_front(self, pid)

    def slice_ns(self, pid: int) -> int:  # noqa: ARG002 - the same for all
        """Run without a timer."""
        return NEVER
