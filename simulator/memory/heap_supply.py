"""What a heap gets from the system: a higher break, mappings, and larger arrays for its own books."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import InvariantError
from simulator.memory.allocator import layout
from simulator.memory.allocator.events import extend, free_at_top
from simulator.memory.allocator.free_chunks import largest_free
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.heap_state import HeapState


class HeapSupply:
    """Serves what the allocator's rule says it wants.

    Args:
        space: the address space.
        state: the heap's arrays.
    """

    def __init__(self, space: AddressSpace, state: HeapState) -> None:
        self._space = space
        self._state = state

    def serve(self, needed: int) -> None:
        """Serve the want that the rule has left, if any.

        Args:
            needed: bytes of the chunk that it is for, for the message.

        Raises:
            OutOfMemory: the system gives no more.
        """
        heap = self._state.heap
        wants, heap[layout.WANTS] = heap[layout.WANTS], layout.NOTHING
        if wants == layout.ROOM:
            self._state.make_room()
        elif wants == layout.GROW:
            self._grow(needed)
        elif wants == layout.UNMAP:
            self._space.unmap_region(heap[layout.AMOUNT])
        elif wants == layout.MAP:
            try:
                heap[layout.GIFT] = self._space.map_region(heap[layout.AMOUNT])
                heap[layout.GIFT_BYTES] = heap[layout.AMOUNT]
            except OutOfMemory:
                heap[layout.GIFT] = layout.REFUSED

    def provide(self, size: int) -> None:
        """Let the heap have so much more, which is free.

        Raises:
            OutOfMemory: the system does not give it.
        """
        self._raise_break(size)
        extend(self._state.cells, self._state.heap, size)

    def settle(self) -> None:
        """Move the space's break down to where the heap ends, if it can be moved down."""
        heap = self._state.heap
        unused = heap[layout.GRANTED] - heap[layout.BREAK]
        if unused > 0 and self._space.shrink_heap(unused):
            heap[layout.GRANTED] = heap[layout.BREAK]

    def _grow(self, needed: int) -> None:
        heap, cells = self._state.heap, self._state.cells
        amount, least = heap[layout.AMOUNT], heap[layout.AT_LEAST]
        try:
            self._raise_break(amount)
        except OutOfMemory:
            self.settle()
            amount = least
            try:
                self._raise_break(amount)
            except OutOfMemory as error:
                heap[layout.GIFT] = 0
                largest = largest_free(cells, heap)
                raise OutOfMemory(
                    f"heap is full: its largest free block has {format_bytes(largest)}, and {error}",
                    needed,
                    heap[layout.FREE_BYTES] + error.free,
                    max(largest, free_at_top(cells, heap) + error.largest),
                ) from error
        extend(cells, heap, amount)

    def _raise_break(self, amount: int) -> None:
        """Have the space grant the heap so much beyond its break."""
        heap = self._state.heap
        lacking = heap[layout.BREAK] + amount - heap[layout.GRANTED]
        if lacking > 0:
            if self._space.grow_heap(lacking) != heap[layout.GRANTED]:
                raise InvariantError("something other than the heap moved the program break")
            heap[layout.GRANTED] += lacking
