"""The books: what each process received, what it was entitled to, and that no nanosecond is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import span
from simulator.errors import InvariantError
from simulator.ideal import fluid_rates
from simulator.tables import NOBODY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.compiled import State
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Float64s, Int64s


def cpu_ns_by_now(state: State) -> Int64s:
    """int64[capacity]: CPU time received so far by each process, runs in progress included."""
    now = state.totals.now_ns[0]
    received = state.processes.cpu_ns.copy()
    for pid, start in zip(state.cpus.pid, state.cpus.run_start_ns, strict=True):
        if pid != NOBODY and start < now:
            received[pid] += now - start
    return received


def entitled_ns_by_now(state: State) -> Float64s:
    """float64[capacity]: CPU time that the fluid ideal has given each process so far."""
    now = int(state.totals.now_ns[0])
    due = span.service_ns(state.cpus, state.totals, now) - state.totals.rates_since_ns[0]
    entitled: Float64s = state.processes.entitled_ns + state.processes.rate * due
    return entitled


def renew_rates(state: State, tickets: Float64s, runnable: NDArray[np.bool_]) -> None:
    """Settle entitlements up to now, then share what is to come among the runnable set as it now is.

    Entitlement is counted in CPU time delivered, not in time passed: time lost to switching is owed to
    nobody, and over all processes entitlement and receipt sum to the same.
    """
    state.processes.entitled_ns[:] = entitled_ns_by_now(state)
    now = int(state.totals.now_ns[0])
    state.totals.rates_since_ns[0] = span.service_ns(state.cpus, state.totals, now)
    state.processes.rate[:] = 0.0
    who = runnable.nonzero()[0]
    state.processes.rate[who] = fluid_rates(tickets[who], len(state.cpus.pid))


def close(policy: Scheduler, state: State, count: int) -> None:
    """Book all that is in progress, and check.

    Args:
        policy: is charged for what runs.
        state: the kernel's tables.
        count: number of pids in use.

    Raises:
        InvariantError: time was lost or counted twice.
    """
    processes, cpus, totals = state.processes, state.cpus, state.totals
    now = int(totals.now_ns[0])
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] == NOBODY:
            cpus.idle_ns[cpu] += now - cpus.free_since_ns[cpu]
            cpus.free_since_ns[cpu] = now
        else:
            span.book_run(processes, cpus, totals, cpu, now)
            span.put_back(policy, processes, cpus, totals, state.slices, cpu, now)
    for pid in range(count):
        if processes.queued[pid]:
            processes.wait_ns[pid] += now - processes.ready_since_ns[pid]
            processes.ready_since_ns[pid] = now
            span.note_lag(processes, totals, pid, int(totals.delivered_ns[0]), processes.cpu_ns[pid])
    processes.entitled_ns[:] = entitled_ns_by_now(state)
    totals.rates_since_ns[0] = totals.delivered_ns[0]
    check(state, now)


def check(state: State, now: int) -> None:
    """Hold the books against the clock: busy + switching + idle = elapsed on every CPU.

    Raises:
        InvariantError: they do not balance.
    """
    cpus = state.cpus
    for cpu in range(len(cpus.pid)):
        booked = cpus.busy_ns[cpu] + cpus.switching_ns[cpu] + cpus.idle_ns[cpu]
        if booked != now:
            raise InvariantError(f"CPU {cpu}: {booked} ns are booked, but {now} ns have passed")
    received, busy = int(state.processes.cpu_ns.sum()), int(cpus.busy_ns.sum())
    if received != busy:
        raise InvariantError(f"processes received {received} ns of CPU time, but CPUs were busy {busy} ns")
