"""Groups on their parents' queues: when they join and leave, what they weigh there, and what they have used.

A group stands on its parent's queue on a CPU while it has something to run there. Its weight is spread over
the CPUs in proportion to its load on each, a queue's load being the sum of the weights on it that can run, as
in `calc_group_shares`, only that the kernel takes an average of the load that decays by half in 32 ms. As in
the kernel, it is brought up to date when something joins or leaves the group's queue on that CPU, and at the
ticks of what runs; while the group runs, at its next tick only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.schedulers.linux.bandwidth import give_back, has_runtime, is_limited, mark_held
from simulator.schedulers.linux.entities import cpu_of, pass_virtual_time, queue_above
from simulator.schedulers.linux.steps import (
    SLEEPS,
    THROTTLED,
    WAKES,
    dequeue_entity,
    enqueue_entity,
    put_prev_entity,
    reweight_entity,
)
from simulator.schedulers.linux.weights import LIGHTEST_GROUP

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler


def join(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Put a process on a queue, and the groups above on theirs (enqueue_task_fair)."""
    enqueue(queues, queue, entity, why)
    queues.processes[queue] += 1
    if queue >= queues.cpus[0]:
        rise(queues, queue, 1)


def part(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Take a process off its queue, and with it the groups that have nothing else (dequeue_task_fair)."""
    dequeue(queues, queue, entity, why)
    queues.processes[queue] -= 1
    if queue >= queues.cpus[0]:
        sink(queues, queue, 1, SLEEPS)


def rise(queues: LinuxScheduler, queue: int, more: int) -> None:
    """Put the groups above a queue, which has so many more processes, on their queues if they are not there.

    What is held back stays off. A group that comes without runtime is held back at once.
    """
    while queue >= queues.cpus[0] and queues.throttled[queue] == 0:
        group = queue - queues.cpus[0]
        above = queue_above(queues, queue)
        if queues.active[queue] == 0:
            if is_limited(queues, queue) and not has_runtime(queues, queue):
                hold_back(queues, queue)
                return
            if queues.asleep[group] == 0:
                update_share(queues, queue)
            enqueue(queues, above, group, WAKES)
            queues.active[queue] = 1
        if queues.running[above] != group + 1:
            update_share(queues, queue)
        queues.processes[above] += more
        queue = above
    if queue >= queues.cpus[0] and queues.throttled_since_ns[queue] < 0:
        queues.throttled_since_ns[queue] = queues.now_ns[0]


def sink(queues: LinuxScheduler, queue: int, fewer: int, why: int) -> None:
    """Take the groups above a queue, which has so many processes fewer, off theirs if nothing can run."""
    while queue >= queues.cpus[0] and queues.throttled[queue] == 0:
        group = queue - queues.cpus[0]
        above = queue_above(queues, queue)
        if queues.waiting[queue] == 0 and queues.running[queue] == 0:
            queues.active[queue] = 0
            dequeue(queues, above, group, why)
            if is_limited(queues, queue):
                give_back(queues, queue)
        elif queues.running[above] != group + 1:
            update_share(queues, queue)
        queues.processes[above] -= fewer
        queue = above
    held_now = queue >= queues.cpus[0] and queues.throttled_since_ns[queue] == queues.now_ns[0]
    if held_now and queues.processes[queue] == 0:
        # It was held back as its last process stopped, so that nobody waits.
        queues.throttled_since_ns[queue] = -1


def enqueue(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Put an entity on a queue, and count it."""
    enqueue_entity(queues, queue, entity, why)
    queues.home[entity] = queue + 1
    queues.waiting[queue] += 1
    add_load(queues, queue, queues.weight[entity])


def dequeue(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Count an entity out, and take it off its queue."""
    queues.waiting[queue] -= 1
    add_load(queues, queue, -queues.weight[entity])
    dequeue_entity(queues, queue, entity, why)


def add_load(queues: LinuxScheduler, queue: int, more: int) -> None:
    """Change a queue's load, and that of its group on all CPUs."""
    queues.load[queue] += more
    if queue >= queues.cpus[0]:
        queues.group_load[queue // queues.cpus[0]] += more


def update_share(queues: LinuxScheduler, queue: int) -> None:
    """Bring a group's weight on a CPU up to date (update_cfs_group)."""
    group = queue - queues.cpus[0]
    tickets = queues.group_weight[queue // queues.cpus[0]]
    total = queues.group_load[queue // queues.cpus[0]]
    share = tickets * queues.load[queue] // total if total > 0 else tickets
    weight = max(share, LIGHTEST_GROUP)
    if weight != queues.weight[group]:
        above = queue_above(queues, queue)
        if queues.active[queue] == 1:
            add_load(queues, above, weight - queues.weight[group])
        reweight_entity(queues, above, group, weight)


def load_on_cpu(queues: LinuxScheduler, entity: int) -> int:
    """Return what a process contributes to the load of its CPU (task_h_load)."""
    load: int = queues.weight[entity]
    queue = queues.home[entity] - 1
    while queue >= queues.cpus[0]:
        load = load * queues.weight[queue - queues.cpus[0]] // queues.load[queue]
        queue = queue_above(queues, queue)
    return load


def settle(queues: LinuxScheduler, queue: int, ran_ns: int) -> bool:
    """Book execution to the groups of the process that runs; say whether one of them has spent its quota.

    Args:
        queues: the policy.
        queue: of the process.
        ran_ns: its execution since it was picked, which `settled_ns` keeps for the next time.
    """
    cpu = cpu_of(queues, queue)
    ran = ran_ns - queues.settled_ns[cpu]
    queues.settled_ns[cpu] = ran_ns
    spent = False
    while queue >= queues.cpus[0]:
        group = queue - queues.cpus[0]
        if is_limited(queues, queue):
            queues.runtime_ns[queue] -= ran
            spent = not has_runtime(queues, queue) or spent
        pass_virtual_time(queues, group, ran)
        queues.turn_ns[group] += ran
        queue = queue_above(queues, queue)
    return spent


def put_groups_back(queues: LinuxScheduler, queue: int, ran_ns: int) -> None:
    """Put the groups of a process that has run back on their queues, and hold back those without runtime."""
    settle(queues, queue, ran_ns)
    lowest = queue
    while queue >= queues.cpus[0]:
        above = queue_above(queues, queue)
        put_back(queues, above, queue - queues.cpus[0])
        queue = above
    queue = lowest
    while queue >= queues.cpus[0]:
        if is_limited(queues, queue) and not has_runtime(queues, queue):
            throttle(queues, queue)
        queue = queue_above(queues, queue)


def put_back(queues: LinuxScheduler, queue: int, entity: int) -> None:
    """Put an entity that has run back on its queue."""
    queues.running[queue] = 0
    queues.waiting[queue] += 1
    put_prev_entity(queues, queue, entity)


def throttle(queues: LinuxScheduler, queue: int) -> None:
    """Take a group off its parent's queue on a CPU until its pool is filled (throttle_cfs_rq)."""
    above = queue_above(queues, queue)
    if queues.active[queue] == 1:
        queues.active[queue] = 0
        dequeue(queues, above, queue - queues.cpus[0], THROTTLED)
        queues.processes[above] -= queues.processes[queue]
        if above >= queues.cpus[0]:
            sink(queues, above, queues.processes[queue], THROTTLED)
    hold_back(queues, queue)


def hold_back(queues: LinuxScheduler, queue: int) -> None:
    """Let a queue wait until its group's pool is filled, behind all others that wait for it."""
    queues.throttles[0] += 1
    queues.throttled[queue] = queues.throttles[0]
    queues.throttled_since_ns[queue] = queues.now_ns[0] if queues.processes[queue] > 0 else -1
    mark_held(queues)
