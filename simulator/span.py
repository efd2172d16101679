"""The span: all that the CPUs do between two events of the kernel.

Nothing but timers and ends of demands can happen inside a span, so it is one loop over arrays, with no
event and no object per quantum. It is plain Python; `simulator.compiled` compiles the very same functions.
`pick`, `charge`, `slice_ns` and `tick` stand for the policy's methods: they are bound when a policy is
installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fluid import advance_fluid
from simulator.tables import NEVER, NOBODY
from simulator.waits import note_waste, wait_bucket

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
"""The policy picked a process that is not waiting for a CPU, or nobody although all CPUs are idle."""

DRAW_RESERVE = 8
"""Draws that must be left before a pick: the most that one pick may use."""


def pick(policy: Scheduler, cpu: int) -> int:
    """Stand for the policy's `pick`."""
    return policy.pick(cpu)


def charge(policy: Scheduler, pid: int, ran_ns: int) -> None:
    """Stand for the policy's `charge`."""
    policy.charge(pid, ran_ns)


def slice_ns(policy: Scheduler, pid: int) -> int:
    """Stand for the policy's `slice_ns`."""
    return policy.slice_ns(pid)


def tick(policy: Scheduler, pid: int, ran_ns: int) -> bool:
    """Stand for the policy's `tick`."""
    return policy.tick(pid, ran_ns)


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
    """Give an idle CPU to the process that the policy picks, if any; False if that process may not run."""
    now = totals.now_ns[0]
    pid = pick(policy, cpu)
    if pid == NOBODY:
        return True
    allowed = 0 <= pid < len(processes.queued) and processes.queued[pid] == 1
    if not allowed or (processes.affinity[pid] >> cpu) & 1 == 0:
        totals.wrong_pid[0] = pid
        return False
    processes.queued[pid] = 0
    totals.queued[0] -= 1
    waited = now - processes.ready_since_ns[pid]
    processes.wait_ns[pid] += waited
    processes.waits[pid, wait_bucket(waited)] += 1
    processes.dispatches[pid] += 1
    note_lag(processes, totals, pid, service_ns(cpus, totals, now), processes.cpu_ns[pid])

    cpus.idle_ns[cpu] += now - cpus.free_since_ns[cpu]
    start = now + get_ready(processes, cpus, totals, cpu, pid)
    if processes.first_run_ns[pid] < 0:
        processes.first_run_ns[pid] = start
    cpus.pid[cpu] = pid
    cpus.last_pid[cpu] = pid
    cpus.slice_start_ns[cpu] = start
    cpus.slice_ran_ns[cpu] = 0
    length = NEVER if policy.tick_ns[0] > 0 else slice_ns(policy, pid)
    cpus.slice_end_ns[cpu] = start + min(length, NEVER - start)
    start_run(policy, processes, cpus, cpu, start)
    return True


def get_ready(processes: Processes, cpus: Cpus, totals: Totals, cpu: int, pid: int) -> int:
    """Book what comes before a process executes on a CPU (tick, switch, migration); return how long it is."""
    tick_cost = cpus.tick_due_ns[cpu]
    switch = 0
    refill = 0
    last = cpus.last_pid[cpu]
    if last != pid:
        if last != NOBODY and processes.queued[last] == 1:
            processes.preemptions[last] += 1
        switch = totals.context_switch_ns[0] + processes.restore_ns[pid]
        if last != NOBODY:
            switch += processes.save_ns[last]
        cpus.switches[cpu] += 1
        processes.switches_in[pid] += 1
    if processes.last_cpu[pid] != cpu:
        if processes.last_cpu[pid] != NOBODY:
            refill = totals.migration_ns[0]
            processes.migrations[pid] += 1
        processes.last_cpu[pid] = cpu
    cpus.tick_due_ns[cpu] = 0
    cpus.lead_switch_ns[cpu] = switch
    cpus.lead_refill_ns[cpu] = refill
    cpus.ticking_ns[cpu] += tick_cost
    cpus.switching_ns[cpu] += switch
    cpus.migrating_ns[cpu] += refill
    lead: int = tick_cost + switch + refill
    return lead


def take_back(cpus: Cpus, cpu: int, unspent: int) -> None:
    """Take off the books what was to come before execution (tick, switch, refill, in order) and did not."""
    refill = min(unspent, cpus.lead_refill_ns[cpu])
    switch = min(unspent - refill, cpus.lead_switch_ns[cpu])
    cpus.migrating_ns[cpu] -= refill
    cpus.switching_ns[cpu] -= switch
    cpus.ticking_ns[cpu] -= unspent - refill - switch


def start_run(policy: Scheduler, processes: Processes, cpus: Cpus, cpu: int, start: int) -> None:
    """Let the process on a CPU execute from `start` until its demand, its slice or the tick ends it."""
    room = NEVER - start
    end = min(start + min(processes.demand_ns[cpus.pid[cpu]], room), cpus.slice_end_ns[cpu])
    if policy.tick_ns[0] > 0:
        end = min(end, (start // policy.tick_ns[0] + 1) * policy.tick_ns[0])
    cpus.run_start_ns[cpu] = start
    cpus.run_end_ns[cpu] = end


def book_run(processes: Processes, cpus: Cpus, totals: Totals, cpu: int, now: int) -> None:
    """Book the execution on a CPU up to `now`; the process stays on the CPU with nothing unbooked."""
    pid = cpus.pid[cpu]
    ran = max(now - cpus.run_start_ns[cpu], 0)
    processes.cpu_ns[pid] += ran
    processes.demand_ns[pid] -= ran
    cpus.busy_ns[cpu] += ran
    cpus.slice_ran_ns[cpu] += ran
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
    if cpus.run_start_ns[cpu] > now:
        # Cut short before it executed: the rest of the switch did not happen.
        take_back(cpus, cpu, cpus.run_start_ns[cpu] - now)
        start = min(start, now)
    policy.left_ns[pid] = processes.demand_ns[pid]
    charge(policy, pid, cpus.slice_ran_ns[cpu])
    processes.queued[pid] = 1
    processes.ready_since_ns[pid] = now
    totals.queued[0] += 1
    totals.quanta[0] += 1
    cpus.pid[cpu] = NOBODY
    cpus.free_since_ns[cpu] = now
    cpus.run_end_ns[cpu] = NEVER
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
    busy = 0
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] == NOBODY and totals.queued[0] > 0:
            if policy.draw_at[0] > len(policy.draws) - DRAW_RESERVE:
                return DRAWS_SPENT
            if not dispatch(policy, processes, cpus, totals, cpu):
                return WRONG_PICK
        if cpus.pid[cpu] != NOBODY:
            busy += 1
        cpus.tick_due_ns[cpu] = 0
    if busy == 0 and totals.queued[0] > 0:
        totals.wrong_pid[0] = NOBODY
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
            pid = cpus.pid[cpu]
            met = processes.demand_ns[pid] == 0
            completed = completed or met
            goes_on = met
            if policy.tick_ns[0] > 0 and not met:
                policy.left_ns[pid] = processes.demand_ns[pid]
                if tick(policy, pid, cpus.slice_ran_ns[cpu]):
                    cpus.tick_due_ns[cpu] = totals.tick_cost_ns[0]
                else:
                    goes_on = True
                    cpus.ticking_ns[cpu] += totals.tick_cost_ns[0]
                    start_run(policy, processes, cpus, cpu, now + totals.tick_cost_ns[0])
            if not goes_on:
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
        policy.now_ns[0] = totals.now_ns[0]
        code = start_runs(policy, processes, cpus, totals)
        if code != REACHED:
            return code
        now = NEVER
        for cpu in range(len(cpus.pid)):
            now = min(now, cpus.run_end_ns[cpu])
        if len(cpus.pid) > 1 and totals.queued[0] > 0:
            note_waste(processes, cpus, totals, min(now, horizon) - totals.now_ns[0])
        if now > horizon:
            totals.now_ns[0] = horizon
            return REACHED
        totals.now_ns[0] = now
        policy.now_ns[0] = now
        if end_runs(policy, processes, cpus, totals, slices, now):
            return COMPLETED
        if now == horizon:
            return REACHED
        if slices_full(cpus, totals, slices):
            return SLICES_FULL
