"""What happened, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.kills import KillRecord
    from simulator.memory.address_space import Region
    from simulator.memory.control import MemoryControl
    from simulator.memory.memcheck.diagnosis import Diagnosis
    from simulator.memory.physical import Holding
    from simulator.tables import Float64s, Int64s, Matrix


class MemorySample(NamedTuple):
    """A process's memory at the end of a window.

    Attributes:
        at_ns: when.
        pid: whose.
        virtual_bytes: size of the address space.
        heap_bytes: bytes allocated and not freed.
        heap_peak_bytes: the most of those within the window.
        resident_bytes: physical memory held.
        heap_held_bytes: what the heap has of the address space, used or not.
        heap_free_bytes: of these, those in free chunks.
        largest_free_block_bytes: in the largest free chunk.
        internal_fragmentation_bytes: the part of the physical memory held that the process never asked for.
        working_set_bytes: pages used lately, in memory or not; None on machines that do not look.
        swapped_bytes: pages in a swap device and not in memory.
    """

    at_ns: int
    pid: int
    virtual_bytes: int
    heap_bytes: int
    heap_peak_bytes: int
    resident_bytes: int
    heap_held_bytes: int
    heap_free_bytes: int
    largest_free_block_bytes: int
    internal_fragmentation_bytes: int
    working_set_bytes: int | None
    swapped_bytes: int


class PagingSample(NamedTuple):
    """What faults and the disk have meant to a process from its start to the end of a window.

    Attributes:
        at_ns: when.
        pid: whose.
        minor_faults, major_faults: served without the disk, and with it.
        swapped_in_bytes, swapped_out_bytes: read from disk for it, and written of its pages.
        blocked_ns: time that it has waited for the disk.
    """

    at_ns: int
    pid: int
    minor_faults: int
    major_faults: int
    swapped_in_bytes: int
    swapped_out_bytes: int
    blocked_ns: int


class PhysicalSample(NamedTuple):
    """Physical memory at the end of a window.

    Attributes:
        at_ns: when.
        used_bytes: bytes handed out.
        free_bytes: bytes not handed out.
        largest_hole_bytes: the most neighbouring free bytes.
        compactions: how often spaces had been moved together by then.
        swap_used_bytes: pages in the swap device, 0 without one.
        disk_busy_ns: how long that had worked by then.
    """

    at_ns: int
    used_bytes: int
    free_bytes: int
    largest_hole_bytes: int
    compactions: int
    swap_used_bytes: int
    disk_busy_ns: int


class MapSample(NamedTuple):
    """Who held which part of physical memory, from the end of a window until the next such sample.

    Attributes:
        at_ns: when.
        pieces: what was held, in address order.
    """

    at_ns: int
    pieces: tuple[Holding, ...]


class ControlSample(NamedTuple):
    """A claim on memory at the end of a window.

    Attributes:
        at_ns: when.
        control: the claim.
        used_bytes: what it held.
        tickets: its memory tickets.
        entitled_bytes: what these entitled it to of the whole memory; 0 for a job that was not alive, and for
            groups.
        throttled_ns: how long its processes had slept for holding too much, in all.
    """

    at_ns: int
    control: MemoryControl
    used_bytes: int
    tickets: int
    entitled_bytes: int
    throttled_ns: int


class MemorySamples(NamedTuple):
    """All that is known of memory at the end of a window.

    Attributes:
        processes: of every process that holds memory.
        paging: of the same, where there is a swap device.
        physical: of physical memory as a whole.
        pieces: who held what of it, in address order.
        controls: of the claims that are watched.
    """

    processes: list[MemorySample]
    paging: list[PagingSample]
    physical: PhysicalSample
    pieces: tuple[Holding, ...]
    controls: Sequence[ControlSample] = ()


class RegionRecord(NamedTuple):
    """A region of a process's address space when it ended, or at the end of the run.

    Attributes:
        pid: whose.
        region: what it was.
    """

    pid: int
    region: Region


class MemoryErrorRecord(NamedTuple):
    """What memcheck found in a process.

    Attributes:
        at_ns: when, for the first time.
        pid: in which.
        diagnosis: what.
    """

    at_ns: int
    pid: int
    diagnosis: Diagnosis


class KernelEvent(NamedTuple):
    """Something worth telling.

    Attributes:
        at_ns: when.
        pid: to whom, NOBODY for a currency.
        kind: "spawn", "fork", "print", "compact", "throttle", "refuse", "exit", "kill" or "tickets".
        detail: in words.
    """

    at_ns: int
    pid: int
    kind: str
    detail: str


SLICE = np.dtype([(name, np.int64) for name in ("cpu", "pid", "start_ns", "end_ns")])
"""A finished slice: which process executed on which CPU from when to when."""


@dataclass
class Recordings:
    """Samples at the end of every window, events, finished slices, and requests.

    Who wants them elsewhere than in memory extends the methods.

    Attributes:
        jobs: the names of the processes by pid.
        window_ends_ns: the ends of the windows so far.
        cpu_ns: for each of them int64[pids]: CPU time received since the start.
        entitled_ns: for each of them float64[pids]: the fluid ideal's CPU time since the start.
        memory: samples of every process that holds memory.
        paging: samples of every process that holds memory, where there is a swap device.
        physical: samples of physical memory.
        controls: samples of the claims on memory that are watched.
        maps: who held what, whenever that had changed since the window before.
        pieces: who held what at the end of the last window, None before the first.
        before: the end, `cpu_ns` and `entitled_ns` of the last window before those that are kept.
        events: in order of time.
        kills: processes that were killed or refused for want of memory, in order of time.
        regions: the regions of every address space at its end.
        memory_errors: what memcheck found, in order of time.
        slices: arrays of `SLICE`, in order of the slices' end.
        requests: by number of the source, int64[3, requests] in order of arrival: when each arrived, started
            and finished, as in the log of `simulator.tables.Sources`.
    """

    jobs: list[str] = field(default_factory=list)
    window_ends_ns: list[int] = field(default_factory=list)
    cpu_ns: list[Int64s] = field(default_factory=list)
    entitled_ns: list[Float64s] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    paging: list[PagingSample] = field(default_factory=list)
    physical: list[PhysicalSample] = field(default_factory=list)
    controls: list[ControlSample] = field(default_factory=list)
    maps: list[MapSample] = field(default_factory=list)
    pieces: tuple[Holding, ...] | None = None
    before: tuple[int, Int64s, Float64s] = field(
        default_factory=lambda: (0, np.zeros(0, np.int64), np.zeros(0))
    )
    events: list[KernelEvent] = field(default_factory=list)
    kills: list[KillRecord] = field(default_factory=list)
    regions: list[RegionRecord] = field(default_factory=list)
    memory_errors: list[MemoryErrorRecord] = field(default_factory=list)
    slices: list[Matrix] = field(default_factory=list)
    requests: dict[int, list[Matrix]] = field(default_factory=dict)

    def add_window(self, end_ns: int, cpu_ns: Int64s, entitled_ns: Float64s, memory: MemorySamples) -> None:
        """Take the samples at the end of a window."""
        self.window_ends_ns.append(end_ns)
        self.cpu_ns.append(cpu_ns)
        self.entitled_ns.append(entitled_ns)
        self.memory += memory.processes
        self.paging += memory.paging
        self.physical.append(memory.physical)
        self.controls += memory.controls
        if memory.pieces != self.pieces:
            self.pieces = memory.pieces
            self.maps.append(MapSample(end_ns, memory.pieces))

    def forget_windows(self) -> None:
        """Drop the windows that are kept."""
        if self.window_ends_ns:
            self.before = (self.window_ends_ns[-1], self.cpu_ns[-1], self.entitled_ns[-1])
        columns = (self.window_ends_ns, self.cpu_ns, self.entitled_ns, self.memory, self.physical, self.maps)
        for samples in (*columns, self.paging, self.controls):
            samples.clear()

    def add_slices(self, slices: Matrix) -> None:
        """Take slices that have ended."""
        self.slices.append(slices)

    def add_requests(self, source: int, requests: Matrix) -> None:
        """Take requests of a source to which nothing more will happen."""
        self.requests.setdefault(source, []).append(requests)
