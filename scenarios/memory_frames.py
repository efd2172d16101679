"""From a machine that has run to the tables of its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from simulator.memory.costs import Account
from simulator.memory.errors import SERVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.code_position import Trace
    from simulator.machine import Machine
    from simulator.recordings import MapSample, PagingSample, PhysicalSample

NANOSECONDS = 1e9


def memory_tables(machine: Machine) -> dict[str, pa.Table]:
    """Return the tables that are made at a run's end; that of errors only if memcheck looked for any."""
    checked = any(process.checked for process in machine.processes)
    return {
        "translation": translation_table(machine),
        "address_spaces": address_spaces_table(machine),
        **({"memory_errors": memory_errors_table(machine)} if checked else {}),
    }


def translation_table(machine: Machine) -> pa.Table:
    """One row a process: what its accesses to memory took."""
    processes = machine.processes
    accounts = [process.account or Account() for process in processes]
    counts = {
        "accesses": [account.accesses for account in accounts],
        "references": [account.references for account in accounts],
        "tlb_hits": [account.tlb_hits for account in accounts],
        "tlb_misses": [account.tlb_misses for account in accounts],
        "faults": [sum(account.faults.values()) for account in accounts],
        **{
            f"{kind.replace('-', '_')}_faults": [account.faults[kind] for account in accounts]
            for kind in SERVED
        },
        "moved_bytes": [account.moved_bytes for account in accounts],
        "swapped_in_bytes": [account.swapped_in_bytes for account in accounts],
        "swapped_out_bytes": [account.swapped_out_bytes for account in accounts],
        "page_table_bytes": [process.page_table_bytes for process in processes],
    }
    return pa.table(
        {
            "pid": pa.array([process.pid for process in processes], pa.int64()),
            "job": pa.array([process.name for process in processes], pa.string()),
            **{name: pa.array(values, pa.int64()) for name, values in counts.items()},
            "kernel_s": pa.array([account.kernel_ns / NANOSECONDS for account in accounts], pa.float64()),
            "blocked_s": pa.array([account.blocked_ns / NANOSECONDS for account in accounts], pa.float64()),
        }
    )


def physical_table(samples: Sequence[PhysicalSample]) -> pa.Table:
    """One row a window's end: what was free of physical memory, and in how large a piece."""
    columns = ("used_bytes", "free_bytes", "largest_hole_bytes", "compactions", "swap_used_bytes")
    return pa.table(
        {
            "time_s": pa.array([sample.at_ns / NANOSECONDS for sample in samples], pa.float64()),
            **{name: pa.array([getattr(sample, name) for sample in samples], pa.int64()) for name in columns},
            "disk_busy_s": pa.array([sample.disk_busy_ns / NANOSECONDS for sample in samples], pa.float64()),
        }
    )


def paging_table(samples: Sequence[PagingSample], jobs: Sequence[str]) -> pa.Table:
    """One row a window's end and process: its faults and what they have meant, all from its start on.

    Args:
        samples: where there is a swap device.
        jobs: the jobs' names by pid.
    """
    counts = ("minor_faults", "major_faults", "swapped_in_bytes", "swapped_out_bytes")
    return pa.table(
        {
            "time_s": pa.array([sample.at_ns / NANOSECONDS for sample in samples], pa.float64()),
            "pid": pa.array([sample.pid for sample in samples], pa.int64()),
            "job": pa.array([jobs[sample.pid] for sample in samples], pa.string()),
            **{name: pa.array([getattr(sample, name) for sample in samples], pa.int64()) for name in counts},
            "blocked_s": pa.array([sample.blocked_ns / NANOSECONDS for sample in samples], pa.float64()),
        }
    )


def memory_map_table(samples: Sequence[MapSample]) -> pa.Table:
    """One row a piece of physical memory and change: who held it from the end of a window on.

    A time with no piece at all has a row of size 0.
    """
    rows = [
        (sample.at_ns / NANOSECONDS, piece.base, piece.size, piece.owner)
        for sample in samples
        for piece in sample.pieces
    ]
    rows += [(sample.at_ns / NANOSECONDS, 0, 0, "") for sample in samples if not sample.pieces]
    rows.sort(key=lambda row: row[:2])
    return pa.table(
        {
            "time_s": pa.array([row[0] for row in rows], pa.float64()),
            "base": pa.array([row[1] for row in rows], pa.int64()),
            "size_bytes": pa.array([row[2] for row in rows], pa.int64()),
            "owner": pa.array([row[3] for row in rows], pa.string()),
        }
    )


def memory_errors_table(machine: Machine) -> pa.Table:
    """One row for what memcheck found at a place of a program, and for blocks of one place that leaked."""
    records = machine.recordings.memory_errors
    found = [record.diagnosis for record in records]
    blocks = [diagnosis.block for diagnosis in found]

    def text(values: Sequence[str]) -> pa.Array:
        return pa.array(values, pa.string())

    def number(values: Sequence[int | None]) -> pa.Array:
        return pa.array(values, pa.int64())

    return pa.table(
        {
            "time_s": pa.array([record.at_ns / NANOSECONDS for record in records], pa.float64()),
            "job": text([machine.processes[record.pid].name for record in records]),
            "pid": number([record.pid for record in records]),
            "kind": text([str(diagnosis.kind) for diagnosis in found]),
            "detail": text([diagnosis.detail for diagnosis in found]),
            "function": text([diagnosis.trace[0].function if diagnosis.trace else "" for diagnosis in found]),
            "place": text([diagnosis.trace[0].where if diagnosis.trace else "" for diagnosis in found]),
            "callers": text([_callers(diagnosis.trace[1:]) for diagnosis in found]),
            # An address of the highest half is written as the negative number that it is as a C long.
            "address": number([_as_long(diagnosis.address) for diagnosis in found]),
            "size_bytes": number([diagnosis.size for diagnosis in found]),
            "block_address": number([None if block is None else block.address for block in blocks]),
            "block_bytes": number([None if block is None else block.size for block in blocks]),
            "allocated": text(["" if block is None else _callers(block.allocated) for block in blocks]),
            "freed": text(["" if block is None else _callers(block.freed or ()) for block in blocks]),
            "count": number([diagnosis.count for diagnosis in found]),
        }
    )


def _callers(trace: Trace) -> str:
    return "; ".join(str(place) for place in trace)


def _as_long(address: int) -> int:
    return address - (1 << 64) if address >> 63 else address


def address_spaces_table(machine: Machine) -> pa.Table:
    """One row a region of each process's address space, as it was at the process's end or the run's."""
    records = machine.recordings.regions
    regions = [record.region for record in records]
    return pa.table(
        {
            "pid": pa.array([record.pid for record in records], pa.int64()),
            "job": pa.array([machine.processes[record.pid].name for record in records], pa.string()),
            "region": pa.array([region.name for region in regions], pa.string()),
            "start": pa.array([region.start for region in regions], pa.int64()),
            "size_bytes": pa.array([region.size for region in regions], pa.int64()),
            "resident_bytes": pa.array([region.resident_bytes for region in regions], pa.int64()),
            "allows": pa.array([region.allows for region in regions], pa.string()),
        }
    )
