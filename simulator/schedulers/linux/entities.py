"""Entities and queues: how they are numbered, a queue's order, and virtual time.

Every CPU has a queue of its own for the root and for every group. Queue `group * CPUs + cpu` is the group's
on that CPU, the root being group 0; so the first queues are the CPUs' own, by number.

An *entity* is what stands on a queue: a process, or a group with a queue of its own. Entity `queue - CPUs`
is the group of that queue, as it stands on its parent's queue on the same CPU; after all these come the
processes, so that without groups an entity is a pid.

A queue is a list in the order in which the policy wants its entities, kept in arrays; as in
`simulator.schedulers.queue`, a link holds the entity + 1, and 0 is an end. Who runs is not on the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.nice import NICE_0

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler
    from simulator.tables import Int64s


def cpu_of(queues: LinuxScheduler, queue: int) -> int:
    """Return the CPU of a queue."""
    cpus = queues.cpus[0]
    cpu: int = queue if queue < cpus else queue % cpus
    return cpu


def queue_above(queues: LinuxScheduler, queue: int) -> int:
    """Return the queue on which the group of a queue stands."""
    above: int = queues.home[queue - queues.cpus[0]] - 1
    return above


def ancestor_on(queues: LinuxScheduler, queue: int, entity: int) -> int:
    """Return the entity itself if it is of that queue, else the group of its that is; -1 if none is."""
    at = queues.home[entity] - 1
    while at != queue and at >= queues.cpus[0]:
        entity = at - queues.cpus[0]
        at = queues.home[entity] - 1
    return entity if at == queue else -1


def insert_in_order(queues: LinuxScheduler, order: Int64s, queue: int, entity: int) -> None:
    """Put an entity on a queue behind those that come no later in `order`."""
    key = order[entity]
    left = queues.last[queue]
    while left > 0 and order[left - 1] > key:
        left = queues.before[left - 1]
    right = queues.after[left - 1] if left > 0 else queues.first[queue]
    queues.before[entity] = left
    queues.after[entity] = right
    if left > 0:
        queues.after[left - 1] = entity + 1
    else:
        queues.first[queue] = entity + 1
    if right > 0:
        queues.before[right - 1] = entity + 1
    else:
        queues.last[queue] = entity + 1


def take_out(queues: LinuxScheduler, queue: int, entity: int) -> None:
    """Take an entity off a queue."""
    left = queues.before[entity]
    right = queues.after[entity]
    if left > 0:
        queues.after[left - 1] = right
    else:
        queues.first[queue] = right
    if right > 0:
        queues.before[right - 1] = left
    else:
        queues.last[queue] = left


def pass_virtual_time(queues: LinuxScheduler, entity: int, ran_ns: int) -> None:
    """Let an entity's virtual run time pass by execution / weight; nothing is lost to rounding."""
    total = ran_ns * NICE_0 + queues.remainder[entity]
    queues.vruntime[entity] += total // queues.weight[entity]
    queues.remainder[entity] = total % queues.weight[entity]


def vruntime_by_now(queues: LinuxScheduler, queue: int) -> int:
    """Return the virtual run time of the entity that runs; a switch counts until execution is booked."""
    entity = queues.running[queue] - 1
    cpu = cpu_of(queues, queue)
    ran = queues.now_ns[0] - queues.picked_ns[cpu]
    if entity < queues.first_process[0]:
        ran -= queues.settled_ns[cpu]
    now: int = queues.vruntime[entity] + ran * NICE_0 // queues.weight[entity]
    return now
