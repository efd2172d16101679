"""Whose CPU a process that has just become runnable takes, where a policy lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simulator.schedulers.base import Scheduler


def displaces(
    policy: Scheduler,
    running: int,
    *,
    on_cpu: list[int],
    waiting: Iterable[int],
    rank: Callable[[int], int],
) -> bool:
    """Say whether a running process must make way: it is the last in rank, and one that waits is before it.

    Idle CPUs are given out first, in thought, so that nobody makes way for a process that has one to go to.

    Args:
        policy: gives the affinities.
        running: the process in question.
        on_cpu: by CPU, the pid on it, -1 when idle.
        waiting: the pids on the queue, in the order in which they would be picked.
        rank: of a pid; the smaller, the earlier it is to run.
    """
    idle = sum(1 << cpu for cpu, pid in enumerate(on_cpu) if pid < 0)
    mine = 1 << on_cpu.index(running)
    for pid in waiting:
        affinity = int(policy.affinity[pid])
        usable = idle & affinity
        if usable:
            idle -= usable & -usable
            continue
        others = [other for cpu, other in enumerate(on_cpu) if other >= 0 and affinity >> cpu & 1]
        last = max((rank(other) for other in others), default=rank(pid))
        if mine & affinity and rank(running) == last > rank(pid):
            return True
        if affinity == -1:  # whoever comes later is not before this one
            return False
    return False
