"""The books: what each process received, what it was entitled to, and that no nanosecond is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import execution
from simulator.errors import InvariantError
from simulator.fluid import renew_fluid
from simulator.tables import NOBODY

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.state import State
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
    due = state.totals.service_ns[0] - state.totals.fluid_at_ns[0]
    entitled: Float64s = state.processes.entitled_ns + state.processes.rate * due
    return entitled


def close(policy: Scheduler, state: State) -> None:
    """Book all that is in progress, and check.

    Args:
        policy: is charged for what runs.
        state: the kernel's tables.

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
            execution.book_run(processes, cpus, totals, cpu, now)
            execution.put_back(policy, processes, cpus, totals, state.slices, cpu, now)
    for pid in range(totals.processes[0]):
        if processes.queued[pid]:
            processes.wait_ns[pid] += now - processes.ready_since_ns[pid]
            processes.ready_since_ns[pid] = now
            execution.note_lag(processes, totals, pid)
    renew_fluid(processes, totals, float(totals.service_ns[0]))
    check(state, now)


def check(state: State, now: int) -> None:
    """Hold the books against the clock: busy + overheads + idle = elapsed on every CPU.

    Raises:
        InvariantError: they do not balance.
    """
    cpus = state.cpus
    for cpu in range(len(cpus.pid)):
        overhead = cpus.switching_ns[cpu] + cpus.migrating_ns[cpu] + cpus.ticking_ns[cpu]
        booked = cpus.busy_ns[cpu] + overhead + cpus.idle_ns[cpu]
        if booked != now:
            raise InvariantError(f"CPU {cpu}: {booked} ns are booked, but {now} ns have passed")
    received, busy = int(state.processes.cpu_ns.sum()), int(cpus.busy_ns.sum())
    if received != busy:
        raise InvariantError(f"processes received {received} ns of CPU time, but CPUs were busy {busy} ns")
