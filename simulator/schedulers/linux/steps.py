"""In what `Cfs` and `Eevdf` differ: what they do with an entity on one queue.

Each function stands for the policy's method of that name, and is bound to it when the policy is compiled, as
those of `simulator.rules` are. The names are those of kernel/sched/fair.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler

WAKES, MOVES, SLEEPS, THROTTLED = 0, 1, 2, 3
"""Why an entity comes or goes: it became runnable; it moves from or to another CPU; it is no longer runnable;
its quota is spent."""


def enqueue_entity(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Stand for the policy's `enqueue_entity`: place an entity in a queue's virtual time, and on it."""
    queues.enqueue_entity(queue, entity, why)


def dequeue_entity(queues: LinuxScheduler, queue: int, entity: int, why: int) -> None:
    """Stand for the policy's `dequeue_entity`: take an entity off a queue, and keep how it stood there."""
    queues.dequeue_entity(queue, entity, why)


def put_prev_entity(queues: LinuxScheduler, queue: int, entity: int) -> None:
    """Stand for the policy's `put_prev_entity`: put an entity back that has run, its virtual time passed."""
    queues.put_prev_entity(queue, entity)


def pick_next_entity(queues: LinuxScheduler, queue: int, before: int) -> int:
    """Stand for the policy's `pick_next_entity`: choose who runs next, and take it off the queue.

    `before` is who ran there up to this instant and still waits, -1 if there is none.
    """
    return queues.pick_next_entity(queue, before)


def entity_tick(queues: LinuxScheduler, queue: int, entity: int, unbooked_ns: int, turn_ns: int) -> bool:
    """Stand for the policy's `entity_tick`: say at a tick whether an entity that runs must make way.

    `unbooked_ns` of its execution have not passed as virtual time yet; `turn_ns` is all since its turn began.
    """
    return queues.entity_tick(queue, entity, unbooked_ns, turn_ns)


def wakeup_preempt_entity(
    queues: LinuxScheduler, queue: int, entity: int, running: int, unbooked_ns: int
) -> bool:
    """Stand for the policy's `wakeup_preempt_entity`: say whether one that woke takes another's place."""
    return queues.wakeup_preempt_entity(queue, entity, running, unbooked_ns)


def reweight_entity(queues: LinuxScheduler, queue: int, entity: int, weight: int) -> None:
    """Stand for the policy's `reweight_entity`: change the weight of an entity wherever it is."""
    queues.reweight_entity(queue, entity, weight)


STEPS = (
    enqueue_entity,
    dequeue_entity,
    put_prev_entity,
    pick_next_entity,
    entity_tick,
    wakeup_preempt_entity,
    reweight_entity,
)
"""All of them."""
