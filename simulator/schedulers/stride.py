"""Stride scheduling (Waldspurger and Weihl, MIT/LCS/TM-528, 1995; OSTEP chapter 9)."""

from __future__ import annotations

from typing import ClassVar, Literal

from simulator.schedulers.base import PerProcess, Scheduler, Shared, may_run
from simulator.schedulers.members import add_member, remove_member

SCALE = 1 << 10
"""Units of pass per nanosecond of execution with one ticket."""

FAR = 1 << 62


class Stride(Scheduler):
    """Each quantum goes to the process with the smallest pass; running advances it by ran / tickets.

    The shares are those of a lottery without its chance: a process is never more than about a quantum from
    its share of any other. Ties go to the process that has been runnable longest.

    A process that leaves keeps the distance of its pass to the global pass and takes it up again when it
    returns (TM-528, section 3.3), so that sleeping earns nothing; a change of tickets stretches that
    distance by the ratio of the strides. A process with no tickets runs only when no waiting process has any;
    what it is given later stretches the distance that it had with its last tickets.
    Pass is kept in whole units with the division's remainder beside
    it, so that no rounding accumulates.

    Args:
        initial_pass: where a new process starts: "stride" is one quantum's advance beyond the global pass,
            as in TM-528; "zero" is at the global pass, as in OSTEP's example.

    Raises:
        ValueError: another `initial_pass`.
    """

    name: ClassVar[str] = "stride"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    # The runnable processes in order of arrival, and by place in that list what `pick` compares: the pass
    # while the process waits, FAR while it is on a CPU.
    members: PerProcess
    key: PerProcess
    count: Shared
    # By pid: the place in the list; the pass, and the division's remainder.
    place: PerProcess
    pass_: PerProcess
    fraction: PerProcess
    # What a whole quantum adds to them: dividing costs more than all the rest of `charge`.
    quantum_pass: PerProcess
    quantum_fraction: PerProcess
    remain: PerProcess
    known: PerProcess
    # The tickets that remain was earned with: the last that were not 0.
    basis: PerProcess
    # Members that are bound to certain CPUs.
    pinned: Shared
    # Tickets of all runnable processes; execution since the global pass was last advanced.
    active: Shared
    global_pass: Shared
    global_fraction: Shared
    served_ns: Shared

    def __init__(self, initial_pass: Literal["stride", "zero"] = "stride") -> None:  # noqa: S107 - not that kind of pass
        if initial_pass not in ("stride", "zero"):
            raise ValueError(f"initial_pass is stride or zero, not {initial_pass}")
        self.first_quanta = 1 if initial_pass == "stride" else 0  # noqa: S105 - not that kind of pass

    def enter(self, pid: int) -> None:
        """Take up the old distance to the global pass, or start a stride beyond it."""
        advance_global(self)
        if self.known[pid] == 0:
            self.known[pid] = 1
            self.basis[pid] = max(self.tickets[pid], 1)
            self.remain[pid] = self.first_quanta * self.quantum_ns[0] * SCALE // self.basis[pid]
        self.pass_[pid] = self.global_pass[0] + self.remain[pid]
        self.active[0] += self.tickets[pid]
        self.pinned[0] += self.affinity[pid] != -1
        self.place[pid] = self.count[0]
        add_member(self.members, self.count, pid)
        offer(self, pid)

    def leave(self, pid: int) -> None:
        """Remember the distance to the global pass."""
        advance_global(self)
        self.remain[pid] = self.pass_[pid] - self.global_pass[0]
        self.active[0] -= self.tickets[pid]
        self.pinned[0] -= self.affinity[pid] != -1
        remove_member(self.members, self.count, pid)
        for at in range(self.place[pid], self.count[0]):
            self.key[at] = self.key[at + 1]
            self.place[self.members[at]] = at

    def pick(self, cpu: int) -> int:
        """Choose the smallest pass among those that may run on the CPU."""
        chosen = first_allowed(self, cpu) if self.pinned[0] > 0 else first(self)
        if chosen < 0:
            return -1
        self.key[chosen] = FAR
        pid: int = self.members[chosen]
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Advance the pass by what was used over the tickets."""
        tickets = self.tickets[pid]
        if tickets > 0 and ran_ns == self.quantum_ns[0]:
            fraction = self.fraction[pid] + self.quantum_fraction[pid]
            # A number, not a branch: no processor guesses which way it would go.
            carry = int(fraction >= tickets)
            self.pass_[pid] += self.quantum_pass[pid] + carry
            self.fraction[pid] = fraction - carry * tickets
        elif tickets > 0:
            due = ran_ns * SCALE + self.fraction[pid]
            self.pass_[pid] += due // tickets
            self.fraction[pid] = due % tickets
        self.served_ns[0] += ran_ns
        offer(self, pid)

    def retune(self, pid: int, tickets: int) -> None:
        """Stretch the distance to the global pass by the ratio of the strides."""
        if tickets > 0:
            stretched, rest = divmod(int(self.remain[pid]) * int(self.basis[pid]), tickets)
            carry, self.fraction[pid] = divmod(int(self.fraction[pid]) + rest, tickets)
            self.remain[pid] = stretched + carry
            self.basis[pid] = tickets
            whole = int(self.quantum_ns[0]) * SCALE
            self.quantum_pass[pid], self.quantum_fraction[pid] = divmod(whole, tickets)
        self.tickets[pid] = tickets


def first(stride: Stride) -> int:
    """Return the place of the smallest key, the first of equal ones; -1 if nobody waits.

    First the key, then whose it is: a processor compares several keys at once where it need not keep their
    places.
    """
    count = stride.count[0]
    smallest = FAR
    for at in range(count):
        smallest = min(smallest, stride.key[at])
    if smallest == FAR:
        return -1
    chosen = 0
    while stride.key[chosen] != smallest:
        chosen += 1
    return chosen


def first_allowed(stride: Stride, cpu: int) -> int:
    """Return the same, among those that may run on a CPU."""
    chosen = -1
    smallest = FAR
    for at in range(stride.count[0]):
        if stride.key[at] < smallest and may_run(stride, stride.members[at], cpu):
            chosen, smallest = at, stride.key[at]
    return chosen


def offer(stride: Stride, pid: int) -> None:
    """Let `pick` see a process; one without tickets stands behind all others."""
    stride.key[stride.place[pid]] = stride.pass_[pid] if stride.tickets[pid] > 0 else FAR - 1


def advance_global(stride: Stride) -> None:
    """Advance the global pass by the execution since the last call over all active tickets."""
    if stride.active[0] > 0:
        due = stride.served_ns[0] * SCALE + stride.global_fraction[0]
        stride.global_pass[0] += due // stride.active[0]
        stride.global_fraction[0] = due % stride.active[0]
    stride.served_ns[0] = 0
