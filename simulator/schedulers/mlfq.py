"""The multi-level feedback queue (OSTEP chapter 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from simulator.schedulers.base import PerCpu, PerProcess, Scheduler, Shared, may_run
from simulator.schedulers.preemption import displaces
from simulator.tables import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_LEVELS = 16
MS = 1_000_000


class Mlfq(Scheduler):
    """Processes sink from level to level as they use the CPU; the highest level that has any runs, in turn.

    OSTEP's five rules, level 0 being the highest:

    1. A higher level runs first; a process that wakes there takes the CPU of a lower one at once.
    2. Processes of one level run in turn, for a quantum each. A preempted one goes on with its quantum.
    3. A new process starts at level 0.
    4. One that has used up its allotment at a level sinks by one, however often it gave up the CPU meanwhile.
    5. Every `boost_ms` all processes rise to level 0, with new allotments.

    Tickets play no part.

    Args:
        levels: how many, 1 to 16.
        quantum_ms: quantum in milliseconds, one for all levels or a list from level 0 down; the machine's
            quantum unless given.
        allotment_ms: CPU time at a level before a process sinks, likewise; one quantum unless given.
        boost_ms: period of the boost; 0 for none.
        io_keeps_level: rule 4 as first written in OSTEP: a process that gives up the CPU within its allotment
            stays at its level, with a new allotment. It can be gamed, which is why the rule was rewritten.

    Raises:
        ValueError: an option that is out of range, or a list that does not give one number a level.
    """

    name: ClassVar[str] = "mlfq"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    # By level, although declared by pid: the queue's ends as pid + 1, 0 if empty; the times.
    head: PerProcess
    tail: PerProcess
    quantum_of: PerProcess
    allotment_of: PerProcess
    # By pid: the neighbours in the queue as pid + 1; the level; execution there; the boosts seen.
    after: PerProcess
    before: PerProcess
    level: PerProcess
    spent_ns: PerProcess
    boosts_seen: PerProcess
    boosts: Shared
    next_boost_ns: Shared
    # By CPU: the pid on it + 1; what `displaces` has given out.
    on_cpu: PerCpu
    given: PerCpu

    def __init__(
        self,
        levels: int = 3,
        quantum_ms: int | Sequence[int] | None = None,
        allotment_ms: int | Sequence[int] | None = None,
        boost_ms: int = 1000,
        io_keeps_level: bool = False,  # noqa: FBT001, FBT002 - an option of a scenario, always named there
    ) -> None:
        if type(levels) is not int or not 1 <= levels <= MOST_LEVELS:
            raise ValueError(f"levels is a whole number from 1 to {MOST_LEVELS}, not {levels}")
        if type(boost_ms) is not int or boost_ms < 0:
            raise ValueError(f"boost_ms is a whole number of milliseconds, 0 for no boost, not {boost_ms}")
        if type(io_keeps_level) is not bool:
            raise ValueError(f"io_keeps_level is true or false, not {io_keeps_level}")
        self.levels = levels
        self.boost_ns = boost_ms * MS
        self.io_keeps_level = io_keeps_level
        self._quanta = per_level("quantum_ms", quantum_ms, levels)
        self._allotments = per_level("allotment_ms", allotment_ms, levels)

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Set up the levels."""
        super().attach(max(capacity, MOST_LEVELS), quantum_ns, cpus)
        quanta = self._quanta or [quantum_ns] * self.levels
        self.quantum_of[: self.levels] = quanta
        self.allotment_of[: self.levels] = self._allotments or quanta
        self.next_boost_ns[0] = self.boost_ns or NEVER

    def grow(self, capacity: int) -> None:
        """Make room for more pids."""
        super().grow(max(capacity, MOST_LEVELS))

    def enter(self, pid: int) -> None:
        """Join the tail of its level; a new process's is the highest."""
        boost_if_due(self)
        catch_up(self, pid)
        push_tail(self, pid)

    def leave(self, pid: int) -> None:
        """Leave the queue; level and use are kept."""
        unlink_level(self, pid)

    def pick(self, cpu: int) -> int:
        """Take the first of the highest level that may run on the CPU."""
        boost_if_due(self)
        for level in range(self.levels):
            pid: int = self.head[level] - 1
            while pid >= 0 and not may_run(self, pid, cpu):
                pid = self.after[pid] - 1
            if pid >= 0:
                unlink_level(self, pid)
                catch_up(self, pid)
                self.on_cpu[cpu] = pid + 1
                return pid
        return -1

    def charge(self, pid: int, ran_ns: int) -> None:
        """Sink if the allotment is used up; join the tail at the end of a quantum, the head before."""
        for cpu in range(len(self.on_cpu)):
            if self.on_cpu[cpu] == pid + 1:
                self.on_cpu[cpu] = 0
        if self.boosts_seen[pid] == self.boosts[0]:
            self.spent_ns[pid] += ran_ns
            if self.io_keeps_level and self.left_ns[pid] == 0:
                self.spent_ns[pid] = 0
        catch_up(self, pid)
        level = self.level[pid]
        if level < self.levels - 1 and self.spent_ns[pid] >= self.allotment_of[level]:
            self.level[pid] = level + 1
            self.spent_ns[pid] = 0
            push_tail(self, pid)
        elif ran_ns > 0 and self.spent_ns[pid] % self.quantum_of[level] == 0:
            push_tail(self, pid)
        else:
            push_head(self, pid)

    def slice_ns(self, pid: int) -> int:
        """Run for what is left of the quantum and of the allotment, at most until the next boost."""
        level = self.level[pid]
        quantum = self.quantum_of[level]
        length: int = min(quantum - self.spent_ns[pid] % quantum, self.next_boost_ns[0] - self.now_ns[0])
        if level < self.levels - 1:
            length = min(length, self.allotment_of[level] - self.spent_ns[pid])
        return length

    def preempts(self, pid: int, running: int) -> bool:  # noqa: ARG002 - the queue decides
        """Say yes for the running process of the lowest level, if one of a higher level waits."""
        return displaces(self, running, self.level, self.levels)


def per_level(option: str, given: int | Sequence[int] | None, levels: int) -> list[int] | None:
    """Return an option's nanoseconds by level, None if it was not given."""
    if given is None:
        return None
    values = [given] * levels if isinstance(given, int) else given
    whole = isinstance(values, (list, tuple)) and all(type(value) is int and value > 0 for value in values)
    if not whole or len(values) != levels:
        raise ValueError(
            f"{option} is a whole number of milliseconds above 0 or a list of {levels}, not {given}"
        )
    return [value * MS for value in values]


def catch_up(mlfq: Mlfq, pid: int) -> None:
    """Let a process have the new allotment of a boost that it has not seen."""
    if mlfq.boosts_seen[pid] != mlfq.boosts[0]:
        mlfq.boosts_seen[pid] = mlfq.boosts[0]
        mlfq.spent_ns[pid] = 0


def boost_if_due(mlfq: Mlfq) -> None:
    """Join all queues to that of level 0, higher levels first; allotments are caught up with later."""
    if mlfq.now_ns[0] >= mlfq.next_boost_ns[0]:
        mlfq.next_boost_ns[0] = (mlfq.now_ns[0] // mlfq.boost_ns + 1) * mlfq.boost_ns
        mlfq.boosts[0] += 1
        for pid in range(len(mlfq.level)):
            mlfq.level[pid] = 0
        for level in range(1, mlfq.levels):
            first = mlfq.head[level]
            last = mlfq.tail[0]
            if first > 0:
                if last > 0:
                    mlfq.after[last - 1] = first
                else:
                    mlfq.head[0] = first
                mlfq.before[first - 1] = last
                mlfq.tail[0] = mlfq.tail[level]
                mlfq.head[level] = 0
                mlfq.tail[level] = 0


def push_tail(mlfq: Mlfq, pid: int) -> None:
    """Append a process to the queue of its level."""
    level = mlfq.level[pid]
    last = mlfq.tail[level]
    mlfq.before[pid] = last
    mlfq.after[pid] = 0
    if last > 0:
        mlfq.after[last - 1] = pid + 1
    else:
        mlfq.head[level] = pid + 1
    mlfq.tail[level] = pid + 1


def push_head(mlfq: Mlfq, pid: int) -> None:
    """Put a process before all others of its level."""
    level = mlfq.level[pid]
    first = mlfq.head[level]
    mlfq.after[pid] = first
    mlfq.before[pid] = 0
    if first > 0:
        mlfq.before[first - 1] = pid + 1
    else:
        mlfq.tail[level] = pid + 1
    mlfq.head[level] = pid + 1


def unlink_level(mlfq: Mlfq, pid: int) -> None:
    """Remove a process from the queue of its level, wherever it stands."""
    level = mlfq.level[pid]
    before = mlfq.before[pid]
    after = mlfq.after[pid]
    if before > 0:
        mlfq.after[before - 1] = after
    else:
        mlfq.head[level] = after
    if after > 0:
        mlfq.before[after - 1] = before
    else:
        mlfq.tail[level] = before
