"""What Linux's schedulers share: weights, queues by CPU, where a process wakes, and the balancing of queues.

Each CPU has a queue of its own, a list in the order in which the policy wants its processes. The lists are
kept in arrays; as in `simulator.schedulers.queue`, a link holds pid + 1, and 0 is an end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.schedulers.base import PerCpu, PerProcess, Scheduler, Shared, may_run

if TYPE_CHECKING:
    from simulator.tables import Int64s

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000

NICE_0 = 1024
"""The weight at which virtual time passes as fast as execution."""

# fmt: off
WEIGHTS = (
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
    9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
    1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
    110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
)
# fmt: on
"""Weights of nice -20 to 19: the kernel's `sched_prio_to_weight`."""

HEAVIEST = 1 << 20
"""The most that a process weighs at the start: enough for the ratios, and virtual time stays fine."""

HEAVIEST_EVER = 1 << 30
"""The most that a process can come to weigh: sums and products keep within 64 bits."""

NO_LIMIT = (1 << 63) - 1
"""A weight that no process exceeds."""

BALANCE_NS_PER_CPU = 16 * MS
"""A busy CPU looks for a queue to relieve at this interval times the number of CPUs."""

BALANCED_PERCENT = 117
"""A queue is relieved when its weight is more than this percentage of that of the queue that would gain."""


class LinuxScheduler(Scheduler):
    """The queues by CPU, for `Cfs` and `Eevdf`, which say in what order processes stand and when they run.

    A process's weight is its tickets, at least 1. Only ratios matter: if one has more than `HEAVIEST` tickets
    at the start, the tickets of all are halved until it has not.
    """

    # By CPU: the ends of the queue; its processes that can run; the weight of those and of the one on the
    # CPU; that one as pid + 1, and when it was picked; when to balance next, and how often that was in vain.
    first: PerCpu
    last: PerCpu
    waiting: PerCpu
    runnable_weight: PerCpu
    on_cpu: PerCpu
    picked_ns: PerCpu
    balance_at_ns: PerCpu
    balance_failed: PerCpu
    # By pid: the neighbours; the CPU of its queue + 1, 0 for a new process; weight; virtual run time and
    # the rest of the division by the weight; 1 for one that sleeps but is still on its queue.
    after: PerProcess
    before: PerProcess
    home: PerProcess
    weight: PerProcess
    vruntime: PerProcess
    remainder: PerProcess
    asleep: PerProcess
    halvings: Shared

    hz: int

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Set the tick; CPUs balance their queues in turn, not at once."""
        super().attach(capacity, quantum_ns, cpus)
        self.tick_ns[0] = SECOND // self.hz
        for cpu in range(cpus):
            self.balance_at_ns[cpu] = cpu * BALANCE_NS_PER_CPU


def cpu_factor(cpus: int) -> int:
    """Return what Linux multiplies its times by: 1 + floor(log2(min(cpus, 8)))."""
    return min(cpus, 8).bit_length()


def check_options(preset: str, presets: tuple[str, ...], hz: int, **times_us: int | None) -> None:
    """Check the options that the policies share.

    Raises:
        ValueError: an unknown preset, a rate or a time out of range.
    """
    if preset not in presets:
        raise ValueError(f"preset is one of {', '.join(presets)}, not {preset}")
    if type(hz) is not int or not 1 <= hz <= 10_000:  # noqa: PLR2004 - the message says it
        raise ValueError(f"hz is a whole number of ticks a second from 1 to 10000, not {hz}")
    for option, value in times_us.items():
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{option} is a whole number of microseconds above 0, not {value}")


def weigh(queues: LinuxScheduler, pid: int, tickets: int) -> None:
    """Set the weight of a process that is on no queue."""
    queues.tickets[pid] = tickets
    if tickets >> int(queues.halvings[0]) > HEAVIEST and not queues.home.any():
        queues.halvings[0] = (tickets // HEAVIEST).bit_length()
        queues.weight[:] = np.maximum(queues.tickets >> queues.halvings[0], 1)
    queues.weight[pid] = min(max(tickets >> int(queues.halvings[0]), 1), HEAVIEST_EVER)
    queues.remainder[pid] = 0


def insert_in_order(queues: LinuxScheduler, order: Int64s, cpu: int, pid: int) -> None:
    """Put a process on a CPU's queue behind those that come no later in `order`."""
    key = order[pid]
    left = queues.last[cpu]
    while left > 0 and order[left - 1] > key:
        left = queues.before[left - 1]
    right = queues.after[left - 1] if left > 0 else queues.first[cpu]
    queues.before[pid] = left
    queues.after[pid] = right
    if left > 0:
        queues.after[left - 1] = pid + 1
    else:
        queues.first[cpu] = pid + 1
    if right > 0:
        queues.before[right - 1] = pid + 1
    else:
        queues.last[cpu] = pid + 1


def take_out(queues: LinuxScheduler, cpu: int, pid: int) -> None:
    """Take a process off a CPU's queue."""
    left = queues.before[pid]
    right = queues.after[pid]
    if left > 0:
        queues.after[left - 1] = right
    else:
        queues.first[cpu] = right
    if right > 0:
        queues.before[right - 1] = left
    else:
        queues.last[cpu] = left


def pass_virtual_time(queues: LinuxScheduler, pid: int, ran_ns: int) -> None:
    """Let a process's virtual run time pass by execution / weight; nothing is lost to rounding."""
    total = ran_ns * NICE_0 + queues.remainder[pid]
    queues.vruntime[pid] += total // queues.weight[pid]
    queues.remainder[pid] = total % queues.weight[pid]


def vruntime_by_now(queues: LinuxScheduler, cpu: int) -> int:
    """Return the virtual run time of the process on a CPU; a switch counts until execution is booked."""
    pid = queues.on_cpu[cpu] - 1
    ran = queues.now_ns[0] - queues.picked_ns[cpu]
    now: int = queues.vruntime[pid] + ran * NICE_0 // queues.weight[pid]
    return now


def cpu_to_wake_on(queues: LinuxScheduler, pid: int) -> int:
    """Return the CPU whose queue a process joins: its last one if idle, else an idle one, else its last one.

    A new process, and one that may no longer run where it was, goes to the CPU with the least weight.
    """
    last: int = queues.home[pid] - 1
    idle = -1
    lightest = -1
    for cpu in range(len(queues.on_cpu)):
        if may_run(queues, pid, cpu):
            if queues.on_cpu[cpu] == 0 and queues.waiting[cpu] == 0 and (idle < 0 or cpu == last):
                idle = cpu
            if lightest < 0 or queues.runnable_weight[cpu] < queues.runnable_weight[lightest]:
                lightest = cpu
    if idle >= 0:
        return idle
    return last if last >= 0 and may_run(queues, pid, last) else lightest


def first_to_move(queues: LinuxScheduler, source: int, cpu: int, heaviest: int) -> int:
    """Return the first process on a queue that can run, may do so on `cpu` and is not too heavy; else -1."""
    pid = queues.first[source] - 1
    while pid >= 0 and (
        queues.asleep[pid] == 1 or not may_run(queues, pid, cpu) or queues.weight[pid] > heaviest
    ):
        pid = queues.after[pid] - 1
    found: int = pid
    return found


def to_steal(queues: LinuxScheduler, cpu: int) -> int:
    """Return the process that an idle CPU takes from the queue on which most wait, -1 if there is none.

    What an idle CPU can run itself is left to it.
    """
    chosen = -1
    most = 0
    for source in range(len(queues.on_cpu)):
        wait = queues.waiting[source] - (1 if queues.on_cpu[source] == 0 else 0)
        if wait > most and source != cpu:
            found = first_to_move(queues, source, cpu, NO_LIMIT)
            if found >= 0:
                chosen = found
                most = wait
    return chosen


def to_pull(queues: LinuxScheduler, cpu: int) -> int:
    """Return the process that a busy CPU takes from the heaviest queue, -1 if none or if it is not yet time.

    As in the kernel's `load_balance`: a process moves if its weight is at most the imbalance, and with every
    attempt in vain one twice as heavy is good enough. So three equal processes take turns on two CPUs.
    """
    cpus = len(queues.on_cpu)
    if cpus == 1 or queues.now_ns[0] < queues.balance_at_ns[cpu]:
        return -1
    queues.balance_at_ns[cpu] = queues.now_ns[0] + cpus * BALANCE_NS_PER_CPU
    total = 0
    source = cpu
    for other in range(cpus):
        total += queues.runnable_weight[other]
        if queues.waiting[other] > 0 and queues.runnable_weight[other] > queues.runnable_weight[source]:
            source = other
    here = queues.runnable_weight[cpu]
    there = queues.runnable_weight[source]
    if source == cpu or there * 100 <= here * BALANCED_PERCENT:
        queues.balance_failed[cpu] = 0
        return -1
    imbalance = min(there - total // cpus, total // cpus - here)
    found = -1
    if imbalance > 0:
        found = first_to_move(queues, source, cpu, imbalance << min(queues.balance_failed[cpu], 16))
    queues.balance_failed[cpu] = queues.balance_failed[cpu] + 1 if found < 0 else 0
    return found
