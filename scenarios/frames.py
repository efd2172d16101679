"""From a machine that has run to tidy tables: floats and units in the column names begin here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scenarios.group_frames import groups_table
from scenarios.kill_frames import kill_tables, limits_table
from scenarios.memory_frames import memory_tables
from simulator.tables import DROPPED
from simulator.waits import bucket_ends_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from scenarios.memory import MachineMemory
    from simulator.machine import Machine
    from simulator.recordings import MemorySample, Recordings
    from simulator.tables import Matrix

NANOSECONDS = 1e9
OUTCOMES = ("finished", "dropped", "unfinished")


def final_tables(machine: Machine, end_ns: int, memory: MachineMemory) -> dict[str, pa.Table]:
    """Return the tables that are made at a run's end; that of heaps only if one was recorded.

    The others are written on the way.

    Args:
        machine: after `run`.
        end_ns: the end of the run.
        memory: as the scenario has it.
    """
    limited = {"memory_limits": limits_table(machine.watched)} if machine.watched else {}
    recorded = any(process.heap_log is not None for process in machine.processes)
    grouped = {"groups": groups_table(machine)} if len(machine.groups) > 1 else {}
    return {
        **grouped,
        "processes": processes_table(machine, end_ns),
        "cpus": cpus_table(machine, end_ns),
        "events": events_table(machine),
        "runqueue_latency": runqueue_latency_table(machine),
        **memory_tables(machine),
        **kill_tables(machine, memory),
        **limited,
        **({"heap": heap_table(machine)} if recorded else {}),
    }


def processes_table(machine: Machine, end_ns: int) -> pa.Table:
    """One row a thread, of which most processes have one: what it got and was entitled to, how it ended."""
    processes = machine.processes
    economy = machine.bank.economy
    count = len(processes)
    columns = machine.dispatcher.state.processes
    rows = {name: getattr(columns, name)[:count] for name in columns._fields}
    first_run = np.where(
        (rows["first_run_ns"] >= 0) & (rows["first_run_ns"] < end_ns), rows["first_run_ns"], -1
    )
    ended = [process.ended for process in processes]
    return pa.table(
        {
            "pid": [process.pid for process in processes],
            "job": pa.array([process.name for process in processes], pa.string()),
            "thread": [process.pid - (process.leader or process).pid for process in processes],
            "tickets": rows["tickets"],
            "base_tickets": rows["tickets"] / economy.scale,
            "group": pa.array([process.group for process in processes], pa.string()),
            "currency": pa.array([economy.currency_of(process.pid) for process in processes], pa.string()),
            "state": pa.array([str(state) for state in machine.final_states], pa.string()),
            "arrived_s": _seconds([process.arrived_ns for process in processes]),
            "first_run_s": _seconds(first_run),
            "exited_s": _seconds([-1 if end is None else end.at_ns for end in ended]),
            "cpu_s": _seconds(rows["cpu_ns"]),
            "wait_s": _seconds(rows["wait_ns"]),
            "entitled_s": rows["entitled_ns"] / NANOSECONDS,
            "lag_max_s": rows["lag_max_ns"] / NANOSECONDS,
            "lag_min_s": rows["lag_min_ns"] / NANOSECONDS,
            "dispatches": rows["dispatches"],
            "switches_in": rows["switches_in"],
            "preemptions": rows["preemptions"],
            "migrations": rows["migrations"],
            "address_space_bytes": pa.array(
                [process.address_space_bytes for process in processes], pa.int64()
            ),
            "peak_resident_bytes": pa.array(
                [process.peak_resident_bytes for process in processes], pa.int64()
            ),
            "peak_heap_bytes": pa.array([process.peak_heap_bytes for process in processes], pa.int64()),
            "mallocs": pa.array([process.mallocs for process in processes], pa.int64()),
            "frees": pa.array([process.frees for process in processes], pa.int64()),
            "exit_code": pa.array([None if end is None else end.code for end in ended], pa.int64()),
            "exit_reason": pa.array(["" if end is None else end.reason for end in ended], pa.string()),
        }
    )


def cpus_table(machine: Machine, end_ns: int) -> pa.Table:
    """One row a CPU: its books."""
    cpus = machine.dispatcher.state.cpus
    return pa.table(
        {
            "cpu": np.arange(len(cpus.pid)),
            "busy_s": _seconds(cpus.busy_ns),
            "switching_s": _seconds(cpus.switching_ns),
            "migrating_s": _seconds(cpus.migrating_ns),
            "ticking_s": _seconds(cpus.ticking_ns),
            "idle_s": _seconds(cpus.idle_ns),
            "wasted_s": _seconds(cpus.wasted_ns),
            "elapsed_s": np.full(len(cpus.pid), end_ns / NANOSECONDS),
            "switches": cpus.switches.copy(),
        }
    )


def windows_table(record: Recordings, jobs: Sequence[str], cpus: int) -> pa.Table:
    """One row a window and job: CPU time got and entitled to, as shares of all CPUs.

    Args:
        record: the windows that are kept, and the last one before them.
        jobs: the jobs' names by pid.
        cpus: number of CPUs.
    """
    names = list(dict.fromkeys(jobs))
    whose = np.array([[name == job for name in names] for job in jobs], np.float64).reshape(len(jobs), -1)
    before_ns, cpu_before, entitled_before = record.before
    edges = np.array([before_ns, *record.window_ends_ns], np.int64)
    starts, ends = edges[:-1], edges[1:]
    got = np.diff(_stacked([cpu_before, *record.cpu_ns], len(jobs)), axis=0) @ whose
    entitled = np.diff(_stacked([entitled_before, *record.entitled_ns], len(jobs)), axis=0) @ whose
    capacity = ((ends - starts) * cpus)[:, None]
    return pa.table(
        {
            "window_start_s": np.repeat(starts / NANOSECONDS, len(names)),
            "window_end_s": np.repeat(ends / NANOSECONDS, len(names)),
            "job": pa.array(names * len(ends), pa.string()),
            "cpu_s": (got / NANOSECONDS).ravel(),
            "share": (got / capacity).ravel(),
            "entitled_share": (entitled / capacity).ravel(),
        }
    )


def memory_table(samples: Sequence[MemorySample], jobs: Sequence[str]) -> pa.Table:
    """One row a window's end and process that holds memory then; `jobs` are the jobs' names by pid."""
    return pa.table(
        {
            "time_s": _seconds([sample.at_ns for sample in samples]),
            "job": pa.array([jobs[sample.pid] for sample in samples], pa.string()),
            "virtual_bytes": pa.array([sample.virtual_bytes for sample in samples], pa.int64()),
            "heap_bytes": pa.array([sample.heap_bytes for sample in samples], pa.int64()),
            "heap_peak_bytes": pa.array([sample.heap_peak_bytes for sample in samples], pa.int64()),
            "resident_bytes": pa.array([sample.resident_bytes for sample in samples], pa.int64()),
            "heap_held_bytes": pa.array([sample.heap_held_bytes for sample in samples], pa.int64()),
            "heap_free_bytes": pa.array([sample.heap_free_bytes for sample in samples], pa.int64()),
            "largest_free_block_bytes": pa.array(
                [sample.largest_free_block_bytes for sample in samples], pa.int64()
            ),
            "internal_fragmentation_bytes": pa.array(
                [sample.internal_fragmentation_bytes for sample in samples], pa.int64()
            ),
            "working_set_bytes": pa.array([sample.working_set_bytes for sample in samples], pa.int64()),
            "swapped_bytes": pa.array([sample.swapped_bytes for sample in samples], pa.int64()),
        }
    )


def heap_table(machine: Machine) -> pa.Table:
    """One row a block, mapping or extent of a heap that was recorded, with its life in CPU time received.

    What was alive at the end, or when recording ended, has NaN for its end.
    """
    rows = [
        (process, piece)
        for process in machine.processes
        if process.heap_log is not None
        for piece in process.heap_log.pieces
    ]
    return pa.table(
        {
            "job": pa.array([process.name for process, _ in rows], pa.string()),
            "pid": pa.array([process.pid for process, _ in rows], pa.int64()),
            "kind": pa.array([piece.kind for _, piece in rows], pa.string()),
            "address": pa.array([piece.address for _, piece in rows], pa.int64()),
            "size_bytes": pa.array([piece.size_bytes for _, piece in rows], pa.int64()),
            "asked_bytes": pa.array([piece.asked_bytes for _, piece in rows], pa.int64()),
            "from_cpu_s": _seconds([piece.from_ns for _, piece in rows]),
            "to_cpu_s": _seconds([piece.to_ns for _, piece in rows]),
        }
    )


def requests_table(job: str, first: int, log: Matrix, deadline_ns: int | None) -> pa.Table:
    """One row a request, in order of arrival.

    Args:
        job: whose requests.
        first: number of the first of them.
        log: int64[3, requests], when each arrived, started and finished (`simulator.tables.Sources`).
        deadline_ns: the job's relative deadline in nanoseconds or None.
    """
    arrived, started, finished = log
    count = len(arrived)
    answered = finished >= 0
    latency = np.where(answered, finished - arrived, -1)
    met = pa.array(latency <= (deadline_ns or 0), mask=~answered | (deadline_ns is None), type=pa.bool_())
    outcome = np.where(answered, 0, np.where(finished == DROPPED, 1, 2)).astype(np.int8)
    return pa.table(
        {
            "job": pa.array([job]).take(pa.array(np.zeros(count, np.int8))),
            "request": np.arange(first, first + count),
            "arrived_s": _seconds(arrived),
            "started_s": _seconds(started),
            "finished_s": _seconds(finished),
            "latency_s": _seconds(latency),
            "deadline_s": _seconds(np.full(count, -1 if deadline_ns is None else deadline_ns)),
            "met": met,
            "outcome": pa.array(OUTCOMES).take(pa.array(outcome)),
        }
    )


def slices_table(names: Sequence[str], slices: Matrix) -> pa.Table:
    """One row a slice, in order of its end; `names` are the jobs' by pid."""
    return pa.table(
        {
            "cpu": slices["cpu"],
            "pid": slices["pid"],
            "job": pa.array(names, pa.string()).take(pa.array(slices["pid"])),
            "start_ns": slices["start_ns"],
            "end_ns": slices["end_ns"],
        }
    )


def events_table(machine: Machine) -> pa.Table:
    """One row for each thing worth telling, in order of time."""
    events = machine.recordings.events
    return pa.table(
        {
            "time_s": _seconds([event.at_ns for event in events]),
            "pid": pa.array([event.pid for event in events], pa.int64()),
            "job": pa.array(
                [machine.processes[event.pid].name if event.pid >= 0 else "" for event in events], pa.string()
            ),
            "kind": pa.array([event.kind for event in events], pa.string()),
            "detail": pa.array([event.detail for event in events], pa.string()),
        }
    )


def runqueue_latency_table(machine: Machine) -> pa.Table:
    """One row a job and bucket of waits for a CPU, from ready to dispatched, that holds any."""
    processes = machine.processes
    waits = machine.dispatcher.state.processes.waits
    by_job: dict[str, NDArray[np.int64]] = {}
    for process in processes:
        by_job[process.name] = by_job.get(process.name, 0) + waits[process.pid]
    rows = [(job, bucket) for job, counts in by_job.items() for bucket in np.flatnonzero(counts)]
    ends = bucket_ends_ns()
    return pa.table(
        {
            "job": pa.array([job for job, _ in rows], pa.string()),
            "bucket_low_ns": pa.array([ends[bucket] for _, bucket in rows], pa.int64()),
            "bucket_high_ns": pa.array([ends[bucket + 1] for _, bucket in rows], pa.int64()),
            "count": pa.array([int(by_job[job][bucket]) for job, bucket in rows], pa.int64()),
        }
    )


def _seconds(nanoseconds: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float64]:
    """Return seconds; a negative time never came and is NaN."""
    values = np.asarray(nanoseconds, np.int64)
    seconds: NDArray[np.float64] = np.where(values >= 0, values / NANOSECONDS, np.nan)
    return seconds


def _stacked(rows: Sequence[NDArray[Any]], width: int) -> NDArray[Any]:
    """Return rows as a matrix; a process spawned later has zeros before."""
    matrix = np.zeros((len(rows), width))
    for at, row in enumerate(rows):
        matrix[at, : len(row)] = row
    return matrix
