"""The heap: malloc, calloc, realloc, aligned allocation and free over brk and mmap (OSTEP ch. 14 and 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory import heap_books
from simulator.memory.allocator import events, layout, resizing
from simulator.memory.allocator.blocks import chunk_bytes
from simulator.memory.allocator.free_chunks import largest_free
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import round_up
from simulator.memory.heap_config import FIRST_FIT, HeapConfig
from simulator.memory.heap_outcome import (
    MAX_SIZE,
    SIZE_T,
    HeapFigures,
    Outcome,
    as_size_t,
    too_large,
)
from simulator.memory.heap_runner import EventRunner, invalid_address
from simulator.memory.heap_state import HeapState
from simulator.memory.heap_supply import HeapSupply

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    from simulator.memory.address_space import AddressSpace
    from simulator.memory.heap_log import HeapLog
    from simulator.memory.heap_runner import Engine

    Int64s = NDArray[np.int64]
    Copy = Callable[[int, int, int], None]


class Heap:
    """A process's heap.

    A block is a header and what was asked for, rounded up. Where it goes is up to the `HeapConfig`. When no
    free chunk is large enough, the heap asks its address space for a mapping or for a higher program break;
    if there is none to be had, malloc fails and no block has changed. The rule is in
    `simulator.memory.allocator`.

    Sizes are C's: a negative one is the huge number that it is as size_t, and fails; 0 gives an address of
    its own. Address 0 is NULL.

    Args:
        space: where the heap gets its memory; it begins at the program break.
        config: how it is run.
        engine: whether events are carried out interpreted or as machine code; "auto" begins interpreted.
        log: keeps each block's place and life.
        copy: called as `copy(from_address, to_address, size)` when realloc moves a block, while it has both.

    Raises:
        OutOfMemory: the space does not give what the heap is to have from the start.

    Attributes:
        config: how it is run.
        log: what records it, None if nothing does.
        reallocs: successful calls of realloc that neither malloc nor free would have done.
    """

    def __init__(
        self,
        space: AddressSpace,
        config: HeapConfig = FIRST_FIT,
        *,
        engine: Engine = "auto",
        log: HeapLog | None = None,
        copy: Copy | None = None,
    ) -> None:
        self.config = config
        self._space = space
        self._copy = copy
        self.log = log
        start = space.grow_heap(0)
        begin = start
        if config.aligned:
            begin = round_up(start + config.header_bytes, config.alignment_bytes) - config.header_bytes
        if begin + config.header_bytes == 0:
            begin += config.alignment_bytes  # 0 is no block's address
        self._state = HeapState(config, begin)
        self._state.heap[layout.GRANTED] = start
        if not space.can_map:
            self._state.heap[layout.MMAP_THRESHOLD] = layout.NEVER_BYTES
        self._supply = HeapSupply(space, self._state)
        self._runner = EventRunner(self._state, self._supply, engine)
        if config.initial_bytes:
            self._supply.provide(config.initial_bytes)
        self._signature: Hashable = None
        self.reallocs = 0

    @property
    def figures(self) -> HeapFigures:
        """How the heap stands."""
        heap = self._state.heap
        largest = largest_free(self._state.cells, heap)
        return HeapFigures(heap[layout.LIVE], self.held_bytes, heap[layout.FREE_BYTES], largest)

    @property
    def on_record(self) -> bool:
        """Whether what is done to the heap is still being recorded."""
        return self.log is not None and self.log.is_open

    @property
    def begin(self) -> int:
        """Address where the first block's header may lie."""
        return self._state.heap[layout.BEGIN]

    @property
    def extent_bytes(self) -> int:
        """Bytes from there to the program break."""
        return self._state.heap[layout.BREAK] - self._state.heap[layout.BEGIN]

    @property
    def held_bytes(self) -> int:
        """The heap's extent, from its start to the program break, and its mappings."""
        return self.extent_bytes + self._state.heap[layout.MAPPED_BYTES]

    @property
    def peak_held_bytes(self) -> int:
        """The most that it has held."""
        return self._state.heap[layout.PEAK_HELD]

    @property
    def live_bytes(self) -> int:
        """Sum of the sizes asked for and not freed; headers and rounding are not in it."""
        return self._state.heap[layout.LIVE]

    @property
    def peak_live_bytes(self) -> int:
        """The most live bytes so far."""
        return self._state.heap[layout.PEAK]

    @property
    def mallocs(self) -> int:
        """Successful calls of malloc, calloc and aligned allocation."""
        return self._state.heap[layout.MALLOCS]

    @property
    def frees(self) -> int:
        """Successful calls of free, those of NULL left out."""
        return self._state.heap[layout.FREES]

    @property
    def blocks(self) -> int:
        """Number of blocks allocated now."""
        return self.mallocs - self.frees

    @property
    def searched(self) -> int:
        """Free chunks that all searches so far have looked at: what walking the list would have cost."""
        return self._state.heap[layout.SEARCHED]

    @property
    def last_searched(self) -> int:
        """Free chunks that the last search looked at."""
        return self._state.heap[layout.LAST_SEARCHED]

    def malloc(self, size: int) -> int:
        """Allocates a block.

        Args:
            size: bytes; malloc(0) returns an address of its own, as C allows.

        Returns:
            The block's virtual address, a multiple of the alignment.

        Raises:
            OutOfMemory: no free chunk is large enough and the system gives no more, or the size is more than
                an object can have.
        """
        return self._allocate("malloc", size, 0)

    def calloc(self, count: int, size: int) -> int:
        """Allocates an array of `count` elements of `size` bytes, set to zero.

        Raises:
            OutOfMemory: as for malloc; a product that overflows is more than an object can have.
        """
        return self._allocate("calloc", count % SIZE_T * (size % SIZE_T), 0)

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Allocates a block whose address is a multiple of `alignment` (aligned_alloc, posix_memalign).

        Raises:
            ValueError: the alignment is no power of two (EINVAL).
            OutOfMemory: as for malloc.
        """
        if alignment <= 0 or alignment & (alignment - 1):
            raise ValueError(f"an alignment of {alignment}: it has to be a power of two")
        return self._allocate("aligned_alloc", size, alignment)

    def realloc(self, address: int, size: int) -> int:
        """Changes the size of a block, in place where there is room behind it.

        realloc(NULL, size) is malloc(size). realloc(address, 0) frees the block and returns NULL, as glibc
        does; what it does was never agreed upon, and C23 leaves it undefined.

        Returns:
            The block's address, which may be another; the bytes up to the smaller of both sizes are the same.

        Raises:
            InvalidFree: no block begins there.
            OutOfMemory: as for malloc; the block is as it was.
        """
        if address == 0:
            return self.malloc(size)
        if size == 0:
            self.free(address)
            return 0
        state = self._state
        chunk = layout.chunk_at(state.index, address)
        if chunk <= 0:
            raise invalid_address("realloc", address, state.index)
        size = as_size_t("realloc", size)
        self._prepare()
        old_size = state.cells[chunk + layout.ASKED]
        stays = self.config.realloc_in_place
        if stays and resizing.resize_in_place(state.cells, state.heap, chunk, size):
            if self.log is not None:
                self.log.note_free(self, address)
                self.log.note_malloc(self, address, size)
        else:
            peak = state.heap[layout.PEAK]
            moved, given_up = self._allocate("realloc", size, 0), address
            try:
                if self._copy is not None:
                    self._copy(address, moved, min(old_size, size))
            except OutOfMemory:
                given_up = moved
                raise
            finally:
                self.free(given_up)
                state.heap[layout.MALLOCS] -= 1
                state.heap[layout.FREES] -= 1
                # While it moves the block is there twice, but the program has asked for it once.
                state.heap[layout.PEAK] = max(peak, state.heap[layout.LIVE])
            address = moved
        self.reallocs += 1
        self._supply.settle()
        return address

    def free(self, address: int) -> None:
        """Gives a block back; NULL is none, and nothing happens.

        Raises:
            InvalidFree: malloc never returned the address, or it has been freed since.
        """
        if address == 0:
            return
        state = self._state
        chunk = layout.chunk_at(state.index, address)
        if chunk <= 0:
            raise invalid_address("free", address, state.index)
        self._prepare()
        events.release(state.cells, state.heap, state.index, chunk)
        self._supply.serve(0)
        self._supply.settle()
        if self.log is not None:
            self.log.note_free(self, address)

    def block_bytes(self, address: int) -> int:
        """Return the bytes, header included, that the block at an address takes; 0 if none begins there."""
        chunk = layout.chunk_at(self._state.index, address)
        return self._state.cells[chunk + layout.SIZE] if chunk > 0 else 0

    def run(self, names: Int64s, sizes: Int64s, addresses: Int64s) -> Outcome:
        """Carries out many mallocs and frees in order, in one call.

        Args:
            names: int64[events], the number of the block of each event.
            sizes: int64[events], > 0 allocates that many bytes, < 0 frees the block.
            addresses: int64[numbers], where the block of each number lies, 0 if it is not alive; updated.

        Raises:
            NameTakenError: an event allocates under the number of a block that is alive.
        """
        out = np.zeros((7, len(sizes)), np.int64)
        before = (*self.figures, self.extent_bytes)
        huge = np.flatnonzero(sizes > MAX_SIZE)
        count = int(huge[0]) if len(huge) else len(sizes)
        self._signature = None
        done, error = self._runner.run(names[:count], sizes[:count], addresses, out)
        if error is None and done < len(sizes):
            error = too_large("malloc", int(sizes[done]))
        out[:5, done:] = np.array(out[:5, done - 1] if done else before)[:, None]
        out.flags.writeable = False
        return Outcome(done, out[0], out[1], out[2], out[3], out[4], out[5], out[6], error)

    def count_replay(self, mallocs: int, frees: int, peak_live_bytes: int) -> None:
        """Counts calls known to bring the heap back to the state it is in, without making them."""
        heap = self._state.heap
        heap[layout.MALLOCS] += mallocs
        heap[layout.FREES] += frees
        heap[layout.PEAK] = max(heap[layout.PEAK], peak_live_bytes)

    def signature(self) -> Hashable:
        """The free and the allocated blocks: heaps of one space with equal signatures behave alike.

        Made anew only after a malloc or free, so comparing with an earlier signature of an untouched heap
        costs next to nothing.
        """
        if self._signature is None:
            self._signature = heap_books.signature(self._state)
        return self._signature

    def check(self) -> None:
        """Balances the books: headers + payloads + free bytes are the heap's extent, exactly.

        Raises:
            InvariantError: they are not, blocks overlap, free neighbours that should have merged have not, or
                a sum is wrong.
        """
        heap_books.check(self._state)
        if self._space.grow_heap(0) != self._state.heap[layout.GRANTED]:
            raise InvariantError("heap: the program break is not where the heap ends")

    def _allocate(self, call: str, size: int, alignment: int) -> int:
        size = as_size_t(call, size + alignment) - alignment if size >= 0 else as_size_t(call, size)
        self._prepare()
        state = self._state
        while not (chunk := events.allocate(state.cells, state.heap, state.index, size, alignment)):
            self._supply.serve(chunk_bytes(state.heap, size))
        self._supply.settle()
        address = state.cells[chunk + layout.PAYLOAD]
        if self.log is not None:
            self.log.note_malloc(self, address, size)
        return address

    def _prepare(self) -> None:
        """Get ready for a change."""
        self._signature = None
        state = self._state
        while not events.has_room(state.heap, state.index):
            state.make_room()
