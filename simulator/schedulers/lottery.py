"""Lottery scheduling (Waldspurger and Weihl, OSDI 1994; OSTEP chapter 9)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerProcess, Scheduler, Shared, next_draw
from simulator.schedulers.members import add_member, remove_member


class Lottery(Scheduler):
    """Each quantum goes to the holder of a ticket drawn at random.

    The draw walks the list of waiting processes, summing tickets until the sum exceeds the winning number,
    as in OSTEP figure 9.1. A process with no tickets runs only when no waiting process has any.
    """

    name: ClassVar[str] = "lottery"
    compilable: ClassVar[bool] = True

    members: PerProcess
    count: Shared
    # The tickets that take part in the draw: those of waiting processes; a process on a CPU has none here.
    stake: PerProcess
    waiting: PerProcess
    total: Shared

    def enter(self, pid: int) -> None:
        """Join the list's end with all tickets in the draw."""
        add_member(self.members, self.count, pid)
        place_stake(self, pid)

    def leave(self, pid: int) -> None:
        """Take the tickets out of the draw."""
        take_stake(self, pid)
        remove_member(self.members, self.count, pid)

    def pick(self) -> int:
        """Draw the winning ticket."""
        winner = int(next_draw(self) * self.total[0])
        counter = 0
        chosen = -1
        for at in range(self.count[0]):
            pid = self.members[at]
            if self.waiting[pid] == 0:
                continue
            counter += self.stake[pid]
            if counter > winner or self.total[0] == 0:
                chosen = pid
                break
        take_stake(self, chosen)
        return chosen

    def charge(self, pid: int, ran_ns: int) -> None:  # noqa: ARG002 - a lottery has no memory
        """Put the tickets back into the draw; what was used is forgotten."""
        place_stake(self, pid)


def place_stake(lottery: Lottery, pid: int) -> None:
    """Let a process's tickets take part in the draw."""
    lottery.stake[pid] = lottery.tickets[pid]
    lottery.waiting[pid] = 1
    lottery.total[0] += lottery.tickets[pid]


def take_stake(lottery: Lottery, pid: int) -> None:
    """Take a process's tickets out of the draw."""
    lottery.total[0] -= lottery.stake[pid]
    lottery.stake[pid] = 0
    lottery.waiting[pid] = 0
