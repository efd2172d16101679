"""Lottery scheduling (Waldspurger and Weihl, OSDI 1994; OSTEP chapter 9)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerProcess, Scheduler, Shared, may_run, next_draw
from simulator.schedulers.members import add_member, remove_member

MOST = 1024
"""The most that compensation multiplies tickets by: no part of a quantum counts as less than 1/1024."""


class Lottery(Scheduler):
    """Each quantum goes to the holder of a ticket drawn at random.

    The draw walks the list of waiting processes, summing tickets until the sum exceeds the winning number,
    as in OSTEP figure 9.1. A process with no tickets runs only when no waiting process has any.

    Args:
        compensation: a process that used only a fraction f of its quantum has its tickets raised by 1/f
            until it next wins (Waldspurger and Weihl, section 4.5), so that giving up the CPU early does not
            cost it its share.

    Raises:
        ValueError: `compensation` is neither true nor false.
    """

    name: ClassVar[str] = "lottery"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    members: PerProcess
    count: Shared
    # The tickets that take part in the draw: those of waiting processes; a process on a CPU has none here.
    stake: PerProcess
    waiting: PerProcess
    total: Shared
    # How many of the members are bound to certain CPUs.
    pinned: Shared
    # Execution in the last slice.
    used_ns: PerProcess

    def __init__(self, *, compensation: bool = False) -> None:
        if not isinstance(compensation, bool):
            raise ValueError(f"compensation is true or false, not {compensation}")  # noqa: TRY004 - a wrong option, as of every policy
        self.compensation = compensation

    def enter(self, pid: int) -> None:
        """Join the list's end with all tickets in the draw."""
        add_member(self.members, self.count, pid)
        self.pinned[0] += self.affinity[pid] != -1
        place_stake(self, pid)

    def leave(self, pid: int) -> None:
        """Take the tickets out of the draw."""
        take_stake(self, pid)
        self.pinned[0] -= self.affinity[pid] != -1
        remove_member(self.members, self.count, pid)

    def pick(self, cpu: int) -> int:
        """Draw the winning ticket among those that may run on the CPU."""
        total = self.total[0] - stake_elsewhere(self, cpu)
        winner = int(next_draw(self) * total)
        if total > 0 and self.pinned[0] == 0:
            # Nearly always so, and then nobody needs to be asked where it may run. Totals beyond what a
            # float can count must not let the winner round up to the total itself.
            winner = min(winner, total - 1)
            at = 0
            counter = self.stake[self.members[at]]
            while counter <= winner:
                at += 1
                counter += self.stake[self.members[at]]
            lucky: int = self.members[at]
            take_stake(self, lucky)
            return lucky
        counter = 0
        for at in range(self.count[0]):
            pid: int = self.members[at]
            if self.waiting[pid] == 1 and may_run(self, pid, cpu):
                counter += self.stake[pid]
                if counter > winner or total == 0:
                    take_stake(self, pid)
                    return pid
        return -1

    def charge(self, pid: int, ran_ns: int) -> None:
        """Put the tickets back into the draw; what was used matters for compensation alone."""
        self.used_ns[pid] = ran_ns
        place_stake(self, pid)


def stake_elsewhere(lottery: Lottery, cpu: int) -> int:
    """Return the tickets of waiting processes that may not run on a CPU."""
    elsewhere = 0
    if lottery.pinned[0] > 0:
        for at in range(lottery.count[0]):
            pid = lottery.members[at]
            if not may_run(lottery, pid, cpu):
                elsewhere += lottery.stake[pid]
    return elsewhere


def place_stake(lottery: Lottery, pid: int) -> None:
    """Let a process's tickets take part in the draw, with compensation for an unused rest of a quantum."""
    stake = lottery.tickets[pid]
    quantum = lottery.quantum_ns[0]
    used = lottery.used_ns[pid]
    if lottery.compensation and 0 < used < quantum:
        stake = int(stake * (quantum / max(used, quantum // MOST)))
    lottery.stake[pid] = stake
    lottery.waiting[pid] = 1
    lottery.total[0] += stake


def take_stake(lottery: Lottery, pid: int) -> None:
    """Take a process's tickets out of the draw."""
    lottery.total[0] -= lottery.stake[pid]
    lottery.stake[pid] = 0
    lottery.waiting[pid] = 0
