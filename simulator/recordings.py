"""What happened, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulator.memory.address_space import Region
    from simulator.memory.physical import Holding
    from simulator.tables import Float64s, Int64s


class MemorySample(NamedTuple):
    """A process's memory at the end of a window.

    Attributes:
        at_ns: when.
        pid: whose.
        virtual_bytes: size of the address space.
        heap_bytes: bytes allocated and not freed.
        heap_peak_bytes: the most of those within the window.
        resident_bytes: physical memory held.
        internal_fragmentation_bytes: the part of that which the process never asked for.
    """

    at_ns: int
    pid: int
    virtual_bytes: int
    heap_bytes: int
    heap_peak_bytes: int
    resident_bytes: int
    internal_fragmentation_bytes: int


class PhysicalSample(NamedTuple):
    """Physical memory at the end of a window.

    Attributes:
        at_ns: when.
        used_bytes: bytes handed out.
        free_bytes: bytes not handed out.
        largest_hole_bytes: the most neighbouring free bytes.
        compactions: how often spaces had been moved together by then.
    """

    at_ns: int
    used_bytes: int
    free_bytes: int
    largest_hole_bytes: int
    compactions: int


class MapSample(NamedTuple):
    """Who held which part of physical memory, from the end of a window until the next such sample.

    Attributes:
        at_ns: when.
        pieces: what was held, in address order.
    """

    at_ns: int
    pieces: tuple[Holding, ...]


class RegionRecord(NamedTuple):
    """A region of a process's address space when it ended, or at the end of the run.

    Attributes:
        pid: whose.
        region: what it was.
    """

    pid: int
    region: Region


class KernelEvent(NamedTuple):
    """Something worth telling.

    Attributes:
        at_ns: when.
        pid: to whom, NOBODY for a currency.
        kind: "spawn", "fork", "compact", "refuse", "exit", "kill" or "tickets".
        detail: in words.
    """

    at_ns: int
    pid: int
    kind: str
    detail: str


@dataclass
class Recordings:
    """Samples at the end of every window, and events.

    Attributes:
        window_ends_ns: the ends of the windows so far.
        cpu_ns: for each of them int64[pids]: CPU time received since the start.
        entitled_ns: for each of them float64[pids]: the fluid ideal's CPU time since the start.
        memory: samples of every process that holds memory.
        physical: samples of physical memory.
        maps: who held what, whenever that had changed since the window before.
        regions: the regions of every address space at its end.
        events: in order of time.
    """

    window_ends_ns: list[int] = field(default_factory=list)
    cpu_ns: list[Int64s] = field(default_factory=list)
    entitled_ns: list[Float64s] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    physical: list[PhysicalSample] = field(default_factory=list)
    maps: list[MapSample] = field(default_factory=list)
    regions: list[RegionRecord] = field(default_factory=list)
    events: list[KernelEvent] = field(default_factory=list)
