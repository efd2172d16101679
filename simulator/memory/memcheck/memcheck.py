"""memcheck: every load, store, malloc and free of a process is looked at before it happens."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING, Literal

from simulator.code_position import CodePosition
from simulator.memory.address_space import Access
from simulator.memory.costs import Account
from simulator.memory.errors import MemoryFault, OutOfMemory, ProcessAbort
from simulator.memory.heap_outcome import MAX_SIZE, SIZE_T
from simulator.memory.memcheck.blocks import Block, new_block
from simulator.memory.memcheck.checker import Checker
from simulator.memory.memcheck.diagnosis import Diagnosis, ErrorKind, of_bytes
from simulator.memory.memcheck.leaks import find_leaks, loss_records, written_words

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from simulator.code_position import Trace
    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.heap import Heap

Mode = Literal["off", "report", "abort"]

RED_ZONE_BYTES = 16
"""Around every block, at least (valgrind's --redzone-size)."""
QUARANTINE_BYTES = 20_000_000
"""So much of what was freed is kept from being used again (valgrind's --freelist-vol)."""


class Memcheck:
    """Stands between a program and its heap and address space.

    Each block has red zones around it, and what is freed is not used again for a while, so that what a
    program does beside a block, or with one that it has freed, hits no other. An access that is wrong is
    told and made all the same; a free that is wrong is told and not carried out.

    Reads of bytes that were never written are told where they are read; valgrind, which follows registers,
    tells of them where the program's course depends on them.

    Args:
        space: the address space.
        heap: the heap in it, which nobody else uses.
        layout: what the space consists of.
        mode: "report", or "abort": what is told ends the process.
    """

    def __init__(self, space: AddressSpace, heap: Heap, layout: Layout, mode: Mode) -> None:
        self._space = space
        self._heap = heap
        self._layout = layout
        self._mode = mode
        self._checker = Checker(space, layout)
        self._quarantine: deque[Block] = deque()
        self._quarantined_bytes = 0
        self._found: dict[tuple[ErrorKind, Trace], Diagnosis] = {}
        self._position = CodePosition()
        self._tell: Callable[[Diagnosis], None] = lambda _diagnosis: None

    def start(self, position: CodePosition, tell: Callable[[Diagnosis], None]) -> None:
        """Learn where the program says where it is, and whom to tell what is found."""
        self._position, self._tell = position, tell

    def fork(self, space: AddressSpace, heap: Heap) -> Memcheck:
        """Return what watches a copy of the space and the heap."""
        child = Memcheck(space, heap, self._layout, self._mode)
        mine = (self._checker, self._quarantine)
        child._checker, child._quarantine = copy.deepcopy(mine, {id(self._space): space})
        child._quarantined_bytes = self._quarantined_bytes
        return child

    def check(self, access: Access, address: int, size: int) -> None:
        """Look at an access to some bytes.

        Raises:
            ProcessAbort: it is wrong, and that is to end the process.
        """
        self._note(self._checker.check(access, address, size, self._position.trace))

    def check_many(self, access: Access, addresses: NDArray[np.int64]) -> None:
        """Look at accesses to a byte each.

        Raises:
            ProcessAbort: one of them is wrong, and that is to end the process.
        """
        if not len(addresses):
            return
        low, high = int(addresses.min()), int(addresses.max())
        block = self._checker.blocks.around(low)
        if block is not None and block.freed is None and block.address <= low and high < block.end:
            offsets = addresses - block.address
            if access is Access.WRITE:
                block.defined[offsets] = True
                return
            if block.defined[offsets].all():
                return
        for address in addresses.tolist():
            self.check(access, address, 1)

    def move_stack(self, before: int, pointer: int) -> None:
        """Learn that the stack pointer moves."""
        self._checker.move_stack(before, pointer)

    def malloc(self, size: int) -> int:
        """Allocate a block with red zones; raises as `Heap.malloc`."""
        return self._allocate(size, 0)

    def calloc(self, count: int, size: int) -> int:
        """Allocate an array with red zones; raises as `Heap.calloc`."""
        return self._allocate(count % SIZE_T * (size % SIZE_T), 0, zeroed=True)

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Allocate at a multiple of the alignment, with red zones; raises as `Heap.aligned_alloc`."""
        return self._allocate(size, alignment)

    def realloc(self, address: int, size: int) -> int:
        """Move a block to one of another size: under memcheck it never stays where it is.

        Returns:
            Its address; 0 for NULL, after a size of 0 and after an address where no block begins.

        Raises:
            OutOfMemory: as `Heap.realloc`.
        """
        if address == 0:
            return self.malloc(size)
        old = self._checker.blocks.at(address)
        if size == 0 or old is None or old.freed is not None:
            self.free(address)
            return 0
        moved = self._allocate(size, 0)
        new, kept = self._checker.blocks.at(moved), min(size, old.size)
        self._space.copy(address, moved, kept)
        if new is not None:
            new.defined[:kept] = old.defined[:kept]
        self._put_aside(old)
        return moved

    def free(self, address: int) -> None:
        """Free a block, if one begins there.

        Raises:
            ProcessAbort: none does, and that is to end the process.
        """
        block = self._checker.blocks.at(address)
        if address == 0:
            return
        if block is not None and block.freed is None:
            self._put_aside(block)
            return
        near = block or self._checker.blocks.around(address)
        kind = ErrorKind.INVALID_FREE if block is None else ErrorKind.DOUBLE_FREE
        if block is not None:
            where = f"a block of {of_bytes(block.size)} that was freed before"
        else:
            where = "which malloc never returned" if near is None else near.beside(address)
        record = None if near is None else near.record
        detail = f"free of {address:#x}, {where}"
        self._note(Diagnosis(kind, detail, self._position.trace, address, 0, record))

    def finish(self) -> None:
        """Report leaks, and give back to the heap what was freed: the process ends."""
        alive = self._checker.blocks.alive()
        own, self._space.account = self._space.account, Account()
        try:
            for record in loss_records(find_leaks(alive, self._roots(), self._peek)):
                self._tell(record)
            while self._quarantine:
                self._give_back()
        except (ProcessAbort, MemoryFault, OutOfMemory):
            # What the program wrote over, or has no frames for, nobody needs any more.
            self._quarantine.clear()
        finally:
            self._space.account = own

    def _allocate(self, size: int, alignment: int, *, zeroed: bool = False) -> int:
        zone = max(RED_ZONE_BYTES, self._heap.config.alignment_bytes, alignment)
        total = zone + size + RED_ZONE_BYTES if 0 <= size <= MAX_SIZE else size
        while True:
            try:
                low = self._heap.aligned_alloc(alignment, total) if alignment else self._heap.malloc(total)
                break
            except OutOfMemory:
                # Rather than to refuse what there is room for, let freed blocks be used again.
                if not self._quarantine:
                    raise
                self._give_back()
        address = low + zone
        trace = self._position.trace
        block = new_block(low, address, size, low + total, trace, zeroed=zeroed)
        self._checker.blocks.add(block)
        return address

    def _put_aside(self, block: Block) -> None:
        """Free a block for the program; the heap keeps it until it is long ago."""
        block.freed = self._position.trace
        self._quarantine.append(block)
        self._quarantined_bytes += block.size
        while self._quarantined_bytes > QUARANTINE_BYTES:
            self._give_back()

    def _give_back(self) -> None:
        """Let the heap have the block that was freed first."""
        block = self._quarantine.popleft()
        self._quarantined_bytes -= block.size
        self._checker.blocks.remove(block)
        self._heap.free(block.low)

    def _roots(self) -> list[int]:
        """Return the words on the stack."""
        checker = self._checker
        pointer = max(checker.stack_pointer, checker.stack_low)
        return written_words(checker.stack_defined[pointer - checker.stack_low :], pointer, self._peek)

    def _peek(self, address: int, size: int) -> bytes:
        return self._space.read(address, size)

    def _note(self, diagnosis: Diagnosis | None) -> None:
        if diagnosis is None:
            return
        known = self._found.setdefault((diagnosis.kind, diagnosis.trace), diagnosis)
        if known is diagnosis:
            self._tell(diagnosis)
        else:
            known.count += 1
        if self._mode == "abort":
            where = f" in {diagnosis.trace[0]}" if diagnosis.trace else ""
            raise ProcessAbort(f"memcheck: {diagnosis.detail}{where}")
