"""The Completely Fair Scheduler of Linux up to 6.5 (OSTEP chapter 9; kernel/sched/fair.c)."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerCpu, Shared  # noqa: TC001 - annotations are read at run time
from simulator.schedulers.linux import (
    MS,
    NICE_0,
    US,
    LinuxScheduler,
    check_options,
    cpu_factor,
    cpu_to_wake_on,
    insert_in_order,
    pass_virtual_time,
    take_out,
    to_pull,
    to_steal,
    vruntime_by_now,
    weigh,
)

OSTEP = "ostep"
PRESETS = (OSTEP, "linux-6.5")
DEFAULT_HZ = {OSTEP: 1000, "linux-6.5": 250}


class Cfs(LinuxScheduler):
    """The process with the least virtual run time runs, for its part by weight of the scheduling period.

    Virtual run time is execution divided by weight. The period is the latency, or the minimum granularity
    times the number of processes where there are too many. Ticks end slices: when the slice is used up, or
    when the process is a whole slice of virtual time ahead of the first that waits.

    Presets:
        linux-6.5: latency 6 ms, minimum granularity 0.75 ms and wake-up granularity 1 ms, times
            1 + floor(log2(min(CPUs, 8))). A process that wakes is placed at most half a latency before the
            others, and takes the CPU if it is before the running one by more than the wake-up granularity; a
            new one is placed a slice behind. What it leaves out: groups, buddies, idle and batch classes,
            load averages (queues are compared by weight as it is), hot caches, more than one domain of CPUs.
        ostep: latency 48 ms, minimum granularity 6 ms on any number of CPUs, 1000 ticks a second, slices
            rounded to whole ticks. A process that wakes or is new is placed at the least virtual run time,
            and waits for the running one's slice to end.

    As only ratios of tickets matter, half a latency counts at the mean weight of the queue it wakes on.

    Args:
        preset: "linux-6.5" or "ostep".
        hz: ticks a second; 250 for linux-6.5 and 1000 for ostep unless given.
        latency_us: the latency, as it is on this number of CPUs.
        min_granularity_us: the minimum granularity, likewise.

    Raises:
        ValueError: an unknown preset, or an option out of range.
    """

    name: ClassVar[str] = "cfs"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    # The least virtual run time of a queue and its CPU; it never falls.
    min_vruntime: PerCpu
    latency_ns: Shared
    granularity_ns: Shared
    wakeup_ns: Shared

    def __init__(
        self,
        preset: str = "linux-6.5",
        hz: int | None = None,
        latency_us: int | None = None,
        min_granularity_us: int | None = None,
    ) -> None:
        hz = DEFAULT_HZ.get(preset, 250) if hz is None else hz
        check_options(preset, PRESETS, hz, latency_us=latency_us, min_granularity_us=min_granularity_us)
        self.hz = hz
        self.textbook = preset == OSTEP
        self._times_us = (latency_us, min_granularity_us)

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Set the times for that number of CPUs."""
        super().attach(capacity, quantum_ns, cpus)
        latency_us, granularity_us = self._times_us
        latency = 48 * MS if self.textbook else 6 * MS * cpu_factor(cpus)
        granularity = 6 * MS if self.textbook else 750 * US * cpu_factor(cpus)
        self.latency_ns[0] = latency_us * US if latency_us else latency
        self.granularity_ns[0] = granularity_us * US if granularity_us else granularity
        self.wakeup_ns[0] = MS * cpu_factor(cpus)

    def retune(self, pid: int, tickets: int) -> None:
        """Take the tickets as weight."""
        weigh(self, pid, tickets)

    def enter(self, pid: int) -> None:
        """Join the queue of the CPU to wake on, placed by how long it was away."""
        cpu = cpu_to_wake_on(self, pid)
        if self.on_cpu[cpu] > 0:
            raise_floor(self, cpu, vruntime_by_now(self, cpu))
        floor = self.min_vruntime[cpu]
        if self.home[pid] == 0:
            debit = 0 if self.textbook else vslice_of_new(self, cpu, pid)
            self.vruntime[pid] = floor + debit
        else:
            self.vruntime[pid] += floor - self.min_vruntime[self.home[pid] - 1]
            credit = 0 if self.textbook else sleeper_credit(self, cpu, pid)
            self.vruntime[pid] = max(self.vruntime[pid], floor - credit)
        join(self, cpu, pid)

    def leave(self, pid: int) -> None:
        """Leave the queue; virtual run time is kept."""
        part(self, pid)

    def pick(self, cpu: int) -> int:
        """Take the one with the least virtual run time; with none, one that waits for another CPU."""
        if self.waiting[cpu] == 0:
            stolen = to_steal(self, cpu)
            if stolen < 0:
                return -1
            move(self, cpu, stolen)
        pid: int = self.first[cpu] - 1
        take_out(self, cpu, pid)
        self.waiting[cpu] -= 1
        self.on_cpu[cpu] = pid + 1
        self.picked_ns[cpu] = self.now_ns[0]
        raise_floor(self, cpu, self.vruntime[pid])
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Let virtual time pass and requeue by it."""
        cpu = self.home[pid] - 1
        pass_virtual_time(self, pid, ran_ns)
        self.on_cpu[cpu] = 0
        self.waiting[cpu] += 1
        insert_in_order(self, self.vruntime, cpu, pid)

    def tick(self, pid: int, ran_ns: int) -> bool:
        """Say whether the slice is used up, or another process is a slice behind."""
        cpu = self.home[pid] - 1
        pulled = to_pull(self, cpu)
        if pulled >= 0:
            move(self, cpu, pulled)
        if self.waiting[cpu] == 0:
            return False
        ideal = slice_length(self, self.waiting[cpu] + 1, self.weight[pid], self.runnable_weight[cpu])
        if self.textbook:
            return ran_ns + self.tick_ns[0] // 2 >= ideal  # type: ignore[no-any-return] # a comparison is a bool
        ideal = min(ideal, self.latency_ns[0])
        if ran_ns > ideal:
            return True
        if ran_ns < self.granularity_ns[0]:
            return False
        ahead = self.vruntime[pid] + ran_ns * NICE_0 // self.weight[pid] - self.vruntime[self.first[cpu] - 1]
        return ahead > ideal  # type: ignore[no-any-return] # as above

    def preempts(self, pid: int, running: int) -> bool:
        """Say whether a process that woke is before the one on its CPU by the wake-up granularity."""
        cpu = self.home[pid] - 1
        if self.textbook or self.on_cpu[cpu] != running + 1:
            return False
        reached = self.vruntime[running] + self.ran_ns[running] * NICE_0 // self.weight[running]
        granularity = self.wakeup_ns[0] * NICE_0 // self.weight[pid]
        return bool(reached - self.vruntime[pid] > granularity)


def slice_length(cfs: Cfs, processes: int, weight: int, total: int) -> int:
    """Return the part of the period that is due to a weight, in nanoseconds."""
    granularity = cfs.granularity_ns[0]
    period = max(cfs.latency_ns[0], processes * granularity)
    length: int = max(period * weight // total, granularity)
    return length


def vslice_of_new(cfs: Cfs, cpu: int, pid: int) -> int:
    """Return the slice of a process that has yet to join a queue, in its virtual time."""
    weight = cfs.weight[pid]
    processes = cfs.waiting[cpu] + 1 + (cfs.on_cpu[cpu] > 0)
    length = slice_length(cfs, processes, weight, cfs.runnable_weight[cpu] + weight)
    return int(length * NICE_0 // weight)


def sleeper_credit(cfs: Cfs, cpu: int, pid: int) -> int:
    """Return half a latency in the virtual time of the mean weight of a queue and a process that joins it."""
    processes = int(cfs.waiting[cpu] + 1 + (cfs.on_cpu[cpu] > 0))
    total = int(cfs.runnable_weight[cpu] + cfs.weight[pid])
    return int(cfs.latency_ns[0]) // 2 * NICE_0 * processes // total


def raise_floor(cfs: Cfs, cpu: int, vruntime: int) -> None:
    """Raise a queue's least virtual run time to that of the process on the CPU or of the first that waits."""
    first = cfs.first[cpu] - 1
    least = min(vruntime, cfs.vruntime[first]) if first >= 0 else vruntime
    cfs.min_vruntime[cpu] = max(cfs.min_vruntime[cpu], least)


def join(cfs: Cfs, cpu: int, pid: int) -> None:
    """Put a process on a CPU's queue."""
    cfs.home[pid] = cpu + 1
    cfs.waiting[cpu] += 1
    cfs.runnable_weight[cpu] += cfs.weight[pid]
    insert_in_order(cfs, cfs.vruntime, cpu, pid)


def part(cfs: Cfs, pid: int) -> None:
    """Take a process off its CPU's queue, whose least virtual run time it may have held down."""
    cpu = cfs.home[pid] - 1
    take_out(cfs, cpu, pid)
    cfs.waiting[cpu] -= 1
    cfs.runnable_weight[cpu] -= cfs.weight[pid]
    if cfs.on_cpu[cpu] == 0:
        raise_floor(cfs, cpu, cfs.vruntime[pid])


def move(cfs: Cfs, cpu: int, pid: int) -> None:
    """Move a waiting process to another CPU's queue, as far before or behind as it was on its own."""
    shift = cfs.min_vruntime[cpu] - cfs.min_vruntime[cfs.home[pid] - 1]
    part(cfs, pid)
    cfs.vruntime[pid] += shift
    join(cfs, cpu, pid)
