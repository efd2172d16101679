"""The state of Linux's fair schedulers; the walk from the root of a CPU's queues to a process and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence  # noqa: TC003 - annotations are read at run time
from typing import Any, ClassVar

from simulator.groups import NO_TERMS, Terms, Throttling
from simulator.schedulers.base import PerCpu, PerProcess, Scheduler, Shared
from simulator.schedulers.linux.balance import BALANCE_NS_PER_CPU, cpu_to_wake_on, move, to_pull, to_steal
from simulator.schedulers.linux.bandwidth import held_on, is_held_back
from simulator.schedulers.linux.entities import ancestor_on, cpu_of, pass_virtual_time, queue_above
from simulator.schedulers.linux.hierarchy import (
    dequeue,
    enqueue,
    join,
    part,
    put_back,
    put_groups_back,
    rise,
    settle,
    sink,
    update_share,
)
from simulator.schedulers.linux.refill import run_timers, waited_ns
from simulator.schedulers.linux.steps import (
    SLEEPS,
    STEPS,
    WAKES,
    entity_tick,
    pick_next_entity,
    wakeup_preempt_entity,
)
from simulator.schedulers.linux.weights import SECOND, weigh, weigh_groups
from simulator.tables import NEVER


class LinuxScheduler(Scheduler):
    """Queues by CPU and group, for `Cfs` and `Eevdf`, which say how entities stand and when they run.

    A process's weight is its tickets, at least 1. Only ratios matter: if one has more than `HEAVIEST` tickets
    at the start, the tickets of all are halved until it has not. A group's is that of its terms, next to the
    tickets of its siblings.
    """

    honours_affinity: ClassVar[bool] = True
    honours_groups: ClassVar[bool] = True
    steps: ClassVar[tuple[Callable[..., Any], ...]] = STEPS

    # By queue (`linux.entities`): its ends; its entities that can run, and the one that runs as entity + 1;
    # the weight of all those; the processes below it that can run, but for those held back.
    first: PerCpu
    last: PerCpu
    waiting: PerCpu
    running: PerCpu
    load: PerCpu
    processes: PerCpu
    # By queue, of its group: 1 while it is on its parent's queue to run; runtime at hand; the place in the
    # order in which it was held back, 0 if it is not; since when processes wait for that reason, -1 for none.
    active: PerCpu
    runtime_ns: PerCpu
    throttled: PerCpu
    throttled_since_ns: PerCpu
    # By CPU: when the process on it was picked; how much of its execution groups have been booked; the entity
    # that was charged last and not yet followed, + 1; when to balance next, and how often that was in vain.
    picked_ns: PerCpu
    settled_ns: PerCpu
    charged: PerCpu
    balance_at_ns: PerCpu
    balance_failed: PerCpu
    # By group: weight; load on all CPUs; the quota, its period, and what is left of it; when the pool is to
    # be filled and when slack is handed out; 1 if nothing was taken since; what `throttling` tells.
    group_weight: PerCpu
    group_load: PerCpu
    quota_ns: PerCpu
    period_ns: PerCpu
    pool_ns: PerCpu
    refill_at_ns: PerCpu
    slack_at_ns: PerCpu
    unused: PerCpu
    periods: PerCpu
    throttled_periods: PerCpu
    throttled_ns: PerCpu
    # By entity: the neighbours; its queue + 1, 0 for a new process; weight; virtual run time and the rest of
    # the division by the weight; execution since its turn began; 1 if it sleeps but is still on its queue.
    after: PerProcess
    before: PerProcess
    home: PerProcess
    weight: PerProcess
    vruntime: PerProcess
    remainder: PerProcess
    turn_ns: PerProcess
    asleep: PerProcess
    halvings: Shared
    groups: Shared
    first_process: Shared
    throttles: Shared

    hz: int
    terms: Sequence[Terms] = NO_TERMS

    def set_groups(self, terms: Sequence[Terms]) -> None:
        """Have these groups; before `attach`."""
        self.terms = terms

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Set the tick and the groups; CPUs balance their queues in turn, not at once."""
        groups = len(self.terms)
        first_process = (groups - 1) * cpus
        super().attach(first_process + capacity, quantum_ns, groups * cpus)
        self.cpus[0] = cpus
        self.groups[0] = groups
        self.first_process[0] = first_process
        self.tick_ns[0] = SECOND // self.hz
        for cpu in range(cpus):
            self.balance_at_ns[cpu] = cpu * BALANCE_NS_PER_CPU
        self.refill_at_ns[:] = self.slack_at_ns[:] = NEVER
        weigh_groups(self)
        for number, terms in enumerate(self.terms):
            self.quota_ns[number] = self.pool_ns[number] = terms.quota_ns
            self.period_ns[number] = terms.period_ns
            for cpu in range(cpus if number > 0 else 0):
                entity = (number - 1) * cpus + cpu
                self.home[entity] = terms.parent * cpus + cpu + 1
                self.weight[entity] = self.group_weight[number]

    def grow(self, capacity: int) -> None:
        """Make room for pids up to `capacity`."""
        super().grow(int(self.first_process[0]) + capacity)

    def throttling(self) -> list[Throttling]:
        """Return by group what became of its quota up to now."""
        cpus = int(self.cpus[0])
        held = [
            sum(
                waited_ns(self, queue)
                for queue in range(group * cpus, (group + 1) * cpus)
                if self.throttled[queue]
            )
            for group in range(len(self.terms))
        ]
        columns = (self.periods, self.throttled_periods, self.throttled_ns)
        rows = zip(*(column[: len(self.terms)].tolist() for column in columns), held, strict=True)
        return [Throttling(periods, throttled, ns + more) for periods, throttled, ns, more in rows]

    def retune(self, pid: int, tickets: int) -> None:
        """Take the tickets as weight."""
        weigh(self, pid, tickets)

    def enter(self, pid: int) -> None:
        """Join the group's queue on the CPU to wake on; one that still sleeps on a queue wakes there."""
        entity = pid + self.first_process[0]
        queue = self.home[entity] - 1
        if self.asleep[entity] == 0:
            queue = self.group[pid] * self.cpus[0] + cpu_to_wake_on(self, pid)
        join(self, queue, entity, WAKES)
        if self.groups[0] > 1:
            self.held[pid] = held_on(self, pid)

    def leave(self, pid: int) -> None:
        """Leave the queue; how the process stood there is kept."""
        entity = pid + self.first_process[0]
        queue = self.home[entity] - 1
        if self.charged[cpu_of(self, queue)] == entity + 1:
            self.charged[cpu_of(self, queue)] = 0
        part(self, queue, entity, SLEEPS)

    def pick(self, cpu: int) -> int:
        """Go down from the CPU's own queue; if it is empty, take a process that waits for another CPU."""
        if self.waiting[cpu] == 0:
            stolen = to_steal(self, cpu)
            if stolen >= 0:
                move(self, stolen, cpu)
            if self.waiting[cpu] == 0:
                self.charged[cpu] = 0
                return -1
        self.picked_ns[cpu] = self.now_ns[0]
        if self.groups[0] > 1:
            return pick_in_groups(self, cpu)
        pid = pick_next_entity(self, cpu, -1)
        self.waiting[cpu] -= 1
        self.running[cpu] = pid + 1
        return pid

    def charge(self, pid: int, ran_ns: int) -> None:
        """Go up from the process's queue: virtual time passes, and everybody is put back."""
        entity = pid + self.first_process[0]
        queue = self.home[entity] - 1
        pass_virtual_time(self, entity, ran_ns)
        put_back(self, queue, entity)
        if self.groups[0] > 1:
            put_groups_back(self, queue, ran_ns)
            self.charged[cpu_of(self, queue)] = entity + 1

    def tick(self, pid: int, ran_ns: int) -> bool:
        """Say whether the process or a group of its must make way, or has spent its quota."""
        entity = pid + self.first_process[0]
        queue = self.home[entity] - 1
        if self.cpus[0] > 1:
            pulled = to_pull(self, cpu_of(self, queue))
            if pulled >= 0:
                move(self, pulled, cpu_of(self, queue))
        over = entity_tick(self, queue, entity, ran_ns, ran_ns)
        if queue >= self.cpus[0]:
            return groups_tick(self, queue, ran_ns) or over
        return over

    def preempts(self, pid: int, running: int) -> bool:
        """Say whether a process that woke, or its group, takes its CPU from the one it meets on a queue."""
        entity = pid + self.first_process[0]
        queue = self.home[entity] - 1
        cpu = cpu_of(self, queue)
        other = running + self.first_process[0]
        if cpu_of(self, self.home[other] - 1) != cpu or is_held_back(self, queue):
            return False
        while self.running[queue] == 0:
            entity = queue - self.cpus[0]
            queue = queue_above(self, queue)
        unbooked = self.ran_ns[running]
        if self.running[queue] - 1 < self.first_process[0]:
            unbooked -= self.settled_ns[cpu]
        return wakeup_preempt_entity(self, queue, entity, self.running[queue] - 1, unbooked)

    def alarm(self) -> None:
        """Fill the pools that are due."""
        run_timers(self)

    @abstractmethod
    def enqueue_entity(self, queue: int, entity: int, why: int) -> None:
        """Place an entity in a queue's virtual time, and on the queue."""

    @abstractmethod
    def dequeue_entity(self, queue: int, entity: int, why: int) -> None:
        """Take an entity off a queue, and keep how it stood there."""

    @abstractmethod
    def put_prev_entity(self, queue: int, entity: int) -> None:
        """Put an entity back that has run; its virtual time has passed."""

    @abstractmethod
    def pick_next_entity(self, queue: int, before: int) -> int:
        """Choose who runs next, and take it off the queue; `before` ran up to this instant, -1 for nobody."""

    @abstractmethod
    def entity_tick(self, queue: int, entity: int, unbooked_ns: int, turn_ns: int) -> bool:
        """Say at a tick whether an entity that runs must make way."""

    @abstractmethod
    def wakeup_preempt_entity(self, queue: int, entity: int, running: int, unbooked_ns: int) -> bool:
        """Say whether an entity that woke takes the place of the one that runs."""

    @abstractmethod
    def reweight_entity(self, queue: int, entity: int, weight: int) -> None:
        """Change the weight of an entity wherever it is."""


def pick_in_groups(queues: LinuxScheduler, cpu: int) -> int:
    """Go down from the CPU's own queue to a process; return its pid."""
    charged = queues.charged[cpu] - 1
    queues.charged[cpu] = 0
    queues.settled_ns[cpu] = 0
    first = queues.first_process[0]
    entity = run_next(queues, cpu, charged)
    while entity < first:
        entity = run_next(queues, entity + queues.cpus[0], charged)
    pid: int = entity - first
    return pid


def groups_tick(queues: LinuxScheduler, queue: int, ran_ns: int) -> bool:
    """Say at a tick whether a group of the process that runs must make way, or has spent its quota."""
    over = settle(queues, queue, ran_ns)
    while queue >= queues.cpus[0]:
        update_share(queues, queue)
        entity = queue - queues.cpus[0]
        queue = queue_above(queues, queue)
        over = entity_tick(queues, queue, entity, 0, queues.turn_ns[entity]) or over
    return over


def run_next(queues: LinuxScheduler, queue: int, charged: int) -> int:
    """Let an entity of a queue run; if it is not who ran up to this instant, its turn begins."""
    before = ancestor_on(queues, queue, charged) if charged >= 0 else -1
    if 0 <= before < queues.first_process[0] and queues.active[before + queues.cpus[0]] == 0:
        before = -1
    entity = pick_next_entity(queues, queue, before)
    queues.waiting[queue] -= 1
    queues.running[queue] = entity + 1
    if entity != before:
        queues.turn_ns[entity] = 0
    return entity


LinuxScheduler.rare = (
    dequeue,
    enqueue,
    groups_tick,
    held_on,
    move,
    pick_in_groups,
    put_groups_back,
    rise,
    run_timers,
    settle,
    sink,
    to_pull,
    to_steal,
    update_share,
)
