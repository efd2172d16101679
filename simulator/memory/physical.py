"""Physical memory: one range of bytes, handed out in contiguous pieces."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulator.errors import InvariantError
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """One piece of physical memory and whose it is."""

    base: int
    size: int
    owner: str


class Move(NamedTuple):
    """A piece that was moved: where it began, where it begins now, and its size."""

    base: int
    to: int
    size: int


class MemoryBooks(Protocol):
    """What everybody may ask of physical memory, however it is handed out."""

    size_bytes: int
    storage: Storage

    @property
    def used_bytes(self) -> int:
        """Bytes handed out."""

    @property
    def free_bytes(self) -> int:
        """Bytes not handed out, in however many holes."""

    @property
    def largest_hole_bytes(self) -> int:
        """The largest piece of neighbouring free bytes."""

    def holdings(self) -> tuple[Holding, ...]:
        """Everything handed out, in address order; neighbours of one owner may be told as one."""

    def check(self) -> None:
        """Balance the books: free + used = size; raises InvariantError."""


class PhysicalMemory:
    """The machine's memory, addresses 0 to size_bytes, placed by first fit (OSTEP ch. 17).

    Free space can be plentiful and still useless: a piece has to be contiguous, so what counts is the
    largest hole (external fragmentation). A machine has tens of pieces, not thousands, so that a walk
    over all of them is quick.

    Attributes:
        size_bytes: its size.
        storage: the bytes it holds; those of free memory are 0, so that nobody finds another's.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.storage = Storage()
        self._pieces: list[Holding] = []
        self._used_bytes = 0

    @property
    def used_bytes(self) -> int:
        """Bytes handed out."""
        return self._used_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes not handed out, in however many holes."""
        return sum(size for _, size in self.holes())

    @property
    def largest_hole_bytes(self) -> int:
        """The largest piece that can be had now."""
        return max((size for _, size in self.holes()), default=0)

    def holes(self) -> Iterator[tuple[int, int]]:
        """Yield the (address, size) of everything free, in address order."""
        end = 0
        for piece in self._pieces:
            if piece.base > end:
                yield end, piece.base - end
            end = piece.base + piece.size
        if end < self.size_bytes:
            yield end, self.size_bytes - end

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
        if size <= 0:
            raise InvariantError(f"allocation of {size} bytes of physical memory")
        base = next((address for address, room in self.holes() if room >= size), None)
        if base is None:
            free, largest = self.free_bytes, self.largest_hole_bytes
            raise OutOfMemory(
                f"needs {format_bytes(size)} in one piece; {format_bytes(free)} are free, "
                f"the largest hole is {format_bytes(largest)} of {format_bytes(self.size_bytes)}",
                size,
                free,
                largest,
            )
        insort(self._pieces, Holding(base, size, owner))
        self._used_bytes += size
        return base

    def release(self, base: int) -> None:
        """Takes back the piece that starts at `base`; its bytes are lost.

        Raises:
            InvariantError: no piece starts there.
        """
        piece = self._pieces.pop(self._index(base, "release"))
        self.storage.clear(base, piece.size)
        self._used_bytes -= piece.size

    def extend(self, base: int, size: int) -> bool:
        """Make the piece at `base` longer by `size` bytes if those behind it are free; say if they were."""
        index = self._index(base, "extension")
        piece = self._pieces[index]
        limit = self._pieces[index + 1].base if index + 1 < len(self._pieces) else self.size_bytes
        if piece.base + piece.size + size > limit:
            return False
        self._pieces[index] = replace(piece, size=piece.size + size)
        self._used_bytes += size
        return True

    def shrink(self, base: int, size: int) -> None:
        """Take back the last `size` bytes of the piece at `base`, less than all of them."""
        index = self._index(base, "shrinking")
        piece = self._pieces[index]
        if not 0 <= size < piece.size:
            raise InvariantError(f"a piece of {piece.size} bytes shrinks by {size}")
        self._pieces[index] = replace(piece, size=piece.size - size)
        self.storage.clear(piece.base + piece.size - size, size)
        self._used_bytes -= size

    def compact(self) -> list[Move]:
        """Slide all pieces together at the bottom, in their order, so that one hole is left at the top.

        Returns:
            The pieces that moved. Who holds them has to learn of it.
        """
        moves = []
        end = 0
        for index, piece in enumerate(self._pieces):
            if piece.base != end:
                self.storage.copy(piece.base, end, piece.size)
                # What the piece left behind and nobody has moved over yet is free, and reads as 0.
                self.storage.clear(max(piece.base, end + piece.size), min(piece.size, piece.base - end))
                moves.append(Move(piece.base, end, piece.size))
                self._pieces[index] = replace(piece, base=end)
            end += piece.size
        return moves

    def holdings(self) -> tuple[Holding, ...]:
        """Everything handed out, in address order."""
        return tuple(self._pieces)

    def check(self) -> None:
        """Balances the books.

        Raises:
            InvariantError: free + used differs from the size, or pieces overlap or leave memory.
        """
        end = 0
        for piece in self._pieces:
            if piece.base < end or piece.size <= 0:
                raise InvariantError(f"physical memory: the piece at {piece.base:#x} begins before {end:#x}")
            end = piece.base + piece.size
        if end > self.size_bytes:
            raise InvariantError(f"physical memory: a piece ends at {end:#x}, behind the end")
        if self.free_bytes + self.used_bytes != self.size_bytes:
            raise InvariantError(
                f"physical memory: {self.free_bytes} free + {self.used_bytes} used != {self.size_bytes} bytes"
            )

    def _index(self, base: int, what: str) -> int:
        index = bisect_left(self._pieces, base, key=lambda piece: piece.base)
        if index == len(self._pieces) or self._pieces[index].base != base:
            raise InvariantError(f"{what} of physical memory at {base:#x}, where no piece starts")
        return index
