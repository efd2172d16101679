"""What happened, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
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
        heap_held_bytes: what the heap has of the address space, used or not.
        heap_free_bytes: of these, those in free chunks.
        largest_free_block_bytes: in the largest free chunk.
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


class KernelEvent(NamedTuple):
    """Something worth telling.

    Attributes:
        at_ns: when.
        pid: to whom, NOBODY for a currency.
        kind: "spawn", "refuse", "exit", "kill" or "tickets".
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
        events: in order of time.
    """

    window_ends_ns: list[int] = field(default_factory=list)
    cpu_ns: list[Int64s] = field(default_factory=list)
    entitled_ns: list[Float64s] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    events: list[KernelEvent] = field(default_factory=list)
