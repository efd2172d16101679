"""Shortest time to completion first (OSTEP chapter 7)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerCpu, may_run
from simulator.schedulers.preemption import displaces
from simulator.schedulers.queue import unlink
from simulator.schedulers.sjf import Sjf, insert_by_length


class Stcf(Sjf):
    """The process with the least time left runs; one that enters with less takes a running one's CPU at once.

    Of several CPUs it takes that of the process with the most time left, and none while one is idle. Time
    left is, as in `Sjf`, that of the present CPU demand, which a real kernel does not know. A program that
    asks for more the instant its demand is met keeps its CPU, however much it asks for.
    """

    name: ClassVar[str] = "stcf"

    # By CPU: the pid on it + 1; what `displaces` has given out.
    on_cpu: PerCpu
    given: PerCpu

    def pick(self, cpu: int) -> int:
        """Take the one with the least time left among those that may run on the CPU."""
        pid: int = self.head[0] - 1
        while pid >= 0 and not may_run(self, pid, cpu):
            pid = self.after[pid] - 1
        if pid >= 0:
            unlink(self, pid)
            self.on_cpu[cpu] = pid + 1
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:  # noqa: ARG002 - the kernel keeps what is left
        """Queue by the time that is left."""
        for cpu in range(len(self.on_cpu)):
            if self.on_cpu[cpu] == pid + 1:
                self.on_cpu[cpu] = 0
        insert_by_length(self, pid)

    def preempts(self, pid: int, running: int) -> bool:  # noqa: ARG002 - whoever waits longest decides
        """Say yes for the running process with the most time left, if one that waits has less."""
        return displaces(self, running, self.left_ns, 1)
