"""An address space without end, in which a heap can be tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace

FIRST_MAPPING = 1 << 46
"""Where mappings begin: beyond any heap."""


class Boundless:
    """Takes the place of a space behind a copy of a heap; nothing that the heap does is done to the space.

    Attributes:
        can_map: whether the space could map regions.
        grown_bytes: the most that the heap has grown.
    """

    def __init__(self, space: AddressSpace) -> None:
        self.can_map = space.can_map
        self.grown_bytes = 0
        self._first = self._break = space.grow_heap(0)
        self._mapped = FIRST_MAPPING

    def grow_heap(self, size: int) -> int:
        """Move the break up."""
        before = self._break
        self._break += size
        self.grown_bytes = max(self.grown_bytes, self._break - self._first)
        return before

    def shrink_heap(self, size: int) -> bool:
        """Move the break down."""
        self._break -= size
        return True

    def map_region(self, size: int) -> int:
        """Map a region where nothing is."""
        address = self._mapped
        self._mapped += size
        return address

    def unmap_region(self, address: int) -> None:
        """Forget a region."""
