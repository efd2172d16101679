"""Turns: slices on a single CPU that end at the timer, one after another, while nothing else happens.

This is what most of a simulation consists of. It comes to the same as the loop of `simulator.span`, in two
thirds of the time: what that loop keeps in tables for everybody to see is kept in variables here, which a
compiler holds in registers, and put into the tables at the end. A test holds the two together.

Plain functions over the kernel's tables, interpreted or compiled with the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.execution import (
    draws_spent,
    get_ready,
    give,
    join_queue,
    keep_lag,
    leave_queue,
    may_take,
    note_start,
)
from simulator.rules import pick, slice_ns
from simulator.tables import NEVER, NOBODY

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Slices, Totals

GO_ON = 0
"""The turns are over: what comes next is for the span, which finds all as after a decision."""
DECIDE = 1
"""The CPU is free, and something is due before anybody decides who gets it."""
WRONG_TURN = 2
"""The policy picked a process that may not run, or nobody."""

ALONE = 0
"""The number of the only CPU."""


def in_turns(policy: Scheduler, cpus: Cpus, totals: Totals, slices: Slices) -> bool:
    """Say whether there is one CPU, in use, and nobody who must see each slice."""
    plain = len(cpus.pid) == 1 and len(slices.pid) == 0 and policy.tick_ns[0] == 0
    return plain and cpus.pid[ALONE] != NOBODY and totals.retunes[0] == 0


def take_turns(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, horizon: int) -> int:
    """Let processes have slice after slice for as long as each ends at the timer before anything is due.

    A turn in which a demand would be met, the process's or one of the fluid ideal's, is left to the span.

    Returns:
        One of the codes above; the tables are as the span would have left them.
    """
    now: int = totals.now_ns[0]
    delivered: int = totals.delivered_ns[0]
    pid: int = cpus.pid[ALONE]
    ran: int = cpus.slice_ran_ns[ALONE]
    slice_start: int = cpus.slice_start_ns[ALONE]
    slice_end: int = cpus.slice_end_ns[ALONE]
    start: int = cpus.run_start_ns[ALONE]
    end: int = cpus.run_end_ns[ALONE]
    code = GO_ON
    while (
        end < min(horizon, totals.due_ns[0], policy.alarm_ns[0])
        and processes.demand_ns[pid] > end - start
        and totals.fluid_next_ns[0] > delivered + (end - start)
        and not draws_spent(policy)
    ):
        now = end
        delivered += now - start
        due = delivered - totals.fluid_at_ns[0]
        policy.now_ns[0] = now
        give(processes, pid, now - start)
        join_queue(policy, processes, pid, ran + now - start, now)
        keep_lag(processes, pid, due)
        if policy.alarm_ns[0] <= now:
            pid, code = NOBODY, DECIDE
            break
        pid = pick(policy, ALONE)
        if not may_take(processes, ALONE, pid):
            totals.wrong_pid[0] = pid
            code = GO_ON if pid == NOBODY and policy.alarm_ns[0] != NEVER else WRONG_TURN
            pid = NOBODY
            break
        start = now + get_ready(processes, cpus, totals, ALONE, pid)
        leave_queue(processes, pid, now, due)
        note_start(processes, pid, start)
        ran = 0
        slice_start = start
        room = NEVER - start
        slice_end = start + min(slice_ns(policy, pid), room)
        end = min(start + min(processes.demand_ns[pid], room), slice_end)

    cpus.busy_ns[ALONE] += delivered - totals.delivered_ns[0]
    totals.now_ns[0] = now
    totals.delivered_ns[0] = delivered
    totals.service_ns[0] = delivered
    cpus.pid[ALONE] = pid
    cpus.slice_ran_ns[ALONE] = ran
    cpus.slice_start_ns[ALONE] = slice_start
    cpus.slice_end_ns[ALONE] = slice_end
    cpus.run_start_ns[ALONE] = start
    cpus.run_end_ns[ALONE] = end
    if pid == NOBODY:
        cpus.free_since_ns[ALONE] = now
        cpus.run_start_ns[ALONE] = now
        cpus.run_end_ns[ALONE] = NEVER
        totals.queued[0] += 1
    return code
