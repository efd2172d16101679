"""The span: all that the CPUs do between two events of the kernel.

Between two events of SimPy's there are only timers, ends of demands, and requests that the kernel serves by
itself, so a span is one loop over arrays, with no event and no object per quantum or request. It is plain
Python; `simulator.compiled` compiles the very same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.execution import book_run, dispatch, draws_spent, put_back, reach, slices_full, start_run
from simulator.instant import DONE, at_instant
from simulator.rules import tick
from simulator.tables import NEVER, NOBODY
from simulator.turns import DECIDE, GO_ON, in_turns, take_turns
from simulator.waits import note_waste

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Slices, Sources, Teams, Totals

REACHED = 0
"""The span came to its horizon."""
COMPLETED = 1
"""At least one demand was met that a program waits for; its process stays on its CPU, undecided."""
DRAWS_SPENT = 2
"""The policy's buffer of random draws must be refilled."""
SLICES_FULL = 3
"""The buffer of slices must be emptied."""
WRONG_PICK = 4
"""The policy picked a process that is not waiting for a CPU, or nobody although all CPUs are idle."""
# 5 to 8 and 10 are those of `simulator.instant`.
RETUNE = 9
"""A process whose tickets have changed is on no CPU any more, and the policy can hear of it."""

NOTHING, OURS, A_PROGRAMS = 0, 1, 2
"""Whose demands were met when runs ended."""


def start_runs(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals) -> int:
    """Give every idle CPU a process while there are any; return REACHED, or why that was not possible."""
    busy = 0
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] == NOBODY and totals.queued[0] > 0:
            if draws_spent(policy):
                return DRAWS_SPENT
            if not dispatch(policy, processes, cpus, totals, cpu):
                return WRONG_PICK
        if cpus.pid[cpu] != NOBODY:
            busy += 1
        if policy.tick_ns[0] > 0:
            cpus.tick_due_ns[cpu] = 0
    if busy == 0 and totals.queued[0] > 0 and policy.alarm_ns[0] == NEVER:
        totals.wrong_pid[0] = NOBODY
        return WRONG_PICK
    return REACHED


def retune_is_due(processes: Processes, cpus: Cpus, totals: Totals) -> bool:
    """Say whether a process with changed tickets is off its CPU."""
    running = 0
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] != NOBODY:
            running += processes.retune[cpus.pid[cpu]]
    return running < totals.retunes[0]  # type: ignore[no-any-return] # a comparison is a bool


def end_runs(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, now: int
) -> int:
    """End every run that ends now; say whose demands were met."""
    met = NOTHING
    for cpu in range(len(cpus.pid)):
        if cpus.run_end_ns[cpu] == now:
            book_run(processes, cpus, totals, cpu, now)
            pid = cpus.pid[cpu]
            if processes.demand_ns[pid] == 0:
                cpus.undecided[cpu] = 1
                totals.due_ns[0] = now
                processes.rounds[pid] -= 1
                met = max(met, OURS if processes.rounds[pid] > 0 else A_PROGRAMS)
            elif policy.tick_ns[0] > 0:
                policy.left_ns[pid] = processes.demand_ns[pid]
                if tick(policy, pid, cpus.slice_ran_ns[cpu]):
                    cpus.tick_due_ns[cpu] = totals.tick_cost_ns[0]
                    put_back(policy, processes, cpus, totals, slices, cpu, now)
                else:
                    cpus.ticking_ns[cpu] += totals.tick_cost_ns[0]
                    start_run(policy, processes, cpus, cpu, now + totals.tick_cost_ns[0])
            else:
                put_back(policy, processes, cpus, totals, slices, cpu, now)
    return met


def begin(
    policy: Scheduler,
    processes: Processes,
    cpus: Cpus,
    totals: Totals,
    slices: Slices,
    sources: Sources,
    teams: Teams,
) -> int:
    """Let happen what is due now, then give CPUs processes; return REACHED, or why that was not possible."""
    policy.now_ns[0] = totals.now_ns[0]
    if min(totals.due_ns[0], policy.alarm_ns[0]) <= totals.now_ns[0]:
        code = at_instant(policy, processes, cpus, totals, slices, sources, teams)
        if code != DONE:
            return code
    if totals.retunes[0] > 0 and retune_is_due(processes, cpus, totals):
        return RETUNE
    return start_runs(policy, processes, cpus, totals)


def next_instant(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, horizon: int) -> int:
    """Return when the next run ends or something else is due, at the latest the horizon; book CPUs' waste."""
    now: int = min(horizon, totals.due_ns[0], policy.alarm_ns[0])
    idle = False
    for cpu in range(len(cpus.pid)):
        now = min(now, cpus.run_end_ns[cpu])
        idle = idle or cpus.pid[cpu] == NOBODY
    if idle and totals.queued[0] > 0:
        note_waste(policy, processes, cpus, totals, now - totals.now_ns[0])
    return now


def run_span(
    policy: Scheduler,
    processes: Processes,
    cpus: Cpus,
    totals: Totals,
    slices: Slices,
    sources: Sources,
    teams: Teams,
    horizon: int,
) -> int:
    """Run the CPUs from `totals.now_ns` to `horizon` at the latest, and say why the span ended.

    Everything that ends at one instant ends before anything starts at it, and nothing starts at the
    horizon itself: events of that instant come first, so that a decision sees the whole state. CPUs are
    served in the order of their numbers.

    Returns:
        One of the codes above, with `totals.now_ns` at the instant where the span ended.
    """
    while True:
        code = begin(policy, processes, cpus, totals, slices, sources, teams)
        if code != REACHED:
            return code
        if in_turns(policy, cpus, totals, slices):
            turn = take_turns(policy, processes, cpus, totals, horizon)
            if turn == DECIDE:
                continue
            if turn != GO_ON:
                return WRONG_PICK
        now = next_instant(policy, processes, cpus, totals, horizon)
        reach(processes, cpus, totals, now)
        policy.now_ns[0] = now
        if end_runs(policy, processes, cpus, totals, slices, now) == A_PROGRAMS:
            return COMPLETED
        if now == horizon:
            return REACHED
        if slices_full(cpus, totals, slices):
            return SLICES_FULL
