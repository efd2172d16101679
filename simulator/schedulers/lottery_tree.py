"""Lottery scheduling with a tree of partial ticket sums (Waldspurger and Weihl, OSDI 1994, section 4.2)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerProcess, may_run, next_draw
from simulator.schedulers.lottery import Lottery, place_stake, take_stake
from simulator.schedulers.members import add_member, remove_member
from simulator.schedulers.tree import add_up, change_leaf, tree_size, value_at


class LotteryTree(Lottery):
    """The lottery of `Lottery` for many processes: a draw takes O(log n) steps instead of O(n).

    The winning ticket is looked for from the root of a binary tree, to the left where the left half's tickets
    exceed it, else to the right, less those tickets. Chances and options are those of the list; the
    winner of one and the same draw is another, because the tree stands in the order of pids.

    While a waiting process is pinned to certain CPUs, every draw counts the tickets that may run there first,
    in O(n): to draw again when the winner may not run would be as fair, but has no bound.
    """

    name: ClassVar[str] = "lottery-tree"

    # The tickets that a draw is made from, by pid; their sums.
    ticket_leaf: PerProcess
    ticket_sum: PerProcess

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Make room for a complete tree."""
        super().attach(tree_size(capacity), quantum_ns, cpus)

    def grow(self, capacity: int) -> None:
        """Make room for more pids, and the tree anew."""
        super().grow(tree_size(capacity))
        add_up(self.ticket_sum, self.ticket_leaf)

    def enter(self, pid: int) -> None:
        """Join with all tickets in the draw."""
        add_member(self.members, self.count, pid)
        self.pinned[0] += self.affinity[pid] != -1
        place_stake(self, pid)
        change_leaf(self.ticket_sum, self.ticket_leaf, pid, self.stake[pid] - self.ticket_leaf[pid])

    def leave(self, pid: int) -> None:
        """Take the tickets out of the draw."""
        take_stake(self, pid)
        self.pinned[0] -= self.affinity[pid] != -1
        remove_member(self.members, self.count, pid)
        change_leaf(self.ticket_sum, self.ticket_leaf, pid, -self.ticket_leaf[pid])
        if self.pinned[0] == 0 and self.affinity[pid] != -1:
            # The last draw counted only the tickets that might run on its CPU.
            for other in range(len(self.stake)):
                self.ticket_leaf[other] = self.stake[other]
            add_up(self.ticket_sum, self.ticket_leaf)

    def pick(self, cpu: int) -> int:
        """Draw the winning ticket among those that may run on the CPU."""
        if self.pinned[0] > 0:
            for pid in range(len(self.stake)):
                self.ticket_leaf[pid] = self.stake[pid] if may_run(self, pid, cpu) else 0
            add_up(self.ticket_sum, self.ticket_leaf)
        winner = int(next_draw(self) * self.ticket_sum[1])
        pid = holder_of(self, winner) if self.ticket_sum[1] > 0 else first_waiting(self, cpu)
        if pid >= 0:
            take_stake(self, pid)
            change_leaf(self.ticket_sum, self.ticket_leaf, pid, -self.ticket_leaf[pid])
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Put the tickets back into the draw."""
        self.used_ns[pid] = ran_ns
        place_stake(self, pid)
        change_leaf(self.ticket_sum, self.ticket_leaf, pid, self.stake[pid])


def holder_of(lottery: LotteryTree, winner: int) -> int:
    """Return the pid that holds a ticket, counted from 0 in the order of pids."""
    leaves = len(lottery.ticket_leaf)
    node = 1
    while node < leaves:
        node *= 2
        left = value_at(lottery.ticket_sum, lottery.ticket_leaf, node)
        if winner >= left:
            winner -= left
            node += 1
    return node - leaves


def first_waiting(lottery: LotteryTree, cpu: int) -> int:
    """Return the earliest member of those that wait and may run, -1 if there is none."""
    for at in range(lottery.count[0]):
        pid: int = lottery.members[at]
        if lottery.waiting[pid] == 1 and may_run(lottery, pid, cpu):
            return pid
    return -1
