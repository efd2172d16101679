"""The blocks of a heap that is watched: where they are, what has been written, and who allocated them."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.memcheck.diagnosis import BlockRecord, of_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.code_position import Trace


@dataclass(eq=False)
class Block:
    """A block, alive or freed and not yet given back.

    Attributes:
        low: the address that the heap returned: where the red zone before the block begins.
        address: the address that the program was given.
        size: bytes that it asked for.
        high: the address behind the red zone after the block.
        defined: bool[size], whether each byte has been written.
        allocated: where.
        freed: where, None while it is alive.
    """

    low: int
    address: int
    size: int
    high: int
    defined: NDArray[np.bool_]
    allocated: Trace
    freed: Trace | None = None

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.address + self.size

    @property
    def record(self) -> BlockRecord:
        """What is to be told of it, as it is now."""
        return BlockRecord(self.address, self.size, self.allocated, self.freed)

    def beside(self, address: int) -> str:
        """Say where an address is, seen from the block."""
        size = f"a block of {of_bytes(self.size)}"
        if address < self.address:
            distance, side = self.address - address, "before"
        elif address < self.end:
            distance, side = address - self.address, "inside"
        else:
            distance, side = address - self.end, "after"
        text = f"{of_bytes(distance)} {side} {size}"
        return text if self.freed is None else f"{text} that was freed"


class Blocks:
    """Blocks in order of address; no two overlap, red zones included."""

    def __init__(self) -> None:
        self._lows: list[int] = []
        self._by_low: dict[int, Block] = {}
        self._by_address: dict[int, Block] = {}

    def add(self, block: Block) -> None:
        """Add a block."""
        insort(self._lows, block.low)
        self._by_low[block.low] = block
        self._by_address[block.address] = block

    def remove(self, block: Block) -> None:
        """Take a block out, the memory of which is no longer its own."""
        del self._lows[bisect_right(self._lows, block.low) - 1]
        del self._by_low[block.low], self._by_address[block.address]

    def at(self, address: int) -> Block | None:
        """Return the block that was given out at an address."""
        return self._by_address.get(address)

    def around(self, address: int) -> Block | None:
        """Return the block in which, or in the red zones of which, an address is."""
        at = bisect_right(self._lows, address) - 1
        block = self._by_low[self._lows[at]] if at >= 0 else None
        return block if block is not None and address < block.high else None

    def next_low(self, address: int) -> int | None:
        """Return where the first block above an address begins, None if there is none."""
        at = bisect_right(self._lows, address)
        return self._lows[at] if at < len(self._lows) else None

    def alive(self) -> list[Block]:
        """Return the blocks that have not been freed, in order of address."""
        return [block for low in self._lows if (block := self._by_low[low]).freed is None]


def new_block(low: int, address: int, size: int, high: int, allocated: Trace, *, zeroed: bool) -> Block:
    """Return a block of which nothing, or everything, has been written."""
    defined = np.ones(size, np.bool_) if zeroed else np.zeros(size, np.bool_)
    return Block(low, address, size, high, defined, allocated)
