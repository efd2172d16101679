"""What a CPU does: take a process, let it execute, book what it used, put it back.

Plain functions over the kernel's tables, interpreted or compiled with the span (`simulator.span`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fluid import advance_fluid
from simulator.rules import charge, pick, slice_ns
from simulator.tables import NEVER, NOBODY
from simulator.waits import wait_bucket

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Slices, Totals

DRAW_RESERVE = 8
"""Draws that must be left before a pick: the most that one pick may use."""


def reach(processes: Processes, cpus: Cpus, totals: Totals, now: int) -> None:
    """Go on to an instant; the fluid ideal gets what the CPUs have delivered by then."""
    totals.now_ns[0] = now
    delivered = totals.delivered_ns[0]
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] != NOBODY and cpus.run_start_ns[cpu] < now:
            delivered += now - cpus.run_start_ns[cpu]
    totals.service_ns[0] = delivered
    advance_fluid(processes, totals, totals.service_ns[0])


def note_lag(processes: Processes, totals: Totals, pid: int) -> None:
    """Keep the extremes of a process's lag: what it was entitled to less what it received, all booked."""
    keep_lag(processes, pid, totals.service_ns[0] - totals.fluid_at_ns[0])


def keep_lag(processes: Processes, pid: int, due: float) -> None:
    """Do so when `due` has been delivered since the fluid ideal was last settled."""
    lag = processes.entitled_ns[pid] + processes.rate[pid] * due - processes.cpu_ns[pid]
    if lag > processes.lag_max_ns[pid]:
        processes.lag_max_ns[pid] = lag
    elif lag < processes.lag_min_ns[pid]:
        processes.lag_min_ns[pid] = lag


def may_take(processes: Processes, cpu: int, pid: int) -> bool:
    """Say whether a CPU may be given to what the policy has picked."""
    waits = 0 <= pid < len(processes.queued) and processes.queued[pid] == 1
    return waits and (processes.affinity[pid] >> cpu) & 1 == 1


def draws_spent(policy: Scheduler) -> bool:
    """Say whether the buffer of random draws might not last for one more pick."""
    return policy.draw_at[0] > len(policy.draws) - DRAW_RESERVE  # type: ignore[no-any-return] # likewise


def dispatch(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, cpu: int) -> bool:
    """Give an idle CPU to the process that the policy picks, if any; False if that process may not run."""
    now = totals.now_ns[0]
    pid = pick(policy, cpu)
    if pid == NOBODY:
        return True
    if not may_take(processes, cpu, pid):
        totals.wrong_pid[0] = pid
        return False
    totals.queued[0] -= 1
    leave_queue(processes, pid, now, totals.service_ns[0] - totals.fluid_at_ns[0])

    if now > cpus.free_since_ns[cpu]:
        cpus.idle_ns[cpu] += now - cpus.free_since_ns[cpu]
    start = now + get_ready(processes, cpus, totals, cpu, pid)
    note_start(processes, pid, start)
    cpus.pid[cpu] = pid
    cpus.slice_start_ns[cpu] = start
    cpus.slice_ran_ns[cpu] = 0
    length = NEVER if policy.tick_ns[0] > 0 else slice_ns(policy, pid)
    cpus.slice_end_ns[cpu] = start + min(length, NEVER - start)
    start_run(policy, processes, cpus, cpu, start)
    return True


def leave_queue(processes: Processes, pid: int, now: int, due: float) -> None:
    """Take a process off the queue; `due` has been delivered since the fluid ideal was last settled."""
    processes.queued[pid] = 0
    waited = now - processes.ready_since_ns[pid]
    processes.wait_ns[pid] += waited
    processes.waits[pid, wait_bucket(waited)] += 1
    processes.dispatches[pid] += 1
    keep_lag(processes, pid, due)


def note_start(processes: Processes, pid: int, start: int) -> None:
    """Note when a process first executes."""
    if processes.first_run_ns[pid] < 0:
        processes.first_run_ns[pid] = start


def give(processes: Processes, pid: int, ran: int) -> None:
    """Book CPU time that a process has received of what it demands."""
    processes.cpu_ns[pid] += ran
    processes.demand_ns[pid] -= ran


def join_queue(policy: Scheduler, processes: Processes, pid: int, ran: int, now: int) -> None:
    """Let the policy hear what a process has used of its slice, all booked, and queue it again."""
    policy.left_ns[pid] = processes.demand_ns[pid]
    charge(policy, pid, ran)
    processes.queued[pid] = 1
    processes.ready_since_ns[pid] = now


def get_ready(processes: Processes, cpus: Cpus, totals: Totals, cpu: int, pid: int) -> int:
    """Book what comes before a process executes on a CPU (tick, switch, migration); return how long it is."""
    tick_cost = cpus.tick_due_ns[cpu]
    switch = 0
    refill = 0
    last = cpus.last_pid[cpu]
    if last != pid:
        if last != NOBODY and processes.queued[last] == 1:
            processes.preemptions[last] += 1
        switch = totals.context_switch_ns[0]
        if totals.swaps_memory[0] == 1:
            switch += memory_swap_ns(processes, last, pid)
        cpus.switches[cpu] += 1
        processes.switches_in[pid] += 1
        cpus.last_pid[cpu] = pid
    if processes.last_cpu[pid] != cpu:
        if processes.last_cpu[pid] != NOBODY:
            refill = totals.migration_ns[0]
            processes.migrations[pid] += 1
        processes.last_cpu[pid] = cpu
    lead: int = tick_cost + switch + refill
    if lead + cpus.lead_switch_ns[cpu] + cpus.lead_refill_ns[cpu] > 0:
        cpus.lead_switch_ns[cpu] = switch
        cpus.lead_refill_ns[cpu] = refill
        cpus.ticking_ns[cpu] += tick_cost
        cpus.switching_ns[cpu] += switch
        cpus.migrating_ns[cpu] += refill
    return lead


def memory_swap_ns(processes: Processes, last: int, pid: int) -> int:
    """Return what a switch costs because of memory: threads of one team have the same."""
    if last == NOBODY:
        return processes.restore_ns[pid]  # type: ignore[no-any-return] # a column of integers
    if processes.team[last] != NOBODY and processes.team[last] == processes.team[pid]:
        return 0
    return processes.save_ns[last] + processes.restore_ns[pid]  # type: ignore[no-any-return] # see above


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
    give(processes, pid, ran)
    cpus.busy_ns[cpu] += ran
    cpus.slice_ran_ns[cpu] += ran
    totals.delivered_ns[0] += ran
    cpus.run_start_ns[cpu] = max(now, cpus.run_start_ns[cpu])
    cpus.run_end_ns[cpu] = NEVER
    note_lag(processes, totals, pid)


def put_back(
    policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, slices: Slices, cpu: int, now: int
) -> None:
    """End the slice on a CPU, all booked: the policy hears what was used and has the process queued again."""
    pid = cpus.pid[cpu]
    start = cpus.slice_start_ns[cpu]
    if cpus.run_start_ns[cpu] > now:
        # Cut short before it executed: the rest of the switch did not happen.
        take_back(cpus, cpu, cpus.run_start_ns[cpu] - now)
        start = min(start, now)
    join_queue(policy, processes, pid, cpus.slice_ran_ns[cpu], now)
    totals.queued[0] += 1
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
