"""What memory costs in time, and the account of what a process has used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.memory.errors import MAJOR, SERVED

if TYPE_CHECKING:
    from simulator.memory.errors import FaultKind

SECOND_NS = 1_000_000_000
LINE_BYTES = 64
"""A memory reference brings this many bytes, a cache line."""


@dataclass(frozen=True)
class MemoryCosts:
    """How long the memory hardware and the kernel's work on memory take.

    All are modelled: no cache stands between the CPU and the memory.

    Attributes:
        reference_ns: a reference to physical memory.
        fault_ns: a fault, from the trap to the return, without the copying it may need.
        copy_bandwidth: bytes per second when memory is copied within memory.
        disk_latency_ns: until the disk begins to deliver.
        disk_bandwidth: bytes per second then.

    Raises:
        ValueError: a negative time, or a bandwidth below 1 byte per second.
    """

    reference_ns: int = 100
    fault_ns: int = 500
    copy_bandwidth: int = 4 << 30
    disk_latency_ns: int = 5_000_000
    disk_bandwidth: int = 100 << 20

    def __post_init__(self) -> None:
        if min(self.reference_ns, self.fault_ns, self.disk_latency_ns) < 0:
            raise ValueError("memory costs are 0 ns or more")
        if min(self.copy_bandwidth, self.disk_bandwidth) < 1:
            raise ValueError("a bandwidth is 1 byte per second or more")

    def copy_ns(self, size: int) -> int:
        """Return how long it takes to copy `size` bytes within memory."""
        return -(-size * SECOND_NS // self.copy_bandwidth)

    def disk_ns(self, size: int) -> int:
        """Return how long it takes to read or write `size` bytes in one go."""
        return self.disk_latency_ns - (-size * SECOND_NS // self.disk_bandwidth)


@dataclass
class Account:
    """What a process's memory accesses have taken; all numbers count from its start.

    Attributes:
        accesses: addresses translated.
        references: memory references made to translate them.
        data_references: memory references for the data themselves.
        tlb_hits, tlb_misses: translations that the TLB knew, and did not know; 0 without a TLB.
        faults: served faults by kind.
        moved_bytes: bytes copied within memory for it: at forks, to make room, when a segment grows.
        kernel_ns: the kernel's work in all: faults and copying.
        swapped_in_bytes: read from disk for it, pages of files included.
        swapped_out_bytes: its pages written to disk.
        blocked_ns: how long it has waited for the disk, without a CPU.
    """

    accesses: int = 0
    references: int = 0
    data_references: int = 0
    tlb_hits: int = 0
    tlb_misses: int = 0
    faults: dict[FaultKind, int] = field(default_factory=lambda: dict.fromkeys(SERVED, 0))
    moved_bytes: int = 0
    kernel_ns: int = 0
    swapped_in_bytes: int = 0
    swapped_out_bytes: int = 0
    blocked_ns: int = 0
    _settled_ns: int = 0
    _settled_references: int = 0

    @property
    def major_faults(self) -> int:
        """Faults for which something was read from disk."""
        return sum(self.faults[kind] for kind in MAJOR)

    @property
    def minor_faults(self) -> int:
        """All others that were served."""
        return sum(self.faults.values()) - self.major_faults

    def fault(self, kind: FaultKind, count: int, costs: MemoryCosts) -> None:
        """Count served faults and their cost."""
        self.faults[kind] += count
        self.kernel_ns += count * costs.fault_ns

    def copied(self, size: int, costs: MemoryCosts) -> None:
        """Count bytes copied within memory and the cost of that."""
        self.moved_bytes += size
        self.kernel_ns += costs.copy_ns(size)

    def settle(self, costs: MemoryCosts) -> int:
        """Return the CPU time that what happened since the last call has cost."""
        references = self.references + self.data_references
        owed = self.kernel_ns - self._settled_ns
        owed += (references - self._settled_references) * costs.reference_ns
        self._settled_ns, self._settled_references = self.kernel_ns, references
        return owed
