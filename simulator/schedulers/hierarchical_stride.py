"""Hierarchical stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995, section 4)."""

from __future__ import annotations

from typing import ClassVar

from simulator.errors import TimeshareError
from simulator.schedulers.base import PerProcess, Scheduler, Shared, may_run
from simulator.schedulers.members import add_member, remove_member
from simulator.schedulers.tree import add_up, change_leaf, moved_down, tree_size, value_at

LIMIT = 1 << 60
"""The most that a quantum times all tickets may be, so that leads fit their 64 bits."""


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
        total = int(self.share_sum[1]) + int(self.tickets[pid])
        if total * int(self.quantum_ns[0]) > LIMIT:
            raise TimeshareError(
                f"scheduler '{self.name}' takes {LIMIT // int(self.quantum_ns[0])} tickets in all at this "
                f"quantum, not {total}: give smaller numbers in the same proportions"
            )
        change_share(self, pid, self.tickets[pid])
        add_member(self.members, self.count, pid)
        self.pinned[0] += self.affinity[pid] != -1
        offer(self, pid)

    def leave(self, pid: int) -> None:
        """Take the tickets out of the sums."""
        change_share(self, pid, -self.share[pid])
        remove_member(self.members, self.count, pid)
        self.pinned[0] -= self.affinity[pid] != -1
        self.waiting[pid] = 0
        change_leaf(self.ready_sum, self.ready, pid, -self.ready[pid])
        if self.pinned[0] == 0 and self.affinity[pid] != -1:
            # The last pick counted only those that might run on its CPU.
            self.ready[:] = self.waiting * (self.share > 0)
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
        before = int(tree.share_sum[node])
        tree.lead[node] = int(tree.lead[node]) * (before + int(more)) // before if before > 0 else 0
        node >>= 1
    change_leaf(tree.share_sum, tree.share, pid, more)
