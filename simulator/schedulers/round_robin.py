"""Round robin (OSTEP chapter 7)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerProcess, Scheduler, Shared, may_run
from simulator.schedulers.queue import push_back, unlink


class RoundRobin(Scheduler):
    """Each process runs for a quantum in turn, whatever its tickets.

    A process that wakes joins the tail, as does one whose quantum ended.
    """

    name: ClassVar[str] = "round-robin"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

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

    def pick(self, cpu: int) -> int:
        """Take the first that may run on the CPU."""
        pid: int = self.head[0] - 1
        while pid >= 0 and not may_run(self, pid, cpu):
            pid = self.after[pid] - 1
        if pid >= 0:
            unlink(self, pid)
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:  # noqa: ARG002 - what was used does not matter
        """Rejoin the tail."""
        push_back(self, pid)
