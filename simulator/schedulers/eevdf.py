"""Earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995), as in Linux from 6.6 on."""

from __future__ import annotations

from typing import ClassVar

from simulator.schedulers.base import PerCpu, PerProcess, Shared  # noqa: TC001 - annotations are read at run time
from simulator.schedulers.linux import (
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

BASE_SLICE_US = {"linux-6.6": 750, "linux-6.12": 750, "linux-6.15": 700}
FIRST = "linux-6.6"


class Eevdf(LinuxScheduler):
    """Of the processes that are not ahead of their share, the one with the earliest virtual deadline runs.

    V is the mean of the virtual run times of a queue and its CPU, by weight. A process is eligible while its
    virtual run time is at most V; its lag is the difference. Its deadline is a slice of its virtual time
    after it was placed or the last deadline passed. Lag is kept through sleep, within two slices or one tick.

    A process on a CPU keeps it until its deadline (run to parity), which is looked at when the timer ticks: a
    slice of 1.4 ms lasts 4 ms at 250 ticks a second. One that wakes takes the CPU only if it is the earliest
    eligible, and the running one is no longer eligible or has passed the deadline it was picked with.

    Presets:
        linux-6.6: base slice 0.75 ms, times 1 + floor(log2(min(CPUs, 8))).
        linux-6.12: likewise. A process that falls asleep ahead of its share stays on the queue until it is
            eligible, and is then even (DELAY_DEQUEUE, DELAY_ZERO); one that wakes before is where it was. A
            process that moves to another queue keeps its deadline. One that ran alone past its deadline, and
            is no longer eligible, makes way at the next tick.
        linux-6.15: the same with a base slice of 0.70 ms.

    What all leave out: groups, idle and batch classes, load averages (queues are compared by weight as it
    is), hot caches, more than one domain of CPUs, and slices that a program asks for itself, so that
    PREEMPT_SHORT, the right of a shorter slice to preempt, never applies. A process that ends leaves like one
    that falls asleep, also from 6.12 on.

    Args:
        preset: "linux-6.6", "linux-6.12" or "linux-6.15".
        hz: ticks a second.
        base_slice_us: the base slice, as it is on this number of CPUs.

    Raises:
        ValueError: an unknown preset, or an option out of range.
    """

    name: ClassVar[str] = "eevdf"
    compilable: ClassVar[bool] = True
    honours_affinity: ClassVar[bool] = True

    # By CPU: an instant of virtual time near V; the sum of weight x (virtual run time - origin) over the
    # queue, the sleeping included, and the sum of the weights.
    origin: PerCpu
    key_sum: PerCpu
    key_weight: PerCpu
    # By pid: virtual deadline; the one it was picked with; a slice in virtual time; lag while off the queue.
    deadline: PerProcess
    picked_deadline: PerProcess
    vslice: PerProcess
    lag: PerProcess
    slice_length_ns: Shared

    def __init__(self, preset: str = "linux-6.15", hz: int = 250, base_slice_us: int | None = None) -> None:
        check_options(preset, tuple(BASE_SLICE_US), hz, base_slice_us=base_slice_us)
        self.hz = hz
        self.delays = preset != FIRST
        self._slices_us = (BASE_SLICE_US[preset], base_slice_us)

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Set the slice for that number of CPUs."""
        super().attach(capacity, quantum_ns, cpus)
        base_us, given_us = self._slices_us
        self.slice_length_ns[0] = (given_us or base_us * cpu_factor(cpus)) * US

    def retune(self, pid: int, tickets: int) -> None:
        """Take the tickets as weight; lag is kept as execution, and so changes as virtual time."""
        if self.asleep[pid] == 1:
            self.lag[pid] = lag_on_queue(self, self.home[pid] - 1, pid)
            drop(self, self.home[pid] - 1, pid)
        lag_ns = int(self.lag[pid]) * int(self.weight[pid])
        weigh(self, pid, tickets)
        self.lag[pid] = lag_ns // int(self.weight[pid])

    def enter(self, pid: int) -> None:
        """Join the queue of the CPU to wake on, with the lag kept; half a slice is a new process's first."""
        self.vslice[pid] = max(self.slice_length_ns[0] * NICE_0 // self.weight[pid], 1)
        if self.asleep[pid] == 1:
            wake_on_queue(self, pid)
            return
        cpu = cpu_to_wake_on(self, pid)
        length = self.vslice[pid] // 2 if self.home[pid] == 0 else self.vslice[pid]
        place(self, cpu, pid, self.lag[pid], length)

    def leave(self, pid: int) -> None:
        """Leave with the lag kept; from 6.12 on, one that is ahead stays on the queue until it is not."""
        cpu = self.home[pid] - 1
        lag = lag_on_queue(self, cpu, pid)
        self.waiting[cpu] -= 1
        self.runnable_weight[cpu] -= self.weight[pid]
        if self.delays and lag < 0:
            self.asleep[pid] = 1
        else:
            self.lag[pid] = lag
            drop(self, cpu, pid)
        if self.waiting[cpu] == 0 and self.on_cpu[cpu] == 0:
            while self.first[cpu] > 0:
                self.lag[self.first[cpu] - 1] = 0
                drop(self, cpu, self.first[cpu] - 1)

    def pick(self, cpu: int) -> int:
        """Take the eligible one with the earliest deadline; with none, one that waits for another CPU."""
        if self.waiting[cpu] == 0:
            stolen = to_steal(self, cpu)
            if stolen < 0:
                return -1
            move(self, cpu, stolen)
        pid = earliest(self, cpu)
        while self.asleep[pid] == 1:
            self.lag[pid] = 0
            drop(self, cpu, pid)
            pid = earliest(self, cpu)
        drop(self, cpu, pid)
        self.waiting[cpu] -= 1
        self.on_cpu[cpu] = pid + 1
        self.picked_ns[cpu] = self.now_ns[0]
        self.picked_deadline[pid] = self.deadline[pid]
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Let virtual time pass, and set a new deadline if the last one has passed."""
        cpu = self.home[pid] - 1
        pass_virtual_time(self, pid, ran_ns)
        if self.vruntime[pid] >= self.deadline[pid]:
            self.deadline[pid] = self.vruntime[pid] + self.vslice[pid]
        self.on_cpu[cpu] = 0
        self.waiting[cpu] += 1
        add(self, cpu, pid)

    def tick(self, pid: int, ran_ns: int) -> bool:
        """Say whether the deadline has passed and somebody else is on the queue."""
        cpu = self.home[pid] - 1
        pulled = to_pull(self, cpu)
        if pulled >= 0:
            move(self, cpu, pulled)
        passed = ran_ns * NICE_0 + self.remainder[pid]
        if passed >= (self.deadline[pid] - self.vruntime[pid]) * self.weight[pid]:
            if self.first[cpu] > 0:
                return True
            self.deadline[pid] = self.vruntime[pid] + passed // self.weight[pid] + self.vslice[pid]
        elif self.delays and self.first[cpu] > 0 and self.picked_deadline[pid] != self.deadline[pid]:
            return ahead_of_mean(self, cpu, self.vruntime[pid] + passed // self.weight[pid])
        return False

    def preempts(self, pid: int, running: int) -> bool:
        """Say whether a process that woke is now the one to pick on its CPU."""
        cpu = self.home[pid] - 1
        if self.on_cpu[cpu] != running + 1:
            return False
        passed = self.ran_ns[running] * NICE_0 + self.remainder[running]
        reached = self.vruntime[running] + passed // self.weight[running]
        if reached >= self.deadline[running]:
            if self.first[cpu] != self.last[cpu]:
                return True
            self.deadline[running] = reached + self.vslice[running]
        eligible = not ahead_of_mean(self, cpu, reached)
        if eligible and self.picked_deadline[running] == self.deadline[running]:
            return False
        best = first_eligible(self, cpu, mean_key(self, cpu, reached))
        return best == pid and not (eligible and self.deadline[running] <= self.deadline[pid])


def add(eevdf: Eevdf, cpu: int, pid: int) -> None:
    """Put a process on a queue and into its sums."""
    weight = eevdf.weight[pid]
    eevdf.key_sum[cpu] += (eevdf.vruntime[pid] - eevdf.origin[cpu]) * weight
    eevdf.key_weight[cpu] += weight
    insert_in_order(eevdf, eevdf.deadline, cpu, pid)


def drop(eevdf: Eevdf, cpu: int, pid: int) -> None:
    """Take a process off a queue and out of its sums; one that slept there is gone."""
    weight = eevdf.weight[pid]
    eevdf.key_sum[cpu] -= (eevdf.vruntime[pid] - eevdf.origin[cpu]) * weight
    eevdf.key_weight[cpu] -= weight
    eevdf.asleep[pid] = 0
    take_out(eevdf, cpu, pid)


def mean_key(eevdf: Eevdf, cpu: int, running_vruntime: int) -> int:
    """Return V - origin, rounded down, of a queue and the process on its CPU, which is at that virtual time.

    Virtual run times are whole numbers, so that one is at most V if it is at most V rounded down.
    """
    total = eevdf.key_sum[cpu]
    weight = eevdf.key_weight[cpu]
    if eevdf.on_cpu[cpu] > 0:
        running_weight = eevdf.weight[eevdf.on_cpu[cpu] - 1]
        total += (running_vruntime - eevdf.origin[cpu]) * running_weight
        weight += running_weight
    mean: int = total // weight if weight > 0 else 0
    return mean


def ahead_of_mean(eevdf: Eevdf, cpu: int, vruntime: int) -> bool:
    """Say whether the process on a CPU, being at that virtual time, is not eligible."""
    return vruntime - eevdf.origin[cpu] > mean_key(eevdf, cpu, vruntime)  # type: ignore[no-any-return] # a comparison is a bool


def first_eligible(eevdf: Eevdf, cpu: int, mean: int) -> int:
    """Return the first on the queue, which is in order of deadlines, that is eligible; else -1."""
    latest = eevdf.origin[cpu] + mean
    at = eevdf.first[cpu]
    while at > 0 and eevdf.vruntime[at - 1] > latest:
        at = eevdf.after[at - 1]
    found: int = at - 1
    return found


def earliest(eevdf: Eevdf, cpu: int) -> int:
    """Return the process to run on a free CPU; the origin moves to V, so that the sums stay small."""
    mean = eevdf.key_sum[cpu] // eevdf.key_weight[cpu]
    eevdf.origin[cpu] += mean
    eevdf.key_sum[cpu] -= mean * eevdf.key_weight[cpu]
    return first_eligible(eevdf, cpu, 0)


def lag_on_queue(eevdf: Eevdf, cpu: int, pid: int) -> int:
    """Return a waiting process's lag in virtual time, within two slices or one tick, whichever is more."""
    running = vruntime_by_now(eevdf, cpu) if eevdf.on_cpu[cpu] > 0 else 0
    lag = eevdf.origin[cpu] + mean_key(eevdf, cpu, running) - eevdf.vruntime[pid]
    limit = max(2 * eevdf.slice_length_ns[0], eevdf.tick_ns[0]) * NICE_0 // eevdf.weight[pid]
    clamped: int = max(min(lag, limit), -limit)
    return clamped


def place(eevdf: Eevdf, cpu: int, pid: int, lag: int, length: int) -> None:
    """Put a process on a queue so that it has that lag there, with a deadline a length of virtual time away.

    Its coming moves V towards it; placing it at V - lag * (W + w) / W makes up for that.
    """
    running = 0
    weight = eevdf.key_weight[cpu]
    if eevdf.on_cpu[cpu] > 0:
        running = vruntime_by_now(eevdf, cpu)
        weight += eevdf.weight[eevdf.on_cpu[cpu] - 1]
    inflated = lag + lag * eevdf.weight[pid] // weight if weight > 0 else 0
    eevdf.vruntime[pid] = eevdf.origin[cpu] + mean_key(eevdf, cpu, running) - inflated
    eevdf.deadline[pid] = eevdf.vruntime[pid] + length
    eevdf.home[pid] = cpu + 1
    eevdf.waiting[cpu] += 1
    eevdf.runnable_weight[cpu] += eevdf.weight[pid]
    add(eevdf, cpu, pid)


def wake_on_queue(eevdf: Eevdf, pid: int) -> None:
    """Wake a process that slept on its queue: where it is, or at V if it would have gained."""
    cpu = eevdf.home[pid] - 1
    if lag_on_queue(eevdf, cpu, pid) > 0:
        drop(eevdf, cpu, pid)
        place(eevdf, cpu, pid, 0, eevdf.vslice[pid])
    else:
        eevdf.asleep[pid] = 0
        eevdf.waiting[cpu] += 1
        eevdf.runnable_weight[cpu] += eevdf.weight[pid]


def move(eevdf: Eevdf, cpu: int, pid: int) -> None:
    """Move a waiting process to another CPU's queue with its lag; from 6.12 on, with its deadline."""
    source = eevdf.home[pid] - 1
    lag = lag_on_queue(eevdf, source, pid)
    length = eevdf.deadline[pid] - eevdf.vruntime[pid] if eevdf.delays else eevdf.vslice[pid]
    drop(eevdf, source, pid)
    eevdf.waiting[source] -= 1
    eevdf.runnable_weight[source] -= eevdf.weight[pid]
    place(eevdf, cpu, pid, lag, length)
