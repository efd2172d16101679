"""On which CPU a process wakes, and which one an idle or less loaded CPU takes from another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.schedulers.base import may_run
from simulator.schedulers.linux.bandwidth import is_held_back
from simulator.schedulers.linux.entities import cpu_of
from simulator.schedulers.linux.hierarchy import join, load_on_cpu, part
from simulator.schedulers.linux.steps import MOVES
from simulator.schedulers.linux.weights import MS

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler

NO_LIMIT = (1 << 63) - 1
"""A weight that no process exceeds."""

BALANCE_NS_PER_CPU = 16 * MS
"""A busy CPU looks for a queue to relieve at this interval times the number of CPUs."""

BALANCED_PERCENT = 117
"""A queue is relieved when its weight is more than this percentage of that of the queue that would gain."""


def cpu_to_wake_on(queues: LinuxScheduler, pid: int) -> int:
    """Return the CPU whose queue a process joins: its last one if idle, else an idle one, else its last one.

    A new process, and one that may no longer run where it was, goes to the CPU with the least load.
    """
    home = queues.home[pid + queues.first_process[0]]
    last = cpu_of(queues, home - 1) if home > 0 else -1
    idle = -1
    lightest = -1
    for cpu in range(queues.cpus[0]):
        if may_run(queues, pid, cpu):
            if queues.running[cpu] == 0 and queues.waiting[cpu] == 0 and (idle < 0 or cpu == last):
                idle = cpu
            if lightest < 0 or queues.load[cpu] < queues.load[lightest]:
                lightest = cpu
    if idle >= 0:
        return idle
    return last if last >= 0 and may_run(queues, pid, last) else lightest


def move(queues: LinuxScheduler, entity: int, cpu: int) -> None:
    """Move a waiting process to its group's queue on another CPU."""
    source = queues.home[entity] - 1
    part(queues, source, entity, MOVES)
    join(queues, source - cpu_of(queues, source) + cpu, entity, MOVES)


def first_to_move(queues: LinuxScheduler, source: int, cpu: int, heaviest: int) -> int:
    """Return the first process on a CPU's queues that can run, may do so on `cpu` and is not too heavy.

    -1 if there is none. A group that is held back on one of the two CPUs is passed over.
    """
    cpus = queues.cpus[0]
    first = queues.first_process[0]
    for group in range(queues.groups[0]):
        queue = group * cpus + source
        if group == 0 or not (is_held_back(queues, queue) or is_held_back(queues, group * cpus + cpu)):
            entity = queues.first[queue] - 1
            while entity >= 0:
                can_run = entity >= first and queues.asleep[entity] == 0
                if (
                    can_run
                    and may_run(queues, entity - first, cpu)
                    and load_on_cpu(queues, entity) <= heaviest
                ):
                    found: int = entity
                    return found
                entity = queues.after[entity] - 1
    return -1


def to_steal(queues: LinuxScheduler, cpu: int) -> int:
    """Return the process that an idle CPU takes from the CPU on which most wait, -1 if there is none.

    What an idle CPU can run itself is left to it.
    """
    chosen = -1
    most = 0
    for source in range(queues.cpus[0]):
        wait = queues.processes[source] - 1
        if wait > most and source != cpu:
            found = first_to_move(queues, source, cpu, NO_LIMIT)
            if found >= 0:
                chosen = found
                most = wait
    return chosen


def to_pull(queues: LinuxScheduler, cpu: int) -> int:
    """Return the process that a busy CPU takes from the heaviest queue, -1 if none or if it is not yet time.

    As in the kernel's `load_balance`: a process moves if its load is at most the imbalance, and with every
    attempt in vain one twice as heavy is good enough. So three equal processes take turns on two CPUs.
    """
    cpus = queues.cpus[0]
    if cpus == 1 or queues.now_ns[0] < queues.balance_at_ns[cpu]:
        return -1
    queues.balance_at_ns[cpu] = queues.now_ns[0] + cpus * BALANCE_NS_PER_CPU
    total = 0
    source = cpu
    for other in range(cpus):
        total += queues.load[other]
        waiting = queues.processes[other] - (queues.running[other] > 0)
        if waiting > 0 and queues.load[other] > queues.load[source]:
            source = other
    here = queues.load[cpu]
    there = queues.load[source]
    if source == cpu or there * 100 <= here * BALANCED_PERCENT:
        queues.balance_failed[cpu] = 0
        return -1
    imbalance = min(there - total // cpus, total // cpus - here)
    found = -1
    if imbalance > 0:
        found = first_to_move(queues, source, cpu, imbalance << min(queues.balance_failed[cpu], 16))
    queues.balance_failed[cpu] = queues.balance_failed[cpu] + 1 if found < 0 else 0
    return found
