"""What happened, in columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
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


SLICE = np.dtype([(name, np.int64) for name in ("cpu", "pid", "start_ns", "end_ns")])
"""A finished slice: which process executed on which CPU from when to when."""


@dataclass
class Recordings:
    """Samples at the end of every window, events, finished slices, and requests.

    Who wants them elsewhere than in memory extends the methods.

    Attributes:
        window_ends_ns: the ends of the windows so far.
        cpu_ns: for each of them int64[pids]: CPU time received since the start.
        entitled_ns: for each of them float64[pids]: the fluid ideal's CPU time since the start.
        memory: samples of every process that holds memory.
        before: the end, `cpu_ns` and `entitled_ns` of the last window before those that are kept.
        events: in order of time.
        slices: arrays of `SLICE`, in order of the slices' end.
        requests: by number of the source, int64[3, requests] in order of arrival: when each arrived, started
            and finished, as in the log of `simulator.tables.Sources`.
    """

    window_ends_ns: list[int] = field(default_factory=list)
    cpu_ns: list[Int64s] = field(default_factory=list)
    entitled_ns: list[Float64s] = field(default_factory=list)
    memory: list[MemorySample] = field(default_factory=list)
    before: tuple[int, Int64s, Float64s] = field(
        default_factory=lambda: (0, np.zeros(0, np.int64), np.zeros(0))
    )
    events: list[KernelEvent] = field(default_factory=list)
    slices: list[Matrix] = field(default_factory=list)
    requests: dict[int, list[Matrix]] = field(default_factory=dict)

    def add_window(
        self, end_ns: int, cpu_ns: Int64s, entitled_ns: Float64s, memory: list[MemorySample]
    ) -> None:
        """Take the samples at the end of a window."""
        self.window_ends_ns.append(end_ns)
        self.cpu_ns.append(cpu_ns)
        self.entitled_ns.append(entitled_ns)
        self.memory += memory

    def forget_windows(self) -> None:
        """Drop the windows that are kept."""
        if self.window_ends_ns:
            self.before = (self.window_ends_ns[-1], self.cpu_ns[-1], self.entitled_ns[-1])
        for samples in (self.window_ends_ns, self.cpu_ns, self.entitled_ns, self.memory):
            samples.clear()

    def add_slices(self, slices: Matrix) -> None:
        """Take slices that have ended."""
        self.slices.append(slices)

    def add_requests(self, source: int, requests: Matrix) -> None:
        """Take requests of a source to which nothing more will happen."""
        self.requests.setdefault(source, []).append(requests)
