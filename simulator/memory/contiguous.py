"""Address spaces that are one piece: code, heap, a gap, and the stack at the top (OSTEP fig. 15.1)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.address_space import UNUSED, Access, AddressSpace, Region
from simulator.memory.errors import HeapRoomSpent, OutOfMemory
from simulator.memory.format import format_bytes, round_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl

SPACE_UNIT = 4096
"""An address space is a multiple of this many bytes."""

HEAP_ALIGNMENT = 16
"""The heap starts at a multiple of this, so that what malloc returns is aligned for any type."""


def space_bytes(layout: Layout) -> int:
    """Return the size of a contiguous space that holds a layout; rounding up adds to the heap's room."""
    start = round_up(layout.code_bytes, HEAP_ALIGNMENT)
    return round_up(start + layout.heap_bytes + layout.stack_bytes, SPACE_UNIT)


class ContiguousSpace(AddressSpace):
    """A space whose bytes lie one behind the other, wherever that is.

    What lies unused between heap and stack is held all the same: internal fragmentation.

    Attributes:
        bounds: size of the space in bytes; 0 once released.
    """

    can_map = False

    def __init__(self, layout: Layout, origin: int, control: MemoryControl | None = None) -> None:
        """Lays the space out.

        Args:
            layout: what it has to hold.
            origin: the virtual address of its first byte.
            control: whose claim on memory it is.
        """
        super().__init__(control)
        self.bounds = space_bytes(layout)
        self._origin = origin
        self._heap_start = self._break = origin + round_up(layout.code_bytes, HEAP_ALIGNMENT)
        self._stack_limit = origin + self.bounds - layout.stack_bytes

    @property
    def virtual_bytes(self) -> int:
        """Size of the address space."""
        return self.bounds

    @property
    def resident_bytes(self) -> int:
        """Physical memory held: the whole space, used or not."""
        return self.bounds

    @property
    def code_start(self) -> int:
        """Address of the first byte of the code."""
        return self._origin

    @property
    def stack_top(self) -> int:
        """Address behind the last byte of the space."""
        return self._origin + self.bounds

    def reach(self, address: int) -> int:
        """All bytes up to the end of the space."""
        return max(self.stack_top - address, 1)

    def regions(self) -> list[Region]:
        """Code, heap, the gap, stack; the hardware tells none of them from the others."""
        if self.bounds == 0:
            return []
        edges = [self._origin, self._heap_start, self._break, self._stack_limit, self.stack_top]
        sizes = np.diff(edges).tolist()
        held = [size if self.resident_bytes else 0 for size in sizes]
        names = ("code", "heap", UNUSED, "stack")
        rows = zip(names, edges[:-1], sizes, held, strict=True)
        return [Region(*row, "rwx") for row in rows if row[2] > 0]

    def access_many(self, addresses: NDArray[np.int64], access: Access) -> None:
        """Use one address after another; the hardware adds and compares, and needs no memory for it."""
        outside = np.flatnonzero(~self.is_valid(addresses))
        used = int(outside[0]) if len(outside) else len(addresses)
        self.account.accesses += used
        self.account.data_references += used
        if used < len(addresses):
            self.resolve(int(addresses[used]), access)

    @abstractmethod
    def is_valid(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each address whether `translate` takes it."""

    def grow_heap(self, size: int) -> int:
        """Moves the program break up; the memory behind it is the process's already.

        Raises:
            OutOfMemory: the heap would meet the stack.
        """
        if size < 0:
            raise InvariantError(f"the heap grows by {size} bytes")
        room = self._stack_limit - self._break
        if size > room:
            raise HeapRoomSpent(
                f"growing the heap by {format_bytes(size)} would run into the stack: "
                f"{format_bytes(room)} are left between them",
                size,
                room,
                room,
            )
        before = self._break
        self._break += size
        return before

    def shrink_heap(self, size: int) -> bool:
        """Moves the program break down; the memory stays the process's.

        Raises:
            InvariantError: by less than nothing, or below where the heap began.
        """
        if not 0 <= size <= self._break - self._heap_start:
            raise InvariantError(f"the heap shrinks by {size} bytes")
        self._break -= size
        return True

    def map_region(self, size: int) -> int:
        """There are no regions apart: a process has one contiguous piece.

        Raises:
            OutOfMemory: always.
        """
        raise OutOfMemory("a process has one piece of memory here, and no mappings", size, 0, 0)

    def unmap_region(self, address: int) -> None:
        """There are no regions to take back.

        Raises:
            InvariantError: always.
        """
        raise InvariantError(f"no region is mapped at {address:#x}")

    def copy_break(self, other: ContiguousSpace) -> None:
        """Puts the break where that of another space of the same layout is."""
        self._break = other._break - other._origin + self._origin

    def close(self) -> None:
        """Leaves no room, so that a heap kept by mistake cannot grow.

        Raises:
            InvariantError: it was released before.
        """
        if self.bounds == 0:
            raise InvariantError("an address space is released twice")
        self.bounds = self._origin = self._stack_limit = self._heap_start = self._break = 0
