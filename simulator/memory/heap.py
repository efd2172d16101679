"""The heap: malloc and free over the region below the program break (OSTEP ch. 14 and 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import InvariantError
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.format import format_bytes, round_up
from simulator.memory.free_list import FreeList

if TYPE_CHECKING:
    from collections.abc import Hashable

    from simulator.memory.address_space import AddressSpace

ALIGNMENT = 16
"""Every address malloc returns is a multiple of this, and so is every block's size."""

HEADER_BYTES = 16
"""Stands before every block and holds its size and a check (OSTEP ch. 17's header_t, on 64 bits)."""

MIN_BLOCK_BYTES = 32
"""The smallest block, header included: malloc(0) takes this much."""

GROWTH_BYTES = 128 * 1024
"""The heap asks for multiples of this, so that few mallocs need a system call (glibc's M_TOP_PAD)."""

_ROUND = HEADER_BYTES + ALIGNMENT - 1
_MASK = -ALIGNMENT


class Heap:
    """A process's heap: first fit, splitting, immediate coalescing.

    A block is a header of 16 bytes and the requested size rounded up to 16, at least 32 together. When no
    free block is large enough the heap grows through `AddressSpace.grow_heap` by what a free block at its
    top lacks, rounded up to 128 KiB, or by exactly what lacks where no more is to be had. It never
    shrinks. A malloc that fails changes nothing.

    Attributes:
        live_bytes: sum of the sizes requested and not freed; headers and rounding are not in it.
        peak_live_bytes: the highest live_bytes so far.
        mallocs: successful calls of malloc.
        frees: successful calls of free.
    """

    __slots__ = (
        "_free",
        "_freed",
        "_requested",
        "_signature",
        "_space",
        "frees",
        "live_bytes",
        "mallocs",
        "peak_live_bytes",
    )

    def __init__(self, space: AddressSpace) -> None:
        """Starts an empty heap at the space's program break."""
        self._space = space
        self._free = FreeList(space.grow_heap(0), 0)
        self._requested: dict[int, int] = {}
        self._freed: set[int] = set()
        self._signature: Hashable = None
        self.live_bytes = 0
        self.peak_live_bytes = 0
        self.mallocs = 0
        self.frees = 0

    @property
    def held_bytes(self) -> int:
        """The heap's extent, from its start to the program break."""
        return self._free.end - self._free.start

    @property
    def blocks(self) -> int:
        """Number of blocks allocated now."""
        return len(self._requested)

    def malloc(self, size: int) -> int:
        """Allocates a block.

        Args:
            size: bytes, >= 0; malloc(0) returns an address of its own, as C allows.

        Returns:
            The block's virtual address, a multiple of 16.

        Raises:
            OutOfMemory: no free block is large enough and the heap cannot grow.
        """
        if size < 0:
            raise InvariantError(f"malloc of {size} bytes")
        block = (size + _ROUND) & _MASK if size else MIN_BLOCK_BYTES
        address = self._free.allocate(block)
        if address is None:
            address = self._allocate_by_growing(block)
        address += HEADER_BYTES
        self._requested[address] = size
        self._signature = None
        self.mallocs += 1
        self.live_bytes = live = self.live_bytes + size
        if live > self.peak_live_bytes:  # noqa: PLR1730 - max() would cost a call on the hottest path
            self.peak_live_bytes = live
        return address

    def free(self, address: int) -> None:
        """Frees the block that malloc returned `address` for.

        Raises:
            InvalidFree: malloc never returned it, or it has been freed since.
        """
        size = self._requested.pop(address, None)
        if size is None:
            why = "it was freed before" if address in self._freed else "malloc never returned it"
            raise InvalidFree(f"invalid free of address {address:#x}: {why}", address)
        self._free.release(address - HEADER_BYTES, (size + _ROUND) & _MASK if size else MIN_BLOCK_BYTES)
        self._freed.add(address)
        self._signature = None
        self.frees += 1
        self.live_bytes -= size

    def count_replay(self, mallocs: int, frees: int, peak_live_bytes: int) -> None:
        """Counts calls known to bring the heap back to the state it is in, without making them."""
        self.mallocs += mallocs
        self.frees += frees
        self.peak_live_bytes = max(self.peak_live_bytes, peak_live_bytes)

    def signature(self) -> Hashable:
        """The free and the allocated blocks: heaps of one space with equal signatures behave alike.

        Made anew only after a malloc or free, so comparing with an earlier signature of an untouched heap
        costs next to nothing.
        """
        if self._signature is None:
            self._signature = (self._free.signature(), frozenset(self._requested.items()))
        return self._signature

    def check(self) -> None:
        """Balances the books: headers + payloads + free bytes are the heap's extent, exactly.

        Raises:
            InvariantError: they are not, blocks overlap, or the live bytes are miscounted.
        """
        self._free.check(
            (address - HEADER_BYTES, max(MIN_BLOCK_BYTES, HEADER_BYTES + round_up(size, ALIGNMENT)))
            for address, size in self._requested.items()
        )
        if sum(self._requested.values()) != self.live_bytes:
            raise InvariantError(f"heap: {self.live_bytes} live bytes, the blocks' sizes say otherwise")
        if self._space.grow_heap(0) != self._free.end:
            raise InvariantError("heap: the program break is not where the heap ends")

    def _allocate_by_growing(self, block: int) -> int:
        lacking = block - self._free.tail
        try:
            self._grow(lacking)
        except OutOfMemory as error:
            raise OutOfMemory(
                f"heap is full: its largest free block has {format_bytes(self._free.largest)}, and {error}",
                block,
                self._free.total_free + error.free,
                max(self._free.largest, self._free.tail + error.largest),
            ) from error
        address = self._free.allocate(block)
        if address is None:
            raise InvariantError(f"the heap grew and still has no block of {block} bytes")
        return address

    def _grow(self, lacking: int) -> None:
        size = round_up(lacking, GROWTH_BYTES)
        try:
            start = self._space.grow_heap(size)
        except OutOfMemory:
            size = lacking
            start = self._space.grow_heap(size)
        if start != self._free.end:
            raise InvariantError("something other than the heap moved the program break")
        self._free.extend(size)
