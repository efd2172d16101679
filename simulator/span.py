"""The span: all that the CPUs do between two events of the kernel.

Nothing but timers and ends of demands can happen inside a span, so it is one loop over arrays, with no
event and no object per quantum. It is plain Python; `simulator.compiled` compiles the very same functions.
`pick`, `charge` and `slice_ns` stand for the policy's methods: they are bound when a policy is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fluid import advance_fluid
from simulator.tables import NEVER, NOBODY

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Slices, Totals

REACHED = 0
"""The span came to its horizon."""
COMPLETED = 1
"""At least one demand was met; its process stays on its CPU, undecided."""
DRAWS_SPENT = 2
"""The policy's buffer of random draws must be refilled."""
SLICES_FULL = 3
"""The buffer of slices must be emptied."""
WRONG_PICK = 4
"""The policy picked a process that is not waiting for a CPU."""

DRAW_RESERVE = 8
"""Draws that must be left before a pick: the most that one pick may use."""


def pick(policy: Scheduler) -> int:
    """Stand for the policy's `pick`."""
    return policy.pick()


def charge(policy: Scheduler, pid: int, ran_ns: int) -> None:
    """Stand for the policy's `charge`."""
    policy.charge(pid, ran_ns)


def slice_ns(policy: Scheduler, pid: int) -> int:
    """Stand for the policy's `slice_ns`."""
    return policy.slice_ns(pid)


def service_ns(cpus: Cpus, totals: Totals, now: int) -> int:
    """Return the CPU time delivered by all CPUs up to `now`, unbooked runs included."""
    delivered: int = totals.delivered_ns[0]
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] != NOBODY and cpus.run_start_ns[cpu] < now:
            delivered += now - cpus.run_start_ns[cpu]
    return delivered


def note_lag(processes: Processes, totals: Totals, pid: int, service: int, received: int) -> None:
    """Keep the extremes of a process's lag: what it was entitled to less what it received."""
    advance_fluid(processes, totals, service)
    due = service - totals.fluid_at_ns[0]
    lag = processes.entitled_ns[pid] + processes.rate[pid] * due - received
    if lag > processes.lag_max_ns[pid]:
        processes.lag_max_ns[pid] = lag
    elif lag < processes.lag_min_ns[pid]:
        processes.lag_min_ns[pid] = lag


def dispatch(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, cpu: int) -> bool:
    """Give an idle CPU to the process that the policy picks; False if that process may not run."""
    now = totals.now_ns[0]
    pid = pick(policy)
    if pid < 0 or pid >= len(processes.queued) or processes.queued[pid] != 1:
        totals.wrong_pid[0] = pid
        return False
    processes.queued[pid] = 0
    totals.queued[0] -= 1
    processes.wait_ns[pid] += now - processes.ready_since_ns[pid]
    processes.dispatches[pid] += 1
    note_lag(processes, totals, pid, service_ns(cpus, totals, now), processes.cpu_ns[pid])

    cpus.idle_ns[cpu] += now - cpus.free_since_ns[cpu]
    start = now
    last = cpus.last_pid[cpu]
    if last != pid:
        if last != NOBODY and processes.queued[last] == 1:
            processes.preemptions[last] += 1
        start += totals.context_switch_ns[0]
        cpus.switching_ns[cpu] += start - now
        cpus.switches[cpu] += 1
        processes.switches_in[pid] += 1
    if processes.first_run_ns[pid] < 0:
        processes.first_run_ns[pid] = start
    length = slice_ns(policy, pid)
    cpus.pid[cpu] = pid
    cpus.last_pid[cpu] = pid
    cpus.slice_start_ns[cpu] = start
    cpus.slice_end_ns[cpu] = start + min(length, NEVER - start)
    cpus.run_start_ns[cpu] = start
    cpus.run_end_ns[cpu] = start + min(length, processes.demand_ns[pid], NEVER - start)
    return True


def book_run(processes: Processes, cpus: Cpus, totals: Totals, cpu: int, now: int) -> None:
    """Book the execution on a CPU up to `now`; the process stays on the CPU with nothing unbooked."""
    pid = cpus.pid[cpu]
    ran = max(now - cpus.run_start_ns[cpu], 0)
    processes.cpu_ns[pid] += ran
    processes.demand_ns[pid] -= ran
    cpus.busy_ns[cpu] += ran
    totals.delivered_ns[0] += ran
    cpus.run_start_ns[cpu] = max(now, cpus.run_start_ns[cpu])
    cpus.run_end_ns[cpu] = NEVER
    note_lag(processes, totals, pid, service_ns(cpus, totals, now), processes.cpu_ns[pid])


def put_back(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, cpu: int, now: int
) -> None:
    """End the slice on a CPU: the policy is told what the process used, and has it on its queue again."""
    pid = cpus.pid[cpu]
    start = cpus.slice_start_ns[cpu]
    if start > now:
        # Cut short while still switching: the rest of the switch did not happen.
        cpus.switching_ns[cpu] -= start - now
        start = now
    charge(policy, pid, now - start)
    processes.queued[pid] = 1
    processes.ready_since_ns[pid] = now
    totals.queued[0] += 1
    totals.quanta[0] += 1
    cpus.pid[cpu] = NOBODY
    cpus.free_since_ns[cpu] = now
    count = totals.slices[0]
    if count < len(slices.pid) and now > start:
        slices.cpu[count] = cpu
        slices.pid[count] = pid
        slices.start_ns[count] = start
        slices.end_ns[count] = now
        totals.slices[0] = count + 1


def slices_full(cpus: Cpus, totals: Totals, slices: Slices) -> bool:
    """Say whether the buffer of slices might not hold what can end at two more instants."""
    return len(slices.pid) > 0 and totals.slices[0] > len(slices.pid) - 2 * len(cpus.pid)


def start_runs(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals) -> int:
    """Give every idle CPU a process while there are any; return REACHED, or why that was not possible."""
    for cpu in range(len(cpus.pid)):
        if totals.queued[0] > 0 and cpus.pid[cpu] == NOBODY:
            if policy.draw_at[0] > len(policy.draws) - DRAW_RESERVE:
                return DRAWS_SPENT
            if not dispatch(policy, processes, cpus, totals, cpu):
                return WRONG_PICK
    return REACHED


def end_runs(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, now: int
) -> bool:
    """End every run that ends now; say whether a demand was met."""
    completed = False
    for cpu in range(len(cpus.pid)):
        if cpus.run_end_ns[cpu] == now:
            book_run(processes, cpus, totals, cpu, now)
            if processes.demand_ns[cpus.pid[cpu]] == 0:
                completed = True
            else:
                put_back(policy, processes, cpus, totals, slices, cpu, now)
    return completed


def run_span(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, horizon: int
) -> int:
    """Run the CPUs from `totals.now_ns` to `horizon` at the latest, and say why the span ended.

    Everything that ends at one instant ends before anything starts at it, and nothing starts at the
    horizon itself: events of that instant come first, so that a decision sees the whole state. CPUs are
    served in the order of their numbers.

    Returns:
        One of the codes above, with `totals.now_ns` at the instant where the span ended.
    """
    while True:
        code = start_runs(policy, processes, cpus, totals)
        if code != REACHED:
            return code
        now = NEVER
        for cpu in range(len(cpus.pid)):
            now = min(now, cpus.run_end_ns[cpu])
        if now > horizon:
            totals.now_ns[0] = horizon
            return REACHED
        totals.now_ns[0] = now
        if end_runs(policy, processes, cpus, totals, slices, now):
            return COMPLETED
        if now == horizon:
            return REACHED
        if slices_full(cpus, totals, slices):
            return SLICES_FULL
