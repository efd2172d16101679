"""Physical memory: one range of bytes, handed out in contiguous pieces."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.errors import InvariantError
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.free_list import FreeList


@dataclass(frozen=True, slots=True)
class Holding:
    """One piece of physical memory and whose it is."""

    base: int
    size: int
    owner: str


class PhysicalMemory:
    """The machine's memory, addresses 0 to size_bytes, placed by first fit (OSTEP ch. 17).

    Free space can be plentiful and still useless: a piece has to be contiguous, so what counts is the
    largest hole (external fragmentation).
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._free = FreeList(0, size_bytes)
        self._holdings: dict[int, Holding] = {}
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """Bytes handed out."""
        return self._used_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes not handed out, in however many holes."""
        return self._free.total_free

    @property
    def largest_hole_bytes(self) -> int:
        """The largest piece that can be had now."""
        return self._free.largest

    def allocate(self, size: int, owner: str) -> int:
        """Hands out `size` contiguous bytes.

        Args:
            size: bytes, > 0.
            owner: whose they are, for memory maps.

        Returns:
            The physical address of the first byte.

        Raises:
            OutOfMemory: no hole is large enough.
        """
        base = self._free.allocate(size)
        if base is None:
            free, largest = self.free_bytes, self.largest_hole_bytes
            raise OutOfMemory(
                f"needs {format_bytes(size)} in one piece; {format_bytes(free)} are free, "
                f"the largest hole is {format_bytes(largest)} of {format_bytes(self.size_bytes)}",
                size,
                free,
                largest,
            )
        self._holdings[base] = Holding(base, size, owner)
        self._used_bytes += size
        return base

    def release(self, base: int) -> None:
        """Takes back the piece that starts at `base`.

        Raises:
            InvariantError: no piece starts there.
        """
        holding = self._holdings.pop(base, None)
        if holding is None:
            raise InvariantError(f"release of physical memory at {base:#x}, where no piece starts")
        self._free.release(base, holding.size)
        self._used_bytes -= holding.size

    def holdings(self) -> tuple[Holding, ...]:
        """Everything handed out, in address order."""
        return tuple(self._holdings[base] for base in sorted(self._holdings))

    def check(self) -> None:
        """Balances the books.

        Raises:
            InvariantError: free + used differs from the size, or pieces overlap or leave a gap.
        """
        if self.free_bytes + self.used_bytes != self.size_bytes:
            raise InvariantError(
                f"physical memory: {self.free_bytes} free + {self.used_bytes} used != {self.size_bytes} bytes"
            )
        self._free.check((holding.base, holding.size) for holding in self._holdings.values())
