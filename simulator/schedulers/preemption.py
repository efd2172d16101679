"""Whose CPU a process that has just become runnable takes, where a policy lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.schedulers.base import may_run

if TYPE_CHECKING:
    from simulator.schedulers.mlfq import Mlfq
    from simulator.schedulers.stcf import Stcf
    from simulator.tables import Int64s


def displaces(policy: Mlfq | Stcf, running: int, rank: Int64s, queues: int) -> bool:
    """Say whether a running process must make way: it is the last in rank, and one that waits is before it.

    Idle CPUs are given out first, in thought, so that nobody makes way for a process that has one to go to.

    Args:
        policy: gives the affinities, who is on which CPU, and who waits: its queues in the order in which
            they are picked from, `head` being the first of each.
        running: the process in question.
        rank: by pid; the smaller, the earlier it is to run.
        queues: how many there are.
    """
    for cpu in range(len(policy.on_cpu)):
        policy.given[cpu] = policy.on_cpu[cpu] > 0
    for queue in range(queues):
        pid = policy.head[queue] - 1
        while pid >= 0:
            if not is_given_idle_cpu(policy, pid):
                if takes_cpu_of(policy, rank, pid, running):
                    return True
                if policy.affinity[pid] == -1:  # whoever comes later is not before this one
                    return False
            pid = policy.after[pid] - 1
    return False


def is_given_idle_cpu(policy: Mlfq | Stcf, pid: int) -> bool:
    """Give a process the first idle CPU where it may run, in thought; say whether there is one."""
    for cpu in range(len(policy.given)):
        if policy.given[cpu] == 0 and may_run(policy, pid, cpu):
            policy.given[cpu] = 1
            return True
    return False


def takes_cpu_of(policy: Mlfq | Stcf, rank: Int64s, pid: int, running: int) -> bool:
    """Say whether a running process is after `pid`, and the last of those whose CPUs that one may use."""
    in_reach = False
    for cpu in range(len(policy.on_cpu)):
        other = policy.on_cpu[cpu] - 1
        if other >= 0 and may_run(policy, pid, cpu):
            in_reach = in_reach or other == running
            if rank[other] > rank[running]:
                return False
    return in_reach and rank[running] > rank[pid]
