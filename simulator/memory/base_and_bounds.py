"""Dynamic relocation: one base register, one bounds register (OSTEP ch. 15, "Address Translation")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import InvariantError
from simulator.memory.address_space import Access, AddressSpace, Layout
from simulator.memory.errors import MemoryFault, OutOfMemory
from simulator.memory.format import format_bytes, round_up

if TYPE_CHECKING:
    from simulator.memory.physical import PhysicalMemory

SPACE_UNIT = 4096
"""An address space is a multiple of this many bytes."""

HEAP_ALIGNMENT = 16
"""The heap starts at a multiple of this, so that what malloc returns is aligned for any type."""


class BaseAndBounds(AddressSpace):
    """An address space in one contiguous piece of physical memory.

    Code lies at 0, the heap behind it and growing up, the stack at the top and growing down (OSTEP fig.
    15.1). The hardware checks a virtual address against the bounds register and adds the base register;
    it knows nothing of code, heap and stack, so what lies unused between heap and stack is held in
    physical memory and may be used by the process all the same: that is what the mechanism costs.

    Rounding up to a multiple of 4 KiB adds to the heap's room.

    Attributes:
        base: the base register: physical address of virtual address 0.
        bounds: the bounds register: size of the space in bytes; 0 once released.
    """

    can_map = False

    def __init__(self, memory: PhysicalMemory, layout: Layout, owner: str) -> None:
        """Takes the whole space from physical memory.

        Args:
            memory: where the space is placed.
            layout: what it has to hold.
            owner: whose it is, for memory maps.

        Raises:
            OutOfMemory: no hole is large enough.
        """
        self._heap_start = self._break = round_up(layout.code_bytes, HEAP_ALIGNMENT)
        self.bounds = round_up(self._break + layout.heap_bytes + layout.stack_bytes, SPACE_UNIT)
        self._stack_limit = self.bounds - layout.stack_bytes
        self._memory = memory
        self.base = memory.allocate(self.bounds, owner)

    @property
    def virtual_bytes(self) -> int:
        """Size of the address space: what the bounds register holds."""
        return self.bounds

    @property
    def resident_bytes(self) -> int:
        """Physical memory held: the whole space, used or not."""
        return self.bounds

    def translate(self, address: int, access: Access) -> int:
        """The physical address: base + address, if the address is within the bounds.

        Raises:
            MemoryFault: the address is outside the bounds.
        """
        if 0 <= address < self.bounds:
            return self.base + address
        raise MemoryFault(
            f"segmentation fault: {access.value} address {address:#x} outside the bounds {self.bounds:#x}",
            address,
        )

    def grow_heap(self, size: int) -> int:
        """Moves the program break up; the memory behind it is the process's already.

        Raises:
            OutOfMemory: the heap would meet the stack.
        """
        if size < 0:
            raise InvariantError(f"the heap grows by {size} bytes")
        room = self._stack_limit - self._break
        if size > room:
            raise OutOfMemory(
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
        """There are no regions apart: one base and one bounds register make one contiguous piece.

        Raises:
            OutOfMemory: always.
        """
        raise OutOfMemory("base and bounds: a process has one piece of memory and no mappings", size, 0, 0)

    def unmap_region(self, address: int) -> None:
        """There are no regions to take back.

        Raises:
            InvariantError: always.
        """
        raise InvariantError(f"no region is mapped at {address:#x}")

    def release(self) -> None:
        """Gives the piece of physical memory back.

        Raises:
            InvariantError: it was released before.
        """
        if self.bounds == 0:
            raise InvariantError("an address space is released twice")
        self._memory.release(self.base)
        # No room is left either, so that a heap kept by mistake cannot grow.
        self.bounds = self._stack_limit = self._heap_start = self._break = 0
