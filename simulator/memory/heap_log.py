"""A heap on record: each block's place, size and life, for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulator.burst import Burst
    from simulator.memory.heap import Heap
    from simulator.memory.heap_outcome import Outcome

NOT_YET = -1
"""The end of what goes on."""


class Piece(NamedTuple):
    """A part of a heap and when it was so, in CPU time that the process had received.

    Attributes:
        kind: "block"; "mapping", a block with a mapping of its own; or "extent", all from the heap's
            beginning to the program break.
        address: of its first byte; of a block the one that malloc returned.
        size_bytes: bytes that it takes from there to its end.
        asked_bytes: bytes that the program asked for, 0 for an extent.
        from_ns: since when.
        to_ns: until when; NOT_YET if it still is.
    """

    kind: str
    address: int
    size_bytes: int
    asked_bytes: int
    from_ns: int
    to_ns: int


class HeapLog:
    """Keeps the first so many blocks of a heap.

    Args:
        limit: how many pieces are kept; then recording ends, and what goes on then goes on for good.

    Attributes:
        now_ns: CPU time that the process has received; whoever executes the process sets it.
        ended_ns: when recording ended, NOT_YET before.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[Piece] = []
        self._alive: dict[int, int] = {}
        self._extent = NOT_YET
        self.now_ns = 0
        self.ended_ns = NOT_YET

    @property
    def is_open(self) -> bool:
        """Whether more is recorded."""
        return self.ended_ns == NOT_YET

    @property
    def pieces(self) -> list[Piece]:
        """What was recorded, in order of its beginning."""
        return self._pieces

    def note_malloc(self, heap: Heap, address: int, size: int) -> None:
        """Record a block allocated now by a call of its own."""
        self._note_extent(heap.begin, heap.extent_bytes, self.now_ns)
        is_mapping = not heap.begin <= address < heap.begin + heap.extent_bytes
        self._note_block(address, heap.block_bytes(address), size, self.now_ns, is_mapping=is_mapping)

    def note_free(self, heap: Heap, address: int) -> None:
        """Record that a block has been freed now by a call of its own."""
        self._note_end(address, self.now_ns)
        self._note_extent(heap.begin, heap.extent_bytes, self.now_ns)

    def note_burst(self, heap: Heap, burst: Burst, outcome: Outcome) -> None:
        """Record what a burst that begins now has done."""
        done, begin = outcome.done, heap.begin
        offsets = (burst.event_offset_ns[:done] + self.now_ns).tolist()
        columns = (burst.event_bytes, outcome.extent, outcome.place, outcome.chunk)
        for at_ns, size, extent, place, chunk in zip(
            offsets, *(column[:done].tolist() for column in columns), strict=True
        ):
            if not self.is_open:
                return
            if size > 0:
                self._note_extent(begin, extent, at_ns)
                is_mapping = not begin <= place < begin + extent
                self._note_block(place, chunk, size, at_ns, is_mapping=is_mapping)
            else:
                self._note_end(place, at_ns)
                self._note_extent(begin, extent, at_ns)

    def _note_block(self, address: int, size: int, asked: int, at_ns: int, *, is_mapping: bool) -> None:
        self._alive[address] = len(self._pieces)
        self._add(Piece("mapping" if is_mapping else "block", address, size, asked, at_ns, NOT_YET))

    def _note_end(self, address: int, at_ns: int) -> None:
        index = self._alive.pop(address, NOT_YET)
        if index != NOT_YET and self.is_open:
            self._pieces[index] = self._pieces[index]._replace(to_ns=at_ns)

    def _note_extent(self, begin: int, size: int, at_ns: int) -> None:
        if self._extent != NOT_YET:
            known = self._pieces[self._extent]
            if known.size_bytes == size or not self.is_open:
                return
            self._pieces[self._extent] = known._replace(to_ns=at_ns)
        self._extent = len(self._pieces)
        self._add(Piece("extent", begin, size, 0, at_ns, NOT_YET))

    def _add(self, piece: Piece) -> None:
        if not self.is_open:
            return
        self._pieces.append(piece)
        if len(self._pieces) >= self._limit:
            self.ended_ns = piece.from_ns
