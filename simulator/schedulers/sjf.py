"""Shortest job first (OSTEP chapter 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from simulator.schedulers.fifo import Fifo
from simulator.schedulers.queue import push_back, push_front

if TYPE_CHECKING:
    from simulator.schedulers.round_robin import RoundRobin


class Sjf(Fifo):
    """The process with the shortest job runs next, until it blocks or ends; of equals, who came first.

    A job's length is here the CPU time that the process asks for until it blocks again or ends: one demand,
    not the whole program. The simulation knows it because programs announce their demands; a real kernel
    does not, and must guess. Tickets play no part.
    """

    name: ClassVar[str] = "sjf"

    def enter(self, pid: int) -> None:
        """Queue behind all that are no longer."""
        insert_by_length(self, pid)


def insert_by_length(queue: RoundRobin, pid: int) -> None:
    """Put a pid behind all waiting processes that have no more time left than it has."""
    longer = queue.head[0]
    while longer > 0 and queue.left_ns[longer - 1] <= queue.left_ns[pid]:
        longer = queue.after[longer - 1]
    if longer == 0:
        push_back(queue, pid)
    elif longer == queue.head[0]:
        push_front(queue, pid)
    else:
        before = queue.before[longer - 1]
        queue.after[before - 1] = pid + 1
        queue.before[pid] = before
        queue.after[pid] = longer
        queue.before[longer - 1] = pid + 1
