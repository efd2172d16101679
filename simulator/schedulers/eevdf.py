"""Earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995), as in Linux from 6.6 on."""

from __future__ import annotations

from typing import ClassVar

from simulator.nice import NICE_0
from simulator.schedulers.base import PerCpu, PerProcess, Shared  # noqa: TC001 - annotations are read at run time
from simulator.schedulers.linux.entities import insert_in_order, take_out, vruntime_by_now
from simulator.schedulers.linux.scheduler import LinuxScheduler
from simulator.schedulers.linux.steps import MOVES, SLEEPS
from simulator.schedulers.linux.weights import US, check_options, cpu_factor, weigh

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

    A group is one entity on its parent's queue, with a deadline and a lag of its own, and chooses among its
    own by the same rule (`simulator.schedulers.linux`). When its weight changes, its lag and the time to its
    deadline are kept as execution, as from 6.8 on.

    What all leave out: idle and batch classes, load averages (queues are compared by weight as it is), hot
    caches, more than one domain of CPUs, and slices that a program asks for itself, so that PREEMPT_SHORT,
    the right of a shorter slice to preempt, never applies. A process that ends leaves like one that falls
    asleep, also from 6.12 on.

    Args:
        preset: "linux-6.6", "linux-6.12" or "linux-6.15".
        hz: ticks a second.
        base_slice_us: the base slice, as it is on this number of CPUs.

    Raises:
        ValueError: an unknown preset, or an option out of range.
    """

    name: ClassVar[str] = "eevdf"
    compilable: ClassVar[bool] = True

    # By queue: an instant of virtual time near V; the sum of weight x (virtual run time - origin) over the
    # queue, the sleeping included, and the sum of the weights.
    origin: PerCpu
    key_sum: PerCpu
    key_weight: PerCpu
    # By entity: virtual deadline, while it moves the distance to it; the one it was picked with; a slice in
    # virtual time; lag while off the queue.
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
        entity = pid + int(self.first_process[0])
        if self.asleep[entity] == 1:
            self.lag[entity] = lag_on_queue(self, self.home[entity] - 1, entity)
            drop(self, self.home[entity] - 1, entity)
        lag_ns = int(self.lag[entity]) * int(self.weight[entity])
        weigh(self, pid, tickets)
        self.lag[entity] = lag_ns // int(self.weight[entity])

    def enqueue_entity(self, queue: int, entity: int, why: int) -> None:
        """Join a queue with the lag kept; half a slice is a new process's first."""
        if why == MOVES:
            place(self, queue, entity, self.lag[entity], self.deadline[entity])
            return
        self.vslice[entity] = vslice_at(self, self.weight[entity])
        if self.asleep[entity] == 1:
            wake_on_queue(self, queue, entity)
        else:
            length = self.vslice[entity] // 2 if self.home[entity] == 0 else self.vslice[entity]
            place(self, queue, entity, self.lag[entity], length)

    def dequeue_entity(self, queue: int, entity: int, why: int) -> None:
        """Leave with the lag kept; from 6.12 on, one that sleeps ahead stays on the queue until it is not.

        One that moves keeps its deadline, too, from 6.12 on.
        """
        lag = lag_on_queue(self, queue, entity)
        if why == SLEEPS and self.delays and lag < 0:
            self.asleep[entity] = 1
        else:
            self.lag[entity] = lag
            drop(self, queue, entity)
            if why == MOVES:
                rest = self.deadline[entity] - self.vruntime[entity]
                self.deadline[entity] = rest if self.delays else self.vslice[entity]
        if self.waiting[queue] == 0 and self.running[queue] == 0 and (why == SLEEPS or queue >= self.cpus[0]):
            while self.first[queue] > 0:
                self.lag[self.first[queue] - 1] = 0
                drop(self, queue, self.first[queue] - 1)

    def put_prev_entity(self, queue: int, entity: int) -> None:
        """Rejoin the queue, with a new deadline if the last one has passed."""
        if self.vruntime[entity] >= self.deadline[entity]:
            self.deadline[entity] = self.vruntime[entity] + self.vslice[entity]
        add(self, queue, entity)

    def pick_next_entity(self, queue: int, before: int) -> int:
        """Take the eligible one with the earliest deadline; who ran until now goes on before its deadline."""
        entity = earliest(self, queue)
        while self.asleep[entity] == 1:
            self.lag[entity] = 0
            drop(self, queue, entity)
            entity = earliest(self, queue)
        in_turn = before >= 0 and self.picked_deadline[before] == self.deadline[before]
        if in_turn and self.vruntime[before] <= self.origin[queue]:
            entity = before
        drop(self, queue, entity)
        self.picked_deadline[entity] = self.deadline[entity]
        return entity

    def entity_tick(self, queue: int, entity: int, unbooked_ns: int, turn_ns: int) -> bool:  # noqa: ARG002 - virtual time decides
        """Say whether the deadline has passed and somebody else is on the queue."""
        passed = unbooked_ns * NICE_0 + self.remainder[entity]
        if passed >= (self.deadline[entity] - self.vruntime[entity]) * self.weight[entity]:
            if self.first[queue] > 0:
                return True
            reached = self.vruntime[entity] + passed // self.weight[entity]
            self.deadline[entity] = reached + self.vslice[entity]
        elif self.delays and self.first[queue] > 0 and self.picked_deadline[entity] != self.deadline[entity]:
            return ahead_of_mean(self, queue, self.vruntime[entity] + passed // self.weight[entity])
        return False

    def wakeup_preempt_entity(self, queue: int, entity: int, running: int, unbooked_ns: int) -> bool:
        """Say whether an entity that woke is now the one to pick."""
        passed = unbooked_ns * NICE_0 + self.remainder[running]
        reached = self.vruntime[running] + passed // self.weight[running]
        if reached >= self.deadline[running]:
            if self.first[queue] != self.last[queue]:
                return True
            self.deadline[running] = reached + self.vslice[running]
        eligible = not ahead_of_mean(self, queue, reached)
        if eligible and self.picked_deadline[running] == self.deadline[running]:
            return False
        best = first_eligible(self, queue, mean_key(self, queue, reached))
        return best == entity and not (eligible and self.deadline[running] <= self.deadline[entity])

    def reweight_entity(self, queue: int, entity: int, weight: int) -> None:
        """Keep lag and the time to the deadline as execution, so that they change as virtual time."""
        runs = self.running[queue] == entity + 1
        waits = self.active[entity + self.cpus[0]] == 1 and not runs
        old = self.weight[entity]
        if runs or waits:
            running = 0
            if self.running[queue] > 0:
                running = self.vruntime[entity] if runs else vruntime_by_now(self, queue)
            mean = self.origin[queue] + mean_key(self, queue, running)
            lag = mean - self.vruntime[entity]
            rest = self.deadline[entity] - mean
            if waits:
                drop(self, queue, entity)
            self.vruntime[entity] = mean - lag * old // weight
            self.deadline[entity] = mean + rest * old // weight
        else:
            self.lag[entity] = self.lag[entity] * old // weight
        self.weight[entity] = weight
        self.vslice[entity] = vslice_at(self, weight)
        if waits:
            add(self, queue, entity)


def vslice_at(eevdf: Eevdf, weight: int) -> int:
    """Return a slice in the virtual time of a weight."""
    vslice: int = max(eevdf.slice_length_ns[0] * NICE_0 // weight, 1)
    return vslice


def add(eevdf: Eevdf, queue: int, entity: int) -> None:
    """Put an entity on a queue and into its sums."""
    weight = eevdf.weight[entity]
    eevdf.key_sum[queue] += (eevdf.vruntime[entity] - eevdf.origin[queue]) * weight
    eevdf.key_weight[queue] += weight
    insert_in_order(eevdf, eevdf.deadline, queue, entity)


def drop(eevdf: Eevdf, queue: int, entity: int) -> None:
    """Take an entity off a queue and out of its sums; one that slept there is gone."""
    weight = eevdf.weight[entity]
    eevdf.key_sum[queue] -= (eevdf.vruntime[entity] - eevdf.origin[queue]) * weight
    eevdf.key_weight[queue] -= weight
    eevdf.asleep[entity] = 0
    take_out(eevdf, queue, entity)


def mean_key(eevdf: Eevdf, queue: int, running_vruntime: int) -> int:
    """Return V - origin, rounded down, of a queue and the entity that runs, which is at that virtual time.

    Virtual run times are whole numbers, so that one is at most V if it is at most V rounded down.
    """
    total = eevdf.key_sum[queue]
    weight = eevdf.key_weight[queue]
    if eevdf.running[queue] > 0:
        running_weight = eevdf.weight[eevdf.running[queue] - 1]
        total += (running_vruntime - eevdf.origin[queue]) * running_weight
        weight += running_weight
    mean: int = total // weight if weight > 0 else 0
    return mean


def ahead_of_mean(eevdf: Eevdf, queue: int, vruntime: int) -> bool:
    """Say whether the entity that runs, being at that virtual time, is not eligible."""
    return vruntime - eevdf.origin[queue] > mean_key(eevdf, queue, vruntime)  # type: ignore[no-any-return] # a comparison is a bool


def first_eligible(eevdf: Eevdf, queue: int, mean: int) -> int:
    """Return the first on the queue, which is in order of deadlines, that is eligible; else -1."""
    latest = eevdf.origin[queue] + mean
    at = eevdf.first[queue]
    while at > 0 and eevdf.vruntime[at - 1] > latest:
        at = eevdf.after[at - 1]
    found: int = at - 1
    return found


def earliest(eevdf: Eevdf, queue: int) -> int:
    """Return the entity to run next; the origin moves to V, so that the sums stay small."""
    mean = eevdf.key_sum[queue] // eevdf.key_weight[queue]
    eevdf.origin[queue] += mean
    eevdf.key_sum[queue] -= mean * eevdf.key_weight[queue]
    return first_eligible(eevdf, queue, 0)


def lag_on_queue(eevdf: Eevdf, queue: int, entity: int) -> int:
    """Return a waiting entity's lag in virtual time, within two slices or one tick, whichever is more."""
    running = vruntime_by_now(eevdf, queue) if eevdf.running[queue] > 0 else 0
    lag = eevdf.origin[queue] + mean_key(eevdf, queue, running) - eevdf.vruntime[entity]
    limit = max(2 * eevdf.slice_length_ns[0], eevdf.tick_ns[0]) * NICE_0 // eevdf.weight[entity]
    clamped: int = max(min(lag, limit), -limit)
    return clamped


def place(eevdf: Eevdf, queue: int, entity: int, lag: int, length: int) -> None:
    """Put an entity on a queue so that it has that lag there, with a deadline a length of virtual time away.

    Its coming moves V towards it; placing it at V - lag * (W + w) / W makes up for that.
    """
    running = 0
    weight = eevdf.key_weight[queue]
    if eevdf.running[queue] > 0:
        running = vruntime_by_now(eevdf, queue)
        weight += eevdf.weight[eevdf.running[queue] - 1]
    inflated = lag + lag * eevdf.weight[entity] // weight if weight > 0 else 0
    eevdf.vruntime[entity] = eevdf.origin[queue] + mean_key(eevdf, queue, running) - inflated
    eevdf.deadline[entity] = eevdf.vruntime[entity] + length
    add(eevdf, queue, entity)


def wake_on_queue(eevdf: Eevdf, queue: int, entity: int) -> None:
    """Wake an entity that slept on its queue: where it is, or at V if it would have gained."""
    if lag_on_queue(eevdf, queue, entity) > 0:
        drop(eevdf, queue, entity)
        place(eevdf, queue, entity, 0, eevdf.vslice[entity])
    else:
        eevdf.asleep[entity] = 0
