"""What the memory looks like at the end of a window, and when a process ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.maps import pieces_of
from simulator.recordings import (
    ControlSample,
    MemorySample,
    MemorySamples,
    PagingSample,
    PhysicalSample,
    RegionRecord,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import Account
    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory
    from simulator.recordings import Recordings
    from simulator.tables import Int64s


def sample_memory(
    now: int, processes: Sequence[Process], received: Int64s, mechanism: Mechanism
) -> MemorySamples:
    """Return the memory of every process that has any, and physical memory.

    Args:
        now: the time.
        processes: all of them, by pid.
        received: by pid, the CPU time received so far.
        mechanism: what made their address spaces.
    """
    samples, paging = [], []
    disk = mechanism.disk
    for process in processes:
        if process.memory is not None:
            if disk is not None:
                paging.append(_paging(now, process.pid, process.memory.space.account))
            cpu_ns = int(received[process.pid : process.pid + process.threads].sum())
            samples.append(_sample(now, process.pid, process.memory, cpu_ns))
    memory = mechanism.memory
    sizes = (memory.used_bytes, memory.free_bytes, memory.largest_hole_bytes)
    swapping = (0, 0) if disk is None else (disk.used_bytes, disk.worked_ns(now))
    physical = PhysicalSample(now, *sizes, mechanism.compactions, *swapping)
    return MemorySamples(samples, paging, physical, pieces_of(memory))


def sample_controls(
    now: int, controls: Sequence[MemoryControl], entitled: Mapping[MemoryControl, int]
) -> list[ControlSample]:
    """Return what claims hold, and what those of `entitled` are entitled to."""
    return [
        ControlSample(now, one, one.used_bytes, one.tickets, entitled.get(one, 0), one.throttled_ns)
        for one in controls
    ]


def _sample(now: int, pid: int, memory: ProcessMemory, cpu_ns: int) -> MemorySample:
    level = memory.level_bytes(cpu_ns)
    peak = memory.take_peak_bytes(cpu_ns)
    space, heap = memory.space, memory.heap_figures(cpu_ns)
    sizes = (space.virtual_bytes, level, peak, space.resident_bytes)
    unused = space.internal_fragmentation_bytes
    swapping = (space.working_set_bytes, space.swapped_bytes)
    return MemorySample(now, pid, *sizes, *heap[1:], unused, *swapping)


def _paging(now: int, pid: int, account: Account) -> PagingSample:
    counts = (account.minor_faults, account.major_faults)
    sizes = (account.swapped_in_bytes, account.swapped_out_bytes)
    return PagingSample(now, pid, *counts, *sizes, account.blocked_ns)


def keep_figures(record: Recordings, process: Process, received_ns: int) -> None:
    """Keep what is to be told of a process's memory when it has none any more, or the run is over."""
    memory = process.memory
    if memory is None:
        return
    memory.take_peak_bytes(received_ns)
    memory.count_repetition()
    if memory.memcheck is not None:
        memory.memcheck.finish()
    process.peak_heap_bytes = memory.peak_heap_bytes
    process.peak_resident_bytes = memory.peak_resident_bytes
    process.address_space_bytes = memory.space.virtual_bytes
    process.mallocs, process.frees = memory.heap.mallocs, memory.heap.frees
    process.page_table_bytes = memory.space.table_bytes
    record.regions += [RegionRecord(process.pid, region) for region in memory.space.regions()]
