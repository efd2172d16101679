"""Withdrawal: taking a process off its CPU and out of every queue in the middle of what it demanded.

A process that ends by itself has just been given what it asked for. One that is killed by another's need has
not: it may be executing, waiting for a CPU, sharing a burst with other threads, or be served by the kernel.
Plain functions over the kernel's tables, called where programs go on, between two spans.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demands import stir
from simulator.execution import book_run, note_lag, put_back
from simulator.fluid import advance_fluid, renew_fluid, settle_fluid
from simulator.tables import NOBODY

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.state import State


def withdraw(policy: Scheduler, state: State, pid: int) -> None:
    """Let a thread demand nothing any more, as of now; what it has received stays booked.

    Args:
        policy: hears that it has left.
        state: the kernel's tables.
        pid: the thread.
    """
    processes, totals = state.processes, state.totals
    now = int(totals.now_ns[0])
    policy.now_ns[0] = now
    _withdraw_requests(state, pid)
    if processes.team[pid] != NOBODY:
        # As if it had reached the end of its part: nobody begins another phase for it.
        processes.at_barrier[pid] = 1
        state.teams.rounds[processes.team[pid]] = 0
    processes.rounds[pid] = 0
    _withdraw_from_ideal(state, pid)
    if not processes.runnable[pid]:
        return
    for cpu in (state.cpus.pid == pid).nonzero()[0].tolist():
        if state.cpus.undecided[cpu]:
            # Its demand was met at this very instant: the kernel is about to see that it asks for no more.
            processes.demand_ns[pid] = 0
            return
        book_run(processes, state.cpus, totals, cpu, now)
        put_back(policy, processes, state.cpus, totals, state.slices, cpu, now)
    processes.demand_ns[pid] = 0
    processes.runnable[pid] = 0
    if processes.queued[pid]:
        processes.wait_ns[pid] += now - processes.ready_since_ns[pid]
        processes.queued[pid] = 0
        totals.queued[0] -= 1
        note_lag(processes, totals, pid)
        policy.leave(pid)
    else:
        _forget_wake(state, pid)
    stir(processes, totals, pid)


def _withdraw_requests(state: State, pid: int) -> None:
    """Let the kernel serve no more requests for a process; the one being served stays unanswered."""
    source = int(state.processes.source[pid])
    if source != NOBODY:
        state.processes.source[pid] = NOBODY
        state.sources.pid[source] = NOBODY
        state.sources.current[source] = NOBODY


def _withdraw_from_ideal(state: State, pid: int) -> None:
    """Have the fluid ideal serve what was asked for by others alone."""
    processes, totals = state.processes, state.totals
    service = float(totals.service_ns[0])
    advance_fluid(processes, totals, service)
    settle_fluid(processes, totals, service)
    processes.owed_ns[pid] = processes.asked_ns[pid] = 0
    renew_fluid(processes, totals, service)
    totals.due_ns[0] = min(int(totals.due_ns[0]), int(totals.now_ns[0]))


def _forget_wake(state: State, pid: int) -> None:
    """Take a process that was to join the queue at this instant off those that will."""
    processes, totals = state.processes, state.totals
    count = int(totals.woken[0])
    others = [other for other in processes.woken[:count].tolist() if other != pid]
    processes.woken[: len(others)] = others
    totals.woken[0] = len(others)
