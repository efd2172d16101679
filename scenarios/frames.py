"""From a machine that has run to tidy tables: floats and units in the column names begin here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scenarios.memory_frames import memory_tables
from simulator.waits import bucket_ends_ns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from simulator.channels import Request, Source
    from simulator.machine import Machine

NANOSECONDS = 1e9


def all_tables(
    machine: Machine, sources: Mapping[str, Source], deadlines_ns: Mapping[str, int | None], end_ns: int
) -> dict[str, pa.Table]:
    """Return every table of a finished run.

    Args:
        machine: after `run`.
        sources: by job, where its requests came from.
        deadlines_ns: by job, its relative deadline in nanoseconds or None.
        end_ns: the end of the run.
    """
    return {
        "processes": processes_table(machine, end_ns),
        "cpus": cpus_table(machine, end_ns),
        "cpu": windows_table(machine),
        "memory": memory_table(machine),
        "requests": requests_table(sources, deadlines_ns),
        "slices": slices_table(machine),
        "events": events_table(machine),
        "runqueue_latency": runqueue_latency_table(machine),
        **memory_tables(machine),
    }


def processes_table(machine: Machine, end_ns: int) -> pa.Table:
    """One row a process: what it got, what it was entitled to, and how it ended."""
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
            "tickets": rows["tickets"],
            "base_tickets": rows["tickets"] / economy.scale,
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


def windows_table(machine: Machine) -> pa.Table:
    """One row a window and process: CPU time got and entitled to, as shares of all CPUs."""
    record = machine.recordings
    names = [process.name for process in machine.processes]
    ends = np.array(record.window_ends_ns, np.int64)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    got = np.diff(_stacked(record.cpu_ns, len(names)), axis=0, prepend=0)
    entitled = np.diff(_stacked(record.entitled_ns, len(names)), axis=0, prepend=0)
    capacity = ((ends - starts) * len(machine.dispatcher.state.cpus.pid))[:, None]
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


def memory_table(machine: Machine) -> pa.Table:
    """One row a window's end and process that holds memory then."""
    samples = machine.recordings.memory
    return pa.table(
        {
            "time_s": _seconds([sample.at_ns for sample in samples]),
            "job": pa.array([machine.processes[sample.pid].name for sample in samples], pa.string()),
            "virtual_bytes": pa.array([sample.virtual_bytes for sample in samples], pa.int64()),
            "heap_bytes": pa.array([sample.heap_bytes for sample in samples], pa.int64()),
            "heap_peak_bytes": pa.array([sample.heap_peak_bytes for sample in samples], pa.int64()),
            "resident_bytes": pa.array([sample.resident_bytes for sample in samples], pa.int64()),
            "internal_fragmentation_bytes": pa.array(
                [sample.internal_fragmentation_bytes for sample in samples], pa.int64()
            ),
        }
    )


def requests_table(sources: Mapping[str, Source], deadlines_ns: Mapping[str, int | None]) -> pa.Table:
    """One row a request, by job and in order of arrival."""
    rows = [(job, request) for job, source in sources.items() for request in source.requests]
    finished = _seconds([request.finished_ns for _, request in rows])
    latency = _seconds([_latency(request) for _, request in rows])
    deadline = _seconds([deadlines_ns[job] or -1 for job, _ in rows])
    known = ~np.isnan(latency) & ~np.isnan(deadline)
    met = [bool(value) if there else None for value, there in zip(latency <= deadline, known, strict=True)]
    return pa.table(
        {
            "job": pa.array([job for job, _ in rows], pa.string()),
            "request": pa.array([request.number for _, request in rows], pa.int64()),
            "arrived_s": _seconds([request.arrived_ns for _, request in rows]),
            "started_s": _seconds([request.started_ns for _, request in rows]),
            "finished_s": finished,
            "latency_s": latency,
            "deadline_s": deadline,
            "met": pa.array(met, pa.bool_()),
            "outcome": pa.array([_outcome(request) for _, request in rows], pa.string()),
        }
    )


def slices_table(machine: Machine) -> pa.Table:
    """One row a slice that is on record, in order of its end."""
    names = pa.array([process.name for process in machine.processes], pa.string())
    parts = machine.dispatcher.finished_slices
    columns = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0, np.int64)
        for name in ("cpu", "pid", "start_ns", "end_ns")
    }
    return pa.table(
        {
            "cpu": columns["cpu"],
            "pid": columns["pid"],
            "job": names.take(pa.array(columns["pid"])),
            "start_ns": columns["start_ns"],
            "end_ns": columns["end_ns"],
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


def _latency(request: Request) -> int:
    return request.finished_ns - request.arrived_ns if request.finished_ns >= 0 else -1


def _outcome(request: Request) -> str:
    if request.finished_ns >= 0:
        return "finished"
    return "dropped" if request.dropped else "unfinished"
