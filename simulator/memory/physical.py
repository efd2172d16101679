"""Physical memory: one range of bytes, handed out in contiguous pieces."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulator.errors import InvariantError
from simulator.memory.charges import Charges, Refusal, Shortage
from simulator.memory.control import MemoryControl
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
    charges: Charges

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
        charges: who is charged for what is handed out.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.storage = Storage()
        self.charges = Charges()
        self._pieces: list[Holding] = []
        self._payers: dict[int, MemoryControl] = {}
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

    def allocate(
        self,
        size: int,
        owner: str,
        control: MemoryControl | None = None,
        make_hole: Callable[[], None] | None = None,
    ) -> int:
        """Hands out `size` contiguous bytes.

        Args:
            size: bytes, > 0.
            owner: whose they are, for memory maps.
            control: who is charged for them; None for a claim of their own without limits.
            make_hole: moves pieces together, where there is room but no hole; None where that cannot be.

        Returns:
            The physical address of the first byte.

        Raises:
            OutOfMemory: no hole is large enough, or a limit stands against it.
        """
        if size <= 0:
            raise InvariantError(f"allocation of {size} bytes of physical memory")

        def refuse() -> Refusal | None:
            if make_hole is not None and self._hole(size) is None and self.free_bytes >= size:
                make_hole()
            return (
                None if self._hole(size) is not None else self._no_hole(size, movable=make_hole is not None)
            )

        payer = MemoryControl(owner) if control is None else control
        self.charges.admit(payer, size, refuse)
        base = self._hole(size)
        if base is None:
            raise InvariantError(f"physical memory: the hole for {size} bytes has gone")
        insort(self._pieces, Holding(base, size, owner))
        self._payers[base] = payer
        self._used_bytes += size
        self.charges.agree(self._used_bytes)
        return base

    def release(self, base: int) -> None:
        """Takes back the piece that starts at `base`; its bytes are lost.

        Raises:
            InvariantError: no piece starts there.
        """
        piece = self._pieces.pop(self._index(base, "release"))
        self.storage.clear(base, piece.size)
        self._used_bytes -= piece.size
        self.charges.withdraw(self._payers.pop(base), piece.size)
        self.charges.agree(self._used_bytes)

    def extend(self, base: int, size: int) -> bool:
        """Make the piece at `base` longer by `size` bytes if those behind it are free; say if they were.

        Raises:
            OutOfMemory: they are, and a limit stands against it.
        """
        index = self._index(base, "extension")
        piece = self._pieces[index]
        limit = self._pieces[index + 1].base if index + 1 < len(self._pieces) else self.size_bytes
        if piece.base + piece.size + size > limit:
            return False
        self.charges.admit(self._payers[base], size, lambda: None)
        # Others may have gone on the way.
        self._pieces[self._index(base, "extension")] = replace(piece, size=piece.size + size)
        self._used_bytes += size
        self.charges.agree(self._used_bytes)
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
        self.charges.withdraw(self._payers[base], size)
        self.charges.agree(self._used_bytes)

    def check_size(self, size: int, control: MemoryControl) -> None:
        """Refuse what would not even fit alone.

        Raises:
            OutOfMemory: `size` bytes are more than there are, or than a limit allows.
        """
        lacking: list[tuple[MemoryControl | None, int]] = [
            (one, size - one.max_bytes)
            for one in control.lineage()
            if one.max_bytes is not None and one.max_bytes < size
        ]
        whole = f"needs {format_bytes(size)}; the memory has {format_bytes(self.size_bytes)}"
        error = OutOfMemory(whole, size, self.size_bytes, self.size_bytes)
        limit = lacking[0][0] if lacking else None
        if size > self.size_bytes:
            lacking.append((None, size - self.size_bytes))
        if lacking:
            error = error if limit is None else limit.refusal(size)
            error.shortage = Shortage(control, size, limit, tuple(lacking), error)
            raise error

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
                self._payers[end] = self._payers.pop(piece.base)
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
        self.charges.check(self.used_bytes)

    def _hole(self, size: int) -> int | None:
        """Return where the first hole of so many bytes begins."""
        return next((address for address, room in self.holes() if room >= size), None)

    def _no_hole(self, size: int, *, movable: bool) -> Refusal:
        free, largest = self.free_bytes, self.largest_hole_bytes
        error = OutOfMemory(
            f"needs {format_bytes(size)} in one piece; {format_bytes(free)} are free, "
            f"the largest hole is {format_bytes(largest)} of {format_bytes(self.size_bytes)}",
            size,
            free,
            largest,
        )
        at_end = next((room for start, room in self.holes() if start + room == self.size_bytes), 0)
        return Refusal(error, size - (free if movable else at_end))

    def _index(self, base: int, what: str) -> int:
        index = bisect_left(self._pieces, base, key=lambda piece: piece.base)
        if index == len(self._pieces) or self._pieces[index].base != base:
            raise InvariantError(f"{what} of physical memory at {base:#x}, where no piece starts")
        return index
