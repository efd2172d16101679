"""Heaps for tests: every configuration, and a space that begins where a test wants it to."""

from __future__ import annotations

from simulator.memory.errors import OutOfMemory
from simulator.memory.heap_config import COALESCINGS, FIRST_FIT, GLIBC, ORDERS, PRESETS, HeapConfig

LISTS = [
    HeapConfig(placement=placement, order=order, coalescing=coalescing)
    for placement in ("first", "next", "best", "worst")
    for order in ORDERS
    for coalescing in COALESCINGS
]
OTHERS = [
    *(HeapConfig(placement="segregated", coalescing=how) for how in ("immediate", "deferred", "never")),
    PRESETS["buddy"],
    HeapConfig(placement="buddy", header_bytes=8, min_block_bytes=64),
    GLIBC,
    *(
        HeapConfig(order="lifo", coalescing=how, top_apart=True, growth_bytes=4096, trim_threshold_bytes=8192)
        for how in ("immediate", "deferred", "never")
    ),
    HeapConfig(header_bytes=4, alignment_bytes=8, min_block_bytes=8, trim_threshold_bytes=4096),
    HeapConfig(header_bytes=0, alignment_bytes=1, min_block_bytes=1, min_remainder_bytes=1),
    HeapConfig(header_bytes=24, alignment_bytes=64, min_block_bytes=64, aligned=False),
]
CONFIGS = [*LISTS, *OTHERS]


class Region:
    """What a heap needs of a space: from `base` on so much room, and so much for mappings far above it."""

    MAPPINGS = 1 << 40

    def __init__(self, base: int, room: int, mappings: int = 0) -> None:
        self.base, self.room, self.mappings = base, room, mappings
        self.grown = 0
        self.mapped: dict[int, int] = {}
        self.can_map = mappings > 0

    def grow_heap(self, size):
        """Within the room."""
        if self.grown + size > self.room:
            left = self.room - self.grown
            raise OutOfMemory(f"{left} bytes are left", size, left, left)
        self.grown += size
        return self.base + self.grown - size

    def shrink_heap(self, size):
        """Down to the base."""
        self.grown -= size
        assert self.grown >= 0
        return True

    def map_region(self, size):
        """At the lowest place that is free."""
        if sum(self.mapped.values()) + size > self.mappings:
            raise OutOfMemory("no room for a mapping", size, 0, 0)
        address = self.MAPPINGS
        while any(address < there + held and there < address + size for there, held in self.mapped.items()):
            address += 4096
        self.mapped[address] = size
        return address

    def unmap_region(self, address):
        """Once."""
        del self.mapped[address]


def described(config: HeapConfig) -> str:
    """Name a configuration by what it differs in from first fit."""
    return "-".join(
        str(value)
        for name, value in vars(config).items()
        if value != getattr(FIRST_FIT, name) or name == "placement"
    )
