"""The Completely Fair Scheduler of Linux up to 6.5 (OSTEP chapter 9; kernel/sched/fair.c)."""

from __future__ import annotations

from typing import ClassVar

from simulator.nice import NICE_0
from simulator.schedulers.base import PerCpu, Shared  # noqa: TC001 - annotations are read at run time
from simulator.schedulers.linux.entities import (
    cpu_of,
    insert_in_order,
    queue_above,
    take_out,
    vruntime_by_now,
)
from simulator.schedulers.linux.scheduler import LinuxScheduler
from simulator.schedulers.linux.steps import MOVES
from simulator.schedulers.linux.weights import MS, US, check_options, cpu_factor

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
            new one is placed a slice behind. What it leaves out: buddies, idle and batch classes, load
            averages (queues are compared by weight as it is), hot caches, more than one domain of CPUs.
        ostep: latency 48 ms, minimum granularity 6 ms on any number of CPUs, 1000 ticks a second, slices
            rounded to whole ticks. A process that wakes or is new is placed at the least virtual run time,
            and waits for the running one's slice to end.

    As only ratios of tickets matter, half a latency counts at the mean weight of the queue it wakes on. A
    group is one entity on its parent's queue, by the same rule, and shares its slice on
    (`simulator.schedulers.linux`).

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

    # The least virtual run time of a queue and who runs there; it never falls.
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

    def enqueue_entity(self, queue: int, entity: int, why: int) -> None:
        """Join a queue where the entity was on its last; one that wakes is placed by how long it was away."""
        if why == MOVES:
            self.vruntime[entity] += self.min_vruntime[queue]
        else:
            if self.running[queue] > 0:
                raise_floor(self, queue, vruntime_by_now(self, queue))
            floor = self.min_vruntime[queue]
            if self.home[entity] == 0:
                debit = 0 if self.textbook else vslice_of_new(self, queue, entity)
                self.vruntime[entity] = floor + debit
            else:
                self.vruntime[entity] += floor - self.min_vruntime[self.home[entity] - 1]
                credit = 0 if self.textbook else sleeper_credit(self, queue, entity)
                self.vruntime[entity] = max(self.vruntime[entity], floor - credit)
        insert_in_order(self, self.vruntime, queue, entity)

    def dequeue_entity(self, queue: int, entity: int, why: int) -> None:
        """Leave the queue, whose least virtual run time the entity may have held down."""
        floor = self.min_vruntime[queue]
        take_out(self, queue, entity)
        if self.running[queue] == 0:
            raise_floor(self, queue, self.vruntime[entity])
        if why == MOVES:
            self.vruntime[entity] -= floor

    def put_prev_entity(self, queue: int, entity: int) -> None:
        """Rejoin the queue by virtual run time."""
        insert_in_order(self, self.vruntime, queue, entity)

    def pick_next_entity(self, queue: int, before: int) -> int:  # noqa: ARG002 - virtual run times decide
        """Take the one with the least virtual run time."""
        entity: int = self.first[queue] - 1
        take_out(self, queue, entity)
        raise_floor(self, queue, self.vruntime[entity])
        return entity

    def entity_tick(self, queue: int, entity: int, unbooked_ns: int, turn_ns: int) -> bool:
        """Say whether the slice is used up, or another entity is a slice behind."""
        if self.waiting[queue] == 0:
            return False
        ideal = slice_length(self, queue, entity, 0)
        if self.textbook:
            return turn_ns + self.tick_ns[0] // 2 >= ideal  # type: ignore[no-any-return] # a comparison is a bool
        ideal = min(ideal, self.latency_ns[0])
        if turn_ns > ideal:
            return True
        if turn_ns < self.granularity_ns[0]:
            return False
        reached = self.vruntime[entity] + unbooked_ns * NICE_0 // self.weight[entity]
        return reached - self.vruntime[self.first[queue] - 1] > ideal  # type: ignore[no-any-return] # as above

    def wakeup_preempt_entity(self, queue: int, entity: int, running: int, unbooked_ns: int) -> bool:  # noqa: ARG002 - virtual run times decide
        """Say whether one that woke is before the one that runs by the wake-up granularity."""
        if self.textbook:
            return False
        reached = self.vruntime[running] + unbooked_ns * NICE_0 // self.weight[running]
        granularity = self.wakeup_ns[0] * NICE_0 // self.weight[entity]
        return bool(reached - self.vruntime[entity] > granularity)

    def reweight_entity(self, queue: int, entity: int, weight: int) -> None:  # noqa: ARG002 - virtual run time stays
        """Let virtual time pass at another rate from now on."""
        self.weight[entity] = weight


def slice_length(cfs: Cfs, queue: int, entity: int, joining: int) -> int:
    """Return the part of the period that is due to an entity, in nanoseconds (sched_slice).

    The period is for all processes of the CPU; each group gives on to its queue what is due to itself.

    Args:
        cfs: the policy.
        queue: on which the entity is.
        entity: a process or a group.
        joining: 1 for a process that has yet to join the queue, else 0.
    """
    granularity = cfs.granularity_ns[0]
    period = max(cfs.latency_ns[0], (cfs.processes[cpu_of(cfs, queue)] + joining) * granularity)
    length = period * cfs.weight[entity] // (cfs.load[queue] + joining * cfs.weight[entity])
    while queue >= cfs.cpus[0]:
        group = queue - cfs.cpus[0]
        coming = 1 - cfs.active[queue]
        queue = queue_above(cfs, queue)
        length = length * cfs.weight[group] // (cfs.load[queue] + coming * cfs.weight[group])
    longest: int = max(length, granularity)
    return longest


def vslice_of_new(cfs: Cfs, queue: int, entity: int) -> int:
    """Return the slice of a process that has yet to join a queue, in its virtual time."""
    return int(slice_length(cfs, queue, entity, 1) * NICE_0 // cfs.weight[entity])


def sleeper_credit(cfs: Cfs, queue: int, entity: int) -> int:
    """Return half a latency in the virtual time of the mean weight of a queue and an entity that joins it."""
    entities = int(cfs.waiting[queue] + 1 + (cfs.running[queue] > 0))
    total = int(cfs.load[queue] + cfs.weight[entity])
    return int(cfs.latency_ns[0]) // 2 * NICE_0 * entities // total


def raise_floor(cfs: Cfs, queue: int, vruntime: int) -> None:
    """Raise a queue's least virtual run time to that of the entity that runs or of the first that waits."""
    first = cfs.first[queue] - 1
    least = min(vruntime, cfs.vruntime[first]) if first >= 0 else vruntime
    cfs.min_vruntime[queue] = max(cfs.min_vruntime[queue], least)
