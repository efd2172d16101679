"""Page tables, which themselves lie in frames (OSTEP ch. 18 and 20)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.shape import FRAME_SHIFT, PRESENT, SMALL_ENTRY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.frames import Frames
    from simulator.memory.paging.shape import Entries, Shape


class PageTable:
    """The tables of one address space: a root, and below it tables that exist where pages are.

    An entry of an inner table holds the frame where the table below begins. A linear page table is a root
    and nothing else, with room for every page whether it is used or not.

    Attributes:
        shape: how addresses are taken apart.
        held_bytes: physical memory that the tables take.
    """

    def __init__(
        self,
        frames: Frames,
        shape: Shape,
        owner: str,
        control: MemoryControl,
        make_room: Callable[[int], None],
    ) -> None:
        """Makes an empty root.

        Args:
            frames: where tables lie.
            shape: how addresses are taken apart.
            owner: whose they are, for memory maps.
            control: who is charged for them.
            make_room: called with a number of frames that are about to be needed.

        Raises:
            OutOfMemory: there are no frames for it.
        """
        self.shape = shape
        self.held_bytes = 0
        self._frames = frames
        self._owner = owner
        self._control = control
        self._make_room = make_room
        self._tables: dict[int, int] = {}
        self._root = self._new(0)
        # The leaves as arrays, by the page number's upper bits: views of the same memory.
        self._leaves: dict[int, Entries] = {}
        if shape.levels == 1:
            self._leaves[0] = self._array(self._root, 0)

    def walk(self, page: int) -> tuple[int, int]:
        """Look a page up as the hardware does: table by table, in memory.

        Returns:
            The entry, 0 where a table on the way is missing, and the number of memory references made.
        """
        frame = self._root
        for level, (shift, bits) in enumerate(zip(self.shape.shifts, self.shape.index_bits, strict=True)):
            index = (page >> shift) & ((1 << bits) - 1)
            entry = self._at(frame, index)
            if not entry & PRESENT:
                return (entry if level == self.shape.levels - 1 else 0), level + 1
            frame = entry >> FRAME_SHIFT
        return entry, self.shape.levels

    def entry(self, page: int) -> int:
        """Return the entry of a page, 0 if no table has one."""
        leaf = self._leaves.get(page >> self.shape.index_bits[-1])
        return 0 if leaf is None else int(leaf[page & (len(leaf) - 1)])

    def set(self, page: int, entry: int) -> None:
        """Write the entry of a page, making the tables on the way to it.

        Raises:
            OutOfMemory: there are no frames for them; those made are kept.
        """
        leaf = self._leaf(page)
        leaf[page & (len(leaf) - 1)] = entry

    def parts(self, first: int, last: int, *, make: bool = False) -> Iterator[tuple[int, Entries]]:
        """Yield (page, entries from that page on) for the tables that hold pages first to last - 1.

        Args:
            first: the first page.
            last: the page behind the last.
            make: whether missing tables are made; otherwise they are passed over.

        Raises:
            OutOfMemory: there are no frames for a table.
        """
        bits = self.shape.index_bits[-1]
        while first < last:
            end = min(last, ((first >> bits) + 1) << bits)
            leaf = self._leaf(first) if make else self._leaves.get(first >> bits)
            if leaf is not None:
                start = first & ((1 << bits) - 1)
                yield first, leaf[start : start + end - first]
            first = end

    def get_many(self, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the entries of pages, ascending; 0 where there is none."""
        entries = np.zeros(len(pages), np.int64)
        for number, part in self._by_leaf(pages):
            leaf = self._leaves.get(number)
            if leaf is not None:
                entries[part] = leaf[pages[part] & (len(leaf) - 1)]
        return entries

    def get_any(self, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """As `get_many`, in any order."""
        different, where = np.unique(pages, return_inverse=True)
        return self.get_many(different)[where]

    def set_many(self, pages: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Write the entries of pages, ascending, making tables where there are none.

        Raises:
            OutOfMemory: there are no frames for a table; entries before it are written.
        """
        for _, part in self._by_leaf(pages):
            leaf = self._leaf(int(pages[part.start]))
            leaf[pages[part] & (len(leaf) - 1)] = entries[part]

    def make(self, pages: NDArray[np.int64]) -> None:
        """Make the tables for pages, ascending, so that their entries can be written.

        Raises:
            OutOfMemory: there are no frames for a table; those made are kept.
        """
        for _, part in self._by_leaf(pages):
            self._leaf(int(pages[part.start]))

    def missing_bytes(self, pages: NDArray[np.int64]) -> int:
        """Return how much physical memory the tables would take that `make` would make for pages."""
        shape = self.shape
        wanted = np.unique(pages >> shape.index_bits[-1])
        there = np.array(list(self._leaves), np.int64)
        size = 0
        for level in range(shape.levels - 1, 0, -1):
            size += int((~np.isin(wanted, there)).sum()) * shape.table_bytes(level)
            # An inner table is there if one below it is.
            wanted, there = (np.unique(part >> shape.index_bits[level - 1]) for part in (wanted, there))
        return size

    def release(self) -> None:
        """Give the tables' frames back; what the entries point to is for others to release."""
        for first, count in self._tables.items():
            self._frames.release(np.arange(first, first + count))
        self._tables.clear()
        self._leaves.clear()
        self.held_bytes = 0

    def _by_leaf(self, pages: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
        """Yield (number of the leaf, slice of `pages`) for the leaves that pages, ascending, are in."""
        if len(pages) == 1:
            yield int(pages[0]) >> self.shape.index_bits[-1], slice(0, 1)
            return
        numbers = pages >> self.shape.index_bits[-1]
        edges = np.flatnonzero(np.diff(numbers)) + 1
        bounds = [0, *edges.tolist(), len(pages)] if len(pages) else []
        for start, end in pairwise(bounds):
            yield int(numbers[start]), slice(start, end)

    def _leaf(self, page: int) -> Entries:
        number = page >> self.shape.index_bits[-1]
        leaf = self._leaves.get(number)
        if leaf is None:
            leaf = self._leaves[number] = self._make_leaf(page)
        return leaf

    def _make_leaf(self, page: int) -> Entries:
        frame = self._root
        for level in range(self.shape.levels - 1):
            index = (page >> self.shape.shifts[level]) & ((1 << self.shape.index_bits[level]) - 1)
            entries = self._array(frame, level)
            if not entries[index] & PRESENT:
                entries[index] = self._new(level + 1) << FRAME_SHIFT | PRESENT
            frame = int(entries[index]) >> FRAME_SHIFT
        return self._array(frame, self.shape.levels - 1)

    def _new(self, level: int) -> int:
        size = self.shape.table_bytes(level)
        count = size // self.shape.page_size
        self._make_room(count)
        first = self._frames.allocate_neighbours(count, self._owner, self._control)
        self._tables[first] = count
        self.held_bytes += size
        return first

    def _array(self, frame: int, level: int) -> Entries:
        size = self.shape.entry_bytes << self.shape.index_bits[level]
        window = self._frames.storage.window(frame * self.shape.page_size, size)
        if self.shape.entry_bytes == SMALL_ENTRY_BYTES:
            return window.view(np.int32)
        return window.view(np.int64)

    def _at(self, frame: int, index: int) -> int:
        size = self.shape.entry_bytes
        data = self._frames.storage.read(frame * self.shape.page_size + index * size, size)
        return int.from_bytes(data, "little", signed=True)
