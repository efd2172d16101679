"""The kernel's columnar state: one row a process, one row a CPU.

The span loop reads and writes these arrays directly, interpreted or compiled; nothing else of the kernel's
accounting exists beside them. Each table is one structured array, and a named tuple of its columns is what
code works with.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Histograms = NDArray[np.int64]
"""int64[rows, WAIT_BUCKETS]: a histogram of waits a row."""
Table = NDArray[Any]
"""A structured array."""

NEVER = np.iinfo(np.int64).max
"""A time that does not come."""

FAR = 1e300
"""An amount of service that is never delivered."""

NOBODY = -1
"""The pid where there is no process."""

WAIT_BUCKETS = 256
"""Buckets of a histogram of waits: four for each power of two that a time can have."""


class Processes(NamedTuple):
    """Columns of the process table, indexed by pid.

    Attributes:
        demand_ns: CPU time still to be received before the program goes on.
        cpu_ns: CPU time received in all.
        ready_since_ns: since when a queued process has been waiting.
        wait_ns: time spent runnable but on no CPU, up to the last dispatch.
        first_run_ns: when it first executed, -1 before.
        dispatches: times it was given a CPU.
        switches_in: dispatches that needed a context switch.
        preemptions: times another process took its CPU while it wanted to go on.
        last_cpu: the CPU it was on last, NOBODY before.
        migrations: dispatches on another CPU than its last.
        waits: int64[processes, WAIT_BUCKETS], how often it waited how long for a CPU (`simulator.waits`).
        affinity: the CPUs it may run on, one bit each.
        queued: 1 while the policy may pick it: runnable and on no CPU.
        tickets: its tickets as they are now.
        owed_ns: demand that the fluid ideal has yet to serve, when it was last settled.
        rate: its part in the fluid ideal of the CPU time delivered since then.
        entitled_ns: what the fluid ideal had given it then.
        lag_max_ns: the most by which it was behind the ideal.
        lag_min_ns: the most by which it was ahead, <= 0.
        save_ns: what it costs to put its memory away when another process is given its CPU.
        restore_ns: what it costs to bring its memory back before it is given a CPU.
    """

    demand_ns: Int64s
    cpu_ns: Int64s
    ready_since_ns: Int64s
    wait_ns: Int64s
    first_run_ns: Int64s
    dispatches: Int64s
    switches_in: Int64s
    preemptions: Int64s
    last_cpu: Int64s
    migrations: Int64s
    waits: Histograms
    affinity: Int64s
    queued: Int64s
    tickets: Int64s
    owed_ns: Float64s
    rate: Float64s
    entitled_ns: Float64s
    lag_max_ns: Float64s
    lag_min_ns: Float64s
    save_ns: Int64s
    restore_ns: Int64s


class Cpus(NamedTuple):
    """Columns of the CPU table, indexed by the CPU's number.

    Attributes:
        pid: the process on the CPU, NOBODY when idle.
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


class Totals(NamedTuple):
    """Single numbers of the machine, each an array of length 1.

    Attributes:
        now_ns: the instant up to which the CPUs have been run.
        context_switch_ns: what a switch to another process costs.
        migration_ns: what it costs a process to run on another CPU than its last.
        tick_cost_ns: what a timer tick costs a busy CPU.
        queued: processes that wait for a CPU.
        quanta: slices that have ended.
        delivered_ns: CPU time delivered in all, booked runs only.
        processes: pids in use.
        cpus: number of CPUs.
        fluid_at_ns: the CPU time delivered when the fluid ideal was last settled.
        fluid_next_ns: the CPU time delivered at which the fluid ideal meets its next demand.
        slices: rows in use in the buffer of slices.
        wrong_pid: the process that the policy named although it is not waiting for a CPU.
    """

    now_ns: Int64s
    context_switch_ns: Int64s
    migration_ns: Int64s
    tick_cost_ns: Int64s
    queued: Int64s
    quanta: Int64s
    delivered_ns: Int64s
    processes: Int64s
    cpus: Int64s
    fluid_at_ns: Float64s
    fluid_next_ns: Float64s
    slices: Int64s
    wrong_pid: Int64s


class Slices(NamedTuple):
    """Columns of the buffer of finished slices, one row a slice."""

    cpu: Int64s
    pid: Int64s
    start_ns: Int64s
    end_ns: Int64s


Columns = TypeVar("Columns", Processes, Cpus, Totals, Slices)


def new_table(kind: type[Columns], rows: int) -> Table:
    """Return a structured array of zeros with the columns of `kind`."""
    hints = {column: str(hint) for column, hint in kind.__annotations__.items()}
    floats = {column for column, hint in hints.items() if "Float64s" in hint}
    histograms = {column for column, hint in hints.items() if "Histograms" in hint}
    return np.zeros(
        rows,
        [
            (
                column,
                np.float64 if column in floats else np.int64,
                (WAIT_BUCKETS,) if column in histograms else (),
            )
            for column in kind._fields
        ],
    )


def columns_of(kind: type[Columns], table: Table) -> Columns:
    """Return the named columns of a table, as views into it."""
    return kind(*(table[name] for name in kind._fields))


def process_table(capacity: int) -> Table:
    """Return an empty process table with room for `capacity` processes."""
    table = new_table(Processes, capacity)
    table["first_run_ns"] = -1
    table["last_cpu"] = NOBODY
    return table


def cpu_table(cpus: int) -> Table:
    """Return the table of `cpus` idle CPUs at time 0."""
    table = new_table(Cpus, cpus)
    table["pid"] = NOBODY
    table["last_pid"] = NOBODY
    table["run_end_ns"] = NEVER
    return table


def grown(table: Table, capacity: int) -> Table:
    """Return a copy of the process table with room for `capacity` processes."""
    larger = process_table(capacity)
    larger[: len(table)] = table
    return larger
