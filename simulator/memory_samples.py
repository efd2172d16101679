"""What the memory looks like at the end of a window, put on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.maps import pieces_of
from simulator.recordings import MapSample, MemorySample, PhysicalSample, RegionRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process
    from simulator.recordings import Recordings
    from simulator.tables import Int64s


def sample_processes(record: Recordings, now: int, processes: Sequence[Process], received: Int64s) -> None:
    """Record the memory of every process that has any.

    Args:
        record: where.
        now: the time.
        processes: all of them, by pid.
        received: by pid, the CPU time received so far.
    """
    for process in processes:
        memory = process.memory
        if memory is not None:
            cpu_ns = int(received[process.pid])
            level = memory.level_bytes(cpu_ns)
            peak = memory.take_peak_bytes(cpu_ns)
            space = memory.space
            sizes = (space.virtual_bytes, level, peak, space.resident_bytes)
            unused = space.internal_fragmentation_bytes
            record.memory.append(MemorySample(now, process.pid, *sizes, unused))


def sample_physical(record: Recordings, now: int, mechanism: Mechanism) -> None:
    """Record physical memory, and who holds what if that has changed."""
    memory = mechanism.memory
    sizes = (memory.used_bytes, memory.free_bytes, memory.largest_hole_bytes)
    record.physical.append(PhysicalSample(now, *sizes, mechanism.compactions))
    pieces = pieces_of(memory)
    if not record.maps or record.maps[-1].pieces != pieces:
        record.maps.append(MapSample(now, pieces))


def keep_figures(record: Recordings, process: Process, received_ns: int) -> None:
    """Keep what is to be told of a process's memory when it has none any more, or the run is over."""
    memory = process.memory
    if memory is None:
        return
    memory.take_peak_bytes(received_ns)
    process.peak_heap_bytes = memory.peak_heap_bytes
    process.peak_resident_bytes = memory.peak_resident_bytes
    process.address_space_bytes = memory.space.virtual_bytes
    process.mallocs, process.frees = memory.heap.mallocs, memory.heap.frees
    process.page_table_bytes = memory.space.table_bytes
    record.regions += [RegionRecord(process.pid, region) for region in memory.space.regions()]
