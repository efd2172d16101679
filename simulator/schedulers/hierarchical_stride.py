"""Hierarchical stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from simulator.errors import TimeshareError
from simulator.schedulers.base import PerProcess, Scheduler, Shared, may_run
from simulator.schedulers.members import add_member, remove_member
from simulator.schedulers.tree import add_up, change_leaf, moved_down, tree_size, value_at

if TYPE_CHECKING:
    import numpy as np

LIMIT = 1 << 60
"""The most that a quantum times all tickets may be, so that leads fit their 64 bits."""

MOST = (1 << 63) - 1
"""The largest number of 64 bits."""


class HierarchicalStride(Scheduler):
    """Stride scheduling between the two halves of the processes, between the halves of each half, and so on.

    At every node of a binary tree the half with the smaller pass goes on, its tickets being those of all
    its runnable processes. No process is then further from its share of the whole than the levels of the
    tree in quanta, O(log n), where plain stride may reach n / 2.

    Instead of two passes a node keeps their difference times both ticket sums, its *lead*: what the left half
    received times the tickets of the right one, less the reverse. That is a whole number, so nothing is ever
    rounded but when tickets come, go or change: then a lead keeps its worth in time. The half whose next
    quantum would end at the smaller pass goes on, which is TM-528's start of one stride; ties go left.

    A process with no tickets runs only when no waiting process has any. What a process uses is booked when it
    stops, so with several CPUs the bound is wider by a quantum for each.
    """

    name: ClassVar[str] = "hierarchical-stride"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    members: PerProcess
    count: Shared
    pinned: Shared
    waiting: PerProcess
    # By pid and by node: the tickets of the runnable; how many wait with tickets (and may run on the CPU).
    share: PerProcess
    share_sum: PerProcess
    ready: PerProcess
    ready_sum: PerProcess
    # By node.
    lead: PerProcess
    # Tickets in all that were too many, 0 while they fit.
    refused: Shared

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Make room for a complete tree."""
        super().attach(tree_size(capacity), quantum_ns, cpus)

    def grow(self, capacity: int) -> None:
        """Make room for more pids: the tree becomes the left half of a larger one."""
        known = len(self.lead)
        super().grow(tree_size(capacity))
        moved_down(self.lead, known)
        add_up(self.share_sum, self.share)
        add_up(self.ready_sum, self.ready)

    def enter(self, pid: int) -> None:
        """Join with all tickets; nothing is owed to or by a newcomer."""
        total = self.share_sum[1] + self.tickets[pid]
        if total <= LIMIT // self.quantum_ns[0]:
            change_share(self, pid, self.tickets[pid])
        else:
            # Compiled code cannot raise: the kernel comes to `refill` before the next pick.
            self.refused[0] = total
            self.draw_at[0] = len(self.draws)
        add_member(self.members, self.count, pid)
        self.pinned[0] += self.affinity[pid] != -1
        offer(self, pid)

    def refill(self, source: np.random.Generator) -> None:
        """Refuse more tickets than fit.

        Raises:
            TimeshareError: so many have entered.
        """
        if self.refused[0] > 0:
            raise TimeshareError(
                f"scheduler '{self.name}' takes {LIMIT // int(self.quantum_ns[0])} tickets in all at this "
                f"quantum, not {self.refused[0]}: give smaller numbers in the same proportions"
            )
        super().refill(source)

    def leave(self, pid: int) -> None:
        """Take the tickets out of the sums."""
        change_share(self, pid, -self.share[pid])
        remove_member(self.members, self.count, pid)
        self.pinned[0] -= self.affinity[pid] != -1
        self.waiting[pid] = 0
        change_leaf(self.ready_sum, self.ready, pid, -self.ready[pid])
        if self.pinned[0] == 0 and self.affinity[pid] != -1:
            # The last pick counted only those that might run on its CPU.
            for other in range(len(self.ready)):
                self.ready[other] = self.waiting[other] if self.share[other] > 0 else 0
            add_up(self.ready_sum, self.ready)

    def pick(self, cpu: int) -> int:
        """Go down from the root, each time to the half with the smaller pass that has somebody waiting."""
        if self.pinned[0] > 0:
            for pid in range(len(self.ready)):
                able = self.share[pid] > 0 and may_run(self, pid, cpu)
                self.ready[pid] = self.waiting[pid] if able else 0
            add_up(self.ready_sum, self.ready)
        pid = first_choice(self) if self.ready_sum[1] > 0 else first_waiting(self, cpu)
        if pid >= 0:
            self.waiting[pid] = 0
            change_leaf(self.ready_sum, self.ready, pid, -self.ready[pid])
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Book what was used at every node above."""
        node = len(self.lead) + pid
        while node > 1:
            others = value_at(self.share_sum, self.share, node ^ 1)
            self.lead[node >> 1] += ran_ns * others if node & 1 == 0 else -ran_ns * others
            node >>= 1
        offer(self, pid)


def first_choice(tree: HierarchicalStride) -> int:
    """Return the process to which the passes lead from the root, of those that are ready."""
    leaves = len(tree.lead)
    node = 1
    while node < leaves:
        left = 2 * node
        if value_at(tree.ready_sum, tree.ready, left) == 0:
            node = left + 1
        elif value_at(tree.ready_sum, tree.ready, left + 1) == 0:
            node = left
        else:
            mine = value_at(tree.share_sum, tree.share, left)
            others = tree.share_sum[node] - mine
            node = left + (tree.lead[node] + tree.quantum_ns[0] * (others - mine) > 0)
    return node - leaves


def first_waiting(tree: HierarchicalStride, cpu: int) -> int:
    """Return the earliest member of those that wait and may run, -1 if there is none."""
    for at in range(tree.count[0]):
        pid: int = tree.members[at]
        if tree.waiting[pid] == 1 and may_run(tree, pid, cpu):
            return pid
    return -1


def offer(tree: HierarchicalStride, pid: int) -> None:
    """Let `pick` see a process."""
    tree.waiting[pid] = 1
    if tree.share[pid] > 0 and tree.ready[pid] == 0:
        change_leaf(tree.ready_sum, tree.ready, pid, 1)


def change_share(tree: HierarchicalStride, pid: int, more: int) -> None:
    """Add to a process's tickets in all sums; every lead keeps its worth in time."""
    node = (len(tree.lead) + pid) >> 1
    while node > 0:
        before = tree.share_sum[node]
        tree.lead[node] = scaled(tree.lead[node], before + more, before) if before > 0 else 0
        node >>= 1
    change_leaf(tree.share_sum, tree.share, pid, more)


def scaled(value: int, times: int, over: int) -> int:
    """Return value * times // over, of which the result alone must fit 64 bits.

    `times` is not negative; `over` is positive and below 2**61.
    """
    whole = value // over * times
    rest = value % over
    if rest == 0 or times <= MOST // rest:
        return whole + rest * times // over
    # Long division: rest * times taken in bit by bit, the highest first.
    quotient = 0
    left = 0
    for bit in range(62, -1, -1):
        left = 2 * left + (rest if (times >> bit) & 1 == 1 else 0)
        quotient = 2 * quotient + left // over
        left %= over
    return whole + quotient
