"""What happens at one instant, apart from slices that end and begin.

In this order: demands that were met are answered, requests arrive, the policy's alarm goes off, processes
that have become runnable enter and may preempt, CPUs whose process asked for no more are freed, and the fluid
ideal hears of it all. Only then does anybody decide who runs next. Each step finds done what has been done
already, so that the kernel can break off in between (for a program to go on, say) and come back.

Plain functions over the kernel's tables, interpreted or compiled with the span (`simulator.span`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demands import stir
from simulator.execution import book_run, put_back, start_run
from simulator.fluid import renew_fluid
from simulator.requests import ALL_ARRIVED, LOG_FULL, finish, let_arrive, start_next
from simulator.rules import alarm, enter, leave, preempts, tick
from simulator.tables import NOBODY
from simulator.teams import reach_barrier

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Slices, Sources, Teams, Totals

DONE = 0
"""All that was to happen at this instant has, and decisions can be made."""
MORE_TIMES = 5
"""As `simulator.requests.TIMES_SPENT`."""
MORE_ROOM = 6
"""As `simulator.requests.LOG_FULL`."""
HANDED = 7
"""A request is on its way to a program that waits for it."""
STIRRED = 8
"""The ticket economy must hear who is runnable now."""
RESUMED = 10
"""A program is to go on whose team has executed its burst."""


def at_instant(
    policy: Scheduler,
    processes: Processes,
    cpus: Cpus,
    totals: Totals,
    slices: Slices,
    sources: Sources,
    teams: Teams,
) -> int:
    """Let everything happen that is due now; return DONE, or what has to be seen to before it can go on."""
    answer(policy, processes, cpus, totals, sources, teams)
    if totals.resumed[0] == 1:
        return RESUMED
    arrived = let_arrive(policy, processes, totals, sources, teams)
    if arrived != ALL_ARRIVED:
        return MORE_ROOM if arrived == LOG_FULL else MORE_TIMES
    if totals.handed[0] == 1:
        return HANDED
    if policy.alarm_ns[0] <= totals.now_ns[0]:
        alarm(policy)
    if totals.stirred[0] == 1:
        return STIRRED
    wake(policy, processes, cpus, totals, slices)
    settle(policy, processes, cpus, totals, slices)
    if totals.stirred[0] == 1:
        return STIRRED
    if totals.ideal_stale[0] == 1:
        renew_fluid(processes, totals, totals.service_ns[0])
    due = policy.alarm_ns[0]
    for source in range(totals.sources[0]):
        due = min(due, sources.next_ns[source])
    totals.due_ns[0] = due
    return DONE


def answer(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, sources: Sources, teams: Teams
) -> None:
    """See what follows the demands that were met: a team's next phase, the next request, or nothing."""
    for cpu in range(len(cpus.pid)):
        pid = cpus.pid[cpu]
        if cpus.undecided[cpu] == 1 and processes.demand_ns[pid] == 0:
            team = processes.team[pid]
            source = processes.source[pid]
            if team != NOBODY:
                if processes.at_barrier[pid] == 0 and reach_barrier(
                    policy, processes, totals, teams, team, pid
                ):
                    end_burst(policy, processes, totals, sources, teams, team)
            elif source != NOBODY and sources.current[source] != NOBODY:
                finish(totals, sources, source)
                start_next(policy, processes, totals, sources, teams, source)


def end_burst(
    policy: Scheduler, processes: Processes, totals: Totals, sources: Sources, teams: Teams, team: int
) -> None:
    """Answer the request that a team has executed its burst for, or let the team's program go on."""
    teams.rounds[team] -= 1
    if teams.rounds[team] == 0:
        totals.resumed[0] = 1
        return
    source = processes.source[teams.leader[team]]
    finish(totals, sources, source)
    start_next(policy, processes, totals, sources, teams, source)


def wake(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices) -> None:
    """Let the processes that have become runnable join the queue, in the order in which they did."""
    for at in range(totals.woken[0]):
        pid = processes.woken[at]
        processes.queued[pid] = 1
        processes.ready_since_ns[pid] = totals.now_ns[0]
        totals.queued[0] += 1
        enter(policy, pid)
        preempt(policy, processes, cpus, totals, slices, pid)
    totals.woken[0] = 0


def preempt(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, pid: int
) -> None:
    """Let a process that has just entered take a CPU at once where the policy says so."""
    now = totals.now_ns[0]
    for cpu in range(len(cpus.pid)):
        running = cpus.pid[cpu]
        if running != NOBODY and cpus.undecided[cpu] == 0:
            ran = max(now - cpus.run_start_ns[cpu], 0)
            policy.left_ns[running] = processes.demand_ns[running] - ran
            policy.ran_ns[running] = cpus.slice_ran_ns[cpu] + ran
    for cpu in range(len(cpus.pid)):
        running = cpus.pid[cpu]
        allowed = (processes.affinity[pid] >> cpu) & 1 == 1
        if running != NOBODY and cpus.undecided[cpu] == 0 and allowed and preempts(policy, pid, running):
            book_run(processes, cpus, totals, cpu, now)
            put_back(policy, processes, cpus, totals, slices, cpu, now)
            return


def settle(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices) -> None:
    """See which processes asked for more when their demand was met; the others are not runnable."""
    now = totals.now_ns[0]
    for cpu in range(len(cpus.pid)):
        if cpus.undecided[cpu] == 1:
            cpus.undecided[cpu] = 0
            pid = cpus.pid[cpu]
            more = processes.demand_ns[pid] > 0
            if more and not slice_is_over(policy, cpus, cpu, now):
                start_run(policy, processes, cpus, cpu, now)
            else:
                put_back(policy, processes, cpus, totals, slices, cpu, now)
                if not more:
                    processes.queued[pid] = 0
                    totals.queued[0] -= 1
                    processes.runnable[pid] = 0
                    leave(policy, pid)
                    stir(processes, totals, pid)


def slice_is_over(policy: Scheduler, cpus: Cpus, cpu: int, now: int) -> bool:
    """Say whether the slice ends at the very instant at which the demand was met."""
    if policy.tick_ns[0] == 0:
        return cpus.slice_end_ns[cpu] <= now  # type: ignore[no-any-return] # a comparison is a bool
    return now % policy.tick_ns[0] == 0 and tick(policy, cpus.pid[cpu], cpus.slice_ran_ns[cpu])
