"""The kernel's columnar state: one value a process, a CPU, a source of requests.

The span loop reads and writes these arrays directly, interpreted or compiled; nothing else of the kernel's
accounting exists beside them. A table is an int64 and a float64 matrix with a column for each of its columns,
so that what belongs to one process lies together, and machine code is handed few arrays. A named tuple of the
columns is what code works with; its last fields are the matrices themselves.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Matrix = NDArray[Any]
"""All columns of one type; not a column itself."""

NEVER = np.iinfo(np.int64).max
"""A time that does not come."""

FAR = 1e300
"""An amount of service that is never delivered."""

NOBODY = -1
"""The pid where there is no process, and the number where there is no source."""

WAIT_BUCKETS = 256
"""Buckets of a histogram of waits: four for each power of two that a time can have."""


class Processes(NamedTuple):
    """Columns of the process table, indexed by pid.

    Attributes:
        demand_ns: CPU time still to be received before the present demand is met.
        asked_ns: demands that the fluid ideal has not heard of yet.
        rounds: demands to be met until the program goes on: 1, or more where the kernel serves requests.
        source: the source whose requests the kernel serves for it, NOBODY otherwise.
        team: the team that it is a thread of, NOBODY if it has one thread only.
        at_barrier: 1 once it has done its part of what its team executes.
        runnable: 1 from a demand until one is met and no other follows at the same instant.
        queued: 1 while the policy may pick it: runnable and on no CPU.
        woken: a list, not by pid: the processes that have become runnable at this instant.
        retune: 1 if the policy is to hear of its changed tickets when its slice has ended.
        stirred: 1 if it has become runnable, or stopped being so, since the ticket economy last looked.
        cpu_ns: CPU time received in all.
        ready_since_ns: since when a queued process has been waiting.
        wait_ns: time spent runnable but on no CPU, up to the last dispatch.
        first_run_ns: when it first executed, -1 before.
        dispatches: times it was given a CPU.
        switches_in: dispatches that needed a context switch.
        preemptions: times another process took its CPU while it wanted to go on.
        last_cpu: the CPU it was on last, NOBODY before.
        migrations: dispatches on another CPU than its last.
        affinity: the CPUs it may run on, one bit each.
        save_ns: what it costs to put its memory away when another process is given its CPU.
        restore_ns: what it costs to bring its memory back before it is given a CPU.
        tickets: its tickets as they are now.
        group: the number of the group it is in, 0 for the root.
        owed_ns: demand that the fluid ideal has yet to serve, when it was last settled.
        rate: its part in the fluid ideal of the CPU time delivered since then.
        entitled_ns: what the fluid ideal had given it then.
        lag_max_ns: the most by which it was behind the ideal.
        lag_min_ns: the most by which it was ahead, <= 0.
        waits: int64[processes, WAIT_BUCKETS], how often it waited how long for a CPU (`simulator.waits`).
    """

    demand_ns: Int64s
    asked_ns: Int64s
    rounds: Int64s
    source: Int64s
    team: Int64s
    at_barrier: Int64s
    runnable: Int64s
    queued: Int64s
    woken: Int64s
    retune: Int64s
    stirred: Int64s
    cpu_ns: Int64s
    ready_since_ns: Int64s
    wait_ns: Int64s
    first_run_ns: Int64s
    dispatches: Int64s
    switches_in: Int64s
    preemptions: Int64s
    last_cpu: Int64s
    migrations: Int64s
    affinity: Int64s
    save_ns: Int64s
    restore_ns: Int64s
    tickets: Int64s
    group: Int64s
    owed_ns: Float64s
    rate: Float64s
    entitled_ns: Float64s
    lag_max_ns: Float64s
    lag_min_ns: Float64s
    waits: Matrix
    ints: Matrix
    floats: Matrix


class Cpus(NamedTuple):
    """Columns of the CPU table, indexed by the CPU's number.

    Attributes:
        pid: the process on the CPU, NOBODY when idle.
        undecided: 1 once its process's demand is met and until it is known whether another follows.
        last_pid: the process that was on it last.
        slice_start_ns: the first instant of execution of the current slice.
        slice_end_ns: when the timer ends the slice; NEVER for a policy that decides at ticks.
        slice_ran_ns: execution within the current slice, booked.
        run_start_ns: from when on execution is not yet booked.
        run_end_ns: when the timer or the end of the demand stops it, NEVER without a run.
        free_since_ns: since when the CPU has had no process.
        busy_ns: time spent executing, booked.
        switching_ns: time spent switching contexts.
        migrating_ns: time spent refilling caches after migrations.
        ticking_ns: time spent in timer ticks.
        tick_due_ns: time of a tick that ended a slice and is yet to be spent.
        lead_switch_ns, lead_refill_ns: what the last dispatch spent on the switch and on refilling caches.
        idle_ns: time without a process, booked.
        wasted_ns: part of that in which a process waited that might have run there (`simulator.waits`).
        switches: context switches.
    """

    pid: Int64s
    undecided: Int64s
    last_pid: Int64s
    slice_start_ns: Int64s
    slice_end_ns: Int64s
    slice_ran_ns: Int64s
    run_start_ns: Int64s
    run_end_ns: Int64s
    free_since_ns: Int64s
    busy_ns: Int64s
    switching_ns: Int64s
    migrating_ns: Int64s
    ticking_ns: Int64s
    tick_due_ns: Int64s
    lead_switch_ns: Int64s
    lead_refill_ns: Int64s
    idle_ns: Int64s
    wasted_ns: Int64s
    switches: Int64s
    ints: Matrix


class Totals(NamedTuple):
    """Single numbers of the machine, each an array of length 1.

    Attributes:
        now_ns: the instant up to which the CPUs have been run.
        due_ns: the next instant at which more happens than slices end: requests arrive, demands were met,
            processes woke, the policy has an alarm.
        context_switch_ns: what a switch to another process costs.
        migration_ns: what it costs a process to run on another CPU than its last.
        tick_cost_ns: what a timer tick costs a busy CPU.
        swaps_memory: 1 if a switch may cost putting memory away and bringing it back.
        queued: processes that wait for a CPU.
        woken: length of the list of processes that have become runnable at this instant.
        watched: 1 if the ticket economy must hear at once who is runnable.
        stirred: 1 if there is something for it to hear.
        retunes: processes whose changed tickets the policy has not heard of.
        resumed: 1 if programs are to go on whose teams have executed their bursts.
        handed: 1 if requests are on their way to programs that wait for them.
        ideal_stale: 1 if the fluid ideal must hear of demands or tickets.
        delivered_ns: CPU time delivered in all, booked runs only.
        processes: pids in use.
        sources: sources in use.
        cpus: number of CPUs.
        slices: rows in use in the buffer of slices.
        wrong_pid: the process that the policy named although it is not waiting for a CPU.
        service_ns: CPU time delivered in all up to `now_ns`, unbooked runs included.
        fluid_at_ns: the CPU time delivered when the fluid ideal was last settled.
        fluid_next_ns: the CPU time delivered at which the fluid ideal meets its next demand.
        groups: float64[8, groups], the root first: the number of a group's parent, its tickets, the most
            CPUs it may have, and what the fluid ideal finds out anew each time: how many CPUs its members
            want, it itself wants and is given, and while these are shared, what is left of them and the
            tickets of who shares it.
    """

    now_ns: Int64s
    due_ns: Int64s
    context_switch_ns: Int64s
    migration_ns: Int64s
    tick_cost_ns: Int64s
    swaps_memory: Int64s
    queued: Int64s
    woken: Int64s
    watched: Int64s
    stirred: Int64s
    retunes: Int64s
    resumed: Int64s
    handed: Int64s
    ideal_stale: Int64s
    delivered_ns: Int64s
    processes: Int64s
    sources: Int64s
    cpus: Int64s
    slices: Int64s
    wrong_pid: Int64s
    service_ns: Float64s
    fluid_at_ns: Float64s
    fluid_next_ns: Float64s
    groups: Matrix
    ints: Matrix
    floats: Matrix


class Slices(NamedTuple):
    """Columns of the buffer of finished slices, one value a slice."""

    cpu: Int64s
    pid: Int64s
    start_ns: Int64s
    end_ns: Int64s
    ints: Matrix


class Sources(NamedTuple):
    """Columns of the table of sources of requests, indexed by the source's number.

    Attributes:
        next_ns: when the next request arrives, NEVER if none is known.
        at: how many of the arrival times on hand have been used.
        known: how many arrival times are on hand.
        ended: 1 if there are no more than those.
        closed: 1 for a closed loop, whose next request arrives when its server asks for one.
        think_ns: its pause before that, from the second request on.
        left: requests that a closed loop has yet to make.
        samples: requests that it makes at once.
        coming: those of them that have yet to arrive.
        capacity: how many requests may wait, NEVER for any number.
        drop_newest: 1 if one that finds the queue full is dropped; otherwise the one that waited longest is.
        rows: requests in the log.
        flushed: requests before those, already handed on.
        head: row before which none waits.
        waiting: requests that wait.
        pid: the process that the kernel serves requests for, NOBODY without one.
        current: row of the request being served for it, NOBODY while it waits for one.
        burst_ns: CPU time that each request takes there.
        served: requests served there.
        receivers: programs that wait for a request themselves.
        times: int64[sources, ...], the arrival times on hand.
        log: int64[3, sources, ...], by row: when the request arrived, started (-1: not yet) and finished
            (-1: not yet, DROPPED).
    """

    next_ns: Int64s
    at: Int64s
    known: Int64s
    ended: Int64s
    closed: Int64s
    think_ns: Int64s
    left: Int64s
    samples: Int64s
    coming: Int64s
    capacity: Int64s
    drop_newest: Int64s
    rows: Int64s
    flushed: Int64s
    head: Int64s
    waiting: Int64s
    pid: Int64s
    current: Int64s
    burst_ns: Int64s
    served: Int64s
    receivers: Int64s
    times: Matrix
    log: Matrix
    ints: Matrix


class Teams(NamedTuple):
    """Columns of the table of teams (`simulator.teams`), indexed by the team's number.

    Attributes:
        leader: pid of the first thread; the others' follow it.
        phase: the present phase of the burst.
        length: how many there are.
        missing: threads that have not done their part of it.
        rounds: bursts to be executed until the program goes on.
        phases: int64[2, teams, ...], CPU time of each phase and the number of threads that share it.
    """

    leader: Int64s
    phase: Int64s
    length: Int64s
    missing: Int64s
    rounds: Int64s
    phases: Matrix
    ints: Matrix


PARENT, CLAIM, MOST, HUNGER, WANTED, GIVEN, LEFT, CLAIMS = range(8)
"""Rows of `Totals.groups`."""

ARRIVED, STARTED, FINISHED = 0, 1, 2
"""Planes of `Sources.log`."""

DROPPED = -2
"""When a request finished that was thrown away because the queue was full."""

KINDS: dict[str, type[Any]] = {
    "processes": Processes,
    "cpus": Cpus,
    "totals": Totals,
    "slices": Slices,
    "sources": Sources,
    "teams": Teams,
}
"""The tables by the name that functions call them by."""
