"""Whether a program may use an address, and whether what it reads there has been written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from simulator.memory.address_space import UNUSED, Access
from simulator.memory.memcheck.blocks import Blocks
from simulator.memory.memcheck.diagnosis import Diagnosis, ErrorKind, of_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.code_position import Trace
    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.memcheck.blocks import Block

NULL_PAGE = 4096
"""Addresses below this, if in no block, are taken for null pointers with an offset, whatever lies there."""
_NAMES_OF_PARTS = {"code", "heap", "stack", "mapped", UNUSED}


class Stretch(NamedTuple):
    """Addresses of one kind: up to `end`, usable or not, and why not."""

    end: int
    usable: bool
    why: str = ""
    block: Block | None = None


class Checker:
    """Knows of each byte whether it is addressable and whether it has been written (valgrind's A and V bits).

    That is so for blocks of the heap, which it is told of, and for the stack from the moment on that the
    program moves its stack pointer; before that, all of the stack is taken to be in use.

    Args:
        space: the address space.
        layout: what it consists of.

    Attributes:
        blocks: of the heap, freed ones included as long as they are not used again.
        stack_low: the lowest address of the stack's room.
        stack_pointer: the lowest address of the stack that is in use.
        stack_defined: bool[stack_bytes], whether each byte has been written.
    """

    def __init__(self, space: AddressSpace, layout: Layout) -> None:
        self._space = space
        self._code = range(space.code_start, space.code_start + layout.code_bytes)
        self._stack_top = space.stack_top
        self.stack_low = self.stack_pointer = space.stack_top - layout.stack_bytes
        self.stack_defined = np.zeros(layout.stack_bytes, np.bool_)
        self.blocks = Blocks()

    def move_stack(self, before: int, pointer: int) -> None:
        """Learn that the stack pointer moves: what comes into use has not been written."""
        if pointer < before:
            low = max(pointer, self.stack_low)
            self.stack_defined[low - self.stack_low : before - self.stack_low] = False
        self.stack_pointer = pointer

    def check(self, access: Access, address: int, size: int, trace: Trace) -> Diagnosis | None:
        """Return what is wrong with an access, None if nothing is; a write is noted.

        Args:
            access: what is done.
            address: the first of the bytes.
            size: how many.
            trace: where the program is.
        """
        bad = self._first_unusable(access, address, size)
        if access is Access.WRITE:
            self.define(address, size)
        if bad is not None:
            return self._invalid(access, bad, address + size, trace)
        if access is Access.READ:
            return self._unwritten(address, size, trace)
        return None

    def define(self, address: int, size: int) -> None:
        """Note that bytes have been written."""
        for defined, first, last in self._shadows(address, size):
            defined[first:last] = True

    def _first_unusable(self, access: Access, address: int, size: int) -> tuple[int, Stretch] | None:
        at, end = address, address + size
        while at < end:
            stretch = self._stretch(access, at)
            if not stretch.usable:
                return at, stretch
            at = stretch.end
        return None

    def _stretch(self, access: Access, address: int) -> Stretch:
        """Return what kind of address one is, and how far that goes."""
        if self.stack_low <= address < self._stack_top:
            if address < self.stack_pointer:
                return Stretch(self.stack_pointer, usable=False, why="below the stack pointer")
            return Stretch(self._stack_top, usable=True)
        block = self.blocks.around(address)
        if block is not None:
            return _within(block, address)
        return self._elsewhere(access, address)

    def _elsewhere(self, access: Access, address: int) -> Stretch:
        """Return what kind of address one is that is in no block and not in the stack's room."""
        reads = access is not Access.WRITE
        if 0 <= address < NULL_PAGE:
            end = min(NULL_PAGE, self._next_watched(address))
            return Stretch(end, usable=False, why="a null pointer")
        if address in self._code:
            return Stretch(self._code.stop, usable=reads, why="in the program's code")
        for region in self._space.regions():
            if region.name not in _NAMES_OF_PARTS and 0 <= address - region.start < region.size:
                return Stretch(region.start + region.size, usable=reads, why=f"in {region.name}")
        why = "which is no block, stack or file of the program's"
        return Stretch(self._next_watched(address), usable=False, why=why)

    def _next_watched(self, address: int) -> int:
        """Return where the first block or the stack's room begins above an address."""
        edges = [self.blocks.next_low(address), self.stack_low if self.stack_low > address else None]
        return min((edge for edge in edges if edge is not None), default=1 << 64)

    def _invalid(self, access: Access, bad: tuple[int, Stretch], end: int, trace: Trace) -> Diagnosis:
        first, stretch = bad
        at, block = first, stretch.block
        while at < end and not (further := self._stretch(access, at)).usable:
            at = further.end
        size = min(at, end) - first
        verb = "write" if access is Access.WRITE else "read"
        where = stretch.why if block is None else block.beside(first)
        kind = ErrorKind.INVALID_WRITE if access is Access.WRITE else ErrorKind.INVALID_READ
        if block is not None and block.freed is not None and block.address <= first < block.end:
            kind = ErrorKind.USE_AFTER_FREE
        detail = f"invalid {verb} of {of_bytes(size)} at {first:#x}, {where}"
        return Diagnosis(kind, detail, trace, first, size, None if block is None else block.record)

    def _unwritten(self, address: int, size: int, trace: Trace) -> Diagnosis | None:
        count, start = 0, -1
        at = address
        for defined, first, last in self._shadows(address, size):
            missing = np.flatnonzero(~defined[first:last])
            if len(missing):
                start = at + int(missing[0]) if start < 0 else start
                count += len(missing)
            at += last - first
        if not count:
            return None
        block = self.blocks.around(start)
        where = "on the stack" if block is None else block.beside(start)
        detail = f"read of {of_bytes(count)} that {'was' if count == 1 else 'were'} never written"
        return Diagnosis(
            ErrorKind.UNINITIALISED_READ,
            f"{detail}, at {start:#x}, {where}",
            trace,
            start,
            count,
            None if block is None else block.record,
        )

    def _shadows(self, address: int, size: int) -> Iterator[tuple[np.ndarray, int, int]]:
        """Yield, for the parts of a range that are watched, where it is noted what has been written."""
        at, end = address, address + size
        while at < end:
            if self.stack_low <= at < self._stack_top:
                last = min(end, self._stack_top)
                yield self.stack_defined, at - self.stack_low, last - self.stack_low
                at = last
                continue
            block = self.blocks.around(at)
            if block is None:
                at = self._next_watched(at)
                continue
            first, last = max(at, block.address), min(end, block.end)
            if first < last and block.freed is None:
                yield block.defined, first - block.address, last - block.address
            at = block.high


def _within(block: Block, address: int) -> Stretch:
    if block.freed is None and block.address <= address < block.end:
        return Stretch(block.end, usable=True)
    edge = block.address if address < block.address and block.freed is None else block.high
    return Stretch(edge, usable=False, block=block)
