"""Teams: the threads of one process that execute a burst together, with a barrier after each operation.

This is how inference frameworks use several CPUs within one operation (intra-op parallelism): every thread
gets an equal part of it, and the next operation begins when the last thread is done. What cannot be shared,
such as Python between the operations, the leader does alone while the others are blocked. A thread that is
done early blocks, too; it does not spin.

A burst is a list of *phases*, each a CPU time and the number of threads that share it. The functions are
plain ones over the kernel's tables, interpreted or compiled with the span (`simulator.span`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.demands import ask
from simulator.tables import NEVER

if TYPE_CHECKING:
    from simulator.burst import Burst
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Int64s, Processes, Teams, Totals

CPU_TIME, WIDTH = 0, 1
"""Planes of `Teams.phases`."""


def phases_of(
    burst: Burst, threads: int, until_ns: int | None = None, before_ns: int = 0, from_ns: int = 0
) -> Int64s:
    """int64[2, phases]: CPU time of each phase, and how many threads share it.

    Args:
        burst: its operations in order; those that one thread executes are joined.
        threads: of the team.
        until_ns: CPU time into the burst where it breaks off; None for its end.
        before_ns: CPU time that the leader spends alone before it.
        from_ns: CPU time into the burst where it begins.
    """
    ends = np.clip(burst.op_end_ns, from_ns, until_ns)
    times = np.diff(ends, prepend=from_ns)
    shared = burst.op_parallel & (times > 0) if threads > 1 else np.zeros(len(times), bool)
    # A new phase begins with every shared operation, and with the first after one that is not.
    begins = shared | np.concatenate([[True], shared[:-1]])
    first = np.flatnonzero(begins)
    phases = np.array([np.add.reduceat(times, first), np.where(shared[first], threads, 1)])
    phases = np.concatenate([alone(before_ns), phases], axis=1)
    return phases[:, phases[CPU_TIME] > 0]


def alone(cpu_ns: int) -> Int64s:
    """int64[2, 1]: one phase, which the leader has for itself."""
    return np.array([[cpu_ns], [1]], np.int64)


def begin_burst(policy: Scheduler, processes: Processes, totals: Totals, teams: Teams, team: int) -> None:
    """Let a team begin its burst again."""
    teams.phase[team] = 0
    begin_phase(policy, processes, totals, teams, team)


def begin_phase(policy: Scheduler, processes: Processes, totals: Totals, teams: Teams, team: int) -> None:
    """Give each thread that shares the present phase its part; the first ones get what does not divide."""
    phase = teams.phase[team]
    cpu_ns = teams.phases[CPU_TIME, team, phase]
    width = min(teams.phases[WIDTH, team, phase], cpu_ns)
    teams.missing[team] = width
    for thread in range(width):
        pid = teams.leader[team] + thread
        processes.rounds[pid] = NEVER
        processes.at_barrier[pid] = 0
        ask(policy, processes, totals, pid, cpu_ns // width + (1 if thread < cpu_ns % width else 0))


def reach_barrier(
    policy: Scheduler, processes: Processes, totals: Totals, teams: Teams, team: int, pid: int
) -> bool:
    """Note that a thread has done its part; the last one begins the next phase. True at the burst's end."""
    processes.at_barrier[pid] = 1
    teams.missing[team] -= 1
    if teams.missing[team] > 0:
        return False
    teams.phase[team] += 1
    if teams.phase[team] == teams.length[team]:
        return True
    begin_phase(policy, processes, totals, teams, team)
    return False
