"""A heap whose headers and free list are in the memory that it manages, where a program can damage them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.allocator import layout
from simulator.memory.allocator.layout import ABOVE, BELOW, KIND, MAPPED, SIZE, START, VACANT
from simulator.memory.errors import OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT, HeapConfig, HeapConfigError
from simulator.memory.tags.keeper import TagKeeper
from simulator.memory.tags.words import OSTEP_HEADER, WORD

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.heap import Copy, Int64s
    from simulator.memory.heap_log import HeapLog
    from simulator.memory.heap_outcome import Outcome
    from simulator.memory.heap_runner import Engine


class NoFrame(OutOfMemory):
    """The heap has room, but the system has no memory to put the allocator's own words into."""


class TaggedHeap(Heap):
    """A heap as a program that stores bytes has it.

    Where blocks go is as in `Heap`. Besides, the header of each block and the free list are written into
    simulated memory, as `simulator.memory.tags` tells, and checked when malloc, realloc and free come by.

    Args:
        space: where the heap gets its memory.
        config: how it is run; headers take 8 bytes at least.
        engine: as for `Heap`.
        log: as for `Heap`.
        copy: as for `Heap`.

    Raises:
        OutOfMemory: as for `Heap`.
        HeapConfigError: a header that has no room for a size.
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
        check_has_room(config)
        super().__init__(space, config, engine=engine, log=log, copy=copy)
        self._tags = TagKeeper(space, self._state)
        self._update("malloc", 0, -1)

    def free(self, address: int) -> None:
        """Give a block back; NULL is none, and nothing happens.

        Raises:
            ProcessAbort: no block begins there, or words of the allocator's were written over.
            MemoryFault: no memory is there.
        """
        if address == 0:
            return
        self._tags.check_block("free", address)
        cells = self._state.cells
        chunk = layout.chunk_at(self._state.index, address)
        start, candidates = cells[chunk + START], (chunk, cells[chunk + BELOW], cells[chunk + ABOVE])
        mapped = cells[chunk + KIND] == MAPPED
        super().free(address)
        if mapped:
            self._tags.forget(start)
            return
        self._update("free", next((other for other in candidates if self._holds(other, start)), 0), start)

    def realloc(self, address: int, size: int) -> int:
        """Change the size of a block, as `Heap.realloc`.

        Raises:
            ProcessAbort: no block begins there, or words of the allocator's were written over.
            MemoryFault: no memory is there.
            OutOfMemory: as `Heap.realloc`.
        """
        if address != 0 and size != 0:
            self._tags.check_block("realloc", address)
        moved = super().realloc(address, size)
        if moved == address and moved != 0:
            self._update_block("realloc", moved)
        return moved

    def run(self, names: Int64s, sizes: Int64s, addresses: Int64s) -> Outcome:
        """Carry out many mallocs and frees in order, and write the headers as they are after the last."""
        outcome = super().run(names, sizes, addresses)
        self._update("malloc", 0, -1)
        return outcome

    def _allocate(self, call: str, size: int, alignment: int) -> int:
        address = super()._allocate(call, size, alignment)
        self._update_block("malloc", address)
        return address

    def _update_block(self, call: str, address: int) -> None:
        chunk = layout.chunk_at(self._state.index, address)
        self._update(call, chunk, self._state.cells[chunk + START])

    def _update(self, call: str, chunk: int, about: int) -> None:
        try:
            self._tags.update(call, chunk, about)
        except OutOfMemory as error:
            raise NoFrame(*error.args) from error

    def _holds(self, chunk: int, address: int) -> bool:
        """Say whether a chunk is in use by the heap and contains an address."""
        cells = self._state.cells
        start = cells[chunk + START]
        return cells[chunk + KIND] != VACANT and start <= address < start + cells[chunk + SIZE]


def check_has_room(config: HeapConfig) -> None:
    """Hold a heap's settings against what its words need.

    Raises:
        HeapConfigError: they do not fit.
    """
    if config.header_bytes < WORD:
        message = f"{config.header_bytes} bytes have no room for a size; a program's blocks need {WORD}"
        raise HeapConfigError("header", message)
    if config.header_bytes < OSTEP_HEADER and config.alignment_bytes < WORD:
        message = f"{config.alignment_bytes} leaves a size no bits for flags; a program's blocks need {WORD}"
        raise HeapConfigError("alignment", message)
