"""The pages of an address space as the kernel keeps them: regions, a page table, frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.address_space import AddressSpace, Region
from simulator.memory.contiguous import HEAP_ALIGNMENT
from simulator.memory.errors import HeapRoomSpent, OutOfMemory
from simulator.memory.format import format_bytes, round_up
from simulator.memory.paging.regions import PageRegion, Regions, SharedFile
from simulator.memory.paging.shape import FRAME_SHIFT, PRESENT
from simulator.memory.paging.table import PageTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.mechanism import PagingMechanism
    from simulator.memory.storage import Storage

MAPPED = "mapped"
"""Name of the regions that `map_region` makes."""


class MappedPages(AddressSpace):
    """An address space in pages, each in any frame or in none until it is touched.

    The code begins in page 1: nothing lies in page 0, so that a null pointer faults (as on the VAX, OSTEP
    chapter 23, and under Linux). The heap lies behind the code, or begins at 0 where there is none; the stack
    lies at the top of the address space and mappings below it.

    Attributes:
        number: the address space identifier, by which the TLB tells it from others.
        regions_by_page: its regions.
        table: its page table.
        version: changes whenever a page comes or goes.
        pages_held: private pages that are in memory.
        heap: the region of the heap.
        heap_limit: the address that the heap may not grow beyond.
        top: the address behind the last of the address space.
        stack_first: the first page of the stack's room.
        extra: frames held for blocks that the burst in progress will free.
    """

    def __init__(
        self,
        mechanism: PagingMechanism,
        layout: Layout,
        owner: str,
        number: int,
        code: SharedFile | None = None,
        control: MemoryControl | None = None,
    ) -> None:
        """Makes the tables and the regions; the code is read in, everything else when it is touched.

        Args:
            mechanism: where the frames come from.
            layout: what the space has to hold.
            owner: whose it is, for memory maps.
            number: tells it from all others.
            code: the code of a process that this one is a copy of.
            control: who is charged for them.

        Raises:
            OutOfMemory: there are no frames for them, or the layout is larger than the address space.
        """
        super().__init__(control)
        self.mechanism = mechanism
        self.layout = layout
        self.owner = owner
        self.number = number
        self.version = 0
        shape = self.shape = mechanism.shape
        self.top = shape.pages * shape.page_size
        heap_start = round_up(self.code_start + layout.code_bytes, max(shape.page_size, HEAP_ALIGNMENT))
        self.heap_limit = heap_start + layout.heap_bytes
        self.stack_first = shape.pages - -(-layout.stack_bytes // shape.page_size)
        if heap_start + layout.heap_bytes > self.stack_first * shape.page_size:
            needs = heap_start + layout.heap_bytes + layout.stack_bytes
            raise OutOfMemory(
                f"an address space of {format_bytes(needs)}: addresses of {shape.address_bits} bits have "
                f"room for {format_bytes(self.top)}",
                needs,
                self.top,
                self.top,
            )
        self.table = PageTable(
            mechanism.frames,
            shape,
            f"page tables of {owner}",
            self.control,
            lambda count: mechanism.pager.make_room(self, count),
        )
        mechanism.pager.know(self)
        self.regions_by_page = Regions()
        self.pages_held = 0
        self.extra: NDArray[np.int64] = np.zeros(0, np.int64)
        self.heap = self.add("heap", heap_start, heap_start, "rw")
        if layout.stack_bytes:
            self.add("stack", self.top - layout.stack_bytes, self.top, "rw")
        try:
            self._load_code(code)
        except OutOfMemory:
            self.release()
            raise

    @property
    def virtual_bytes(self) -> int:
        """Bytes of all regions, as they are now (VSZ)."""
        return sum(region.end - region.start for region in self.regions_by_page)

    @property
    def resident_bytes(self) -> int:
        """Frames held, page tables included; a shared file counts with who has had it longest."""
        pages = (
            self.pages_held
            + len(self.extra)
            + sum(
                region.file.pages_held
                for region in self.regions_by_page
                if region.file is not None and region.file.users[0] is self
            )
        )
        return pages * self.shape.page_size + self.table.held_bytes

    @property
    def rss_bytes(self) -> int:
        """Pages that it has in memory, shared ones in full, without tables."""
        files = [region for region in self.regions_by_page if region.file is not None]
        shared = sum(self.present_pages(region) for region in files)
        return (self.pages_held + len(self.extra) + shared) * self.shape.page_size

    @property
    def code_start(self) -> int:
        """The code begins in page 1; without code there is no program with pointers to be caught."""
        return self.shape.page_size if self.layout.code_bytes else 0

    @property
    def stack_top(self) -> int:
        """The stack ends where the address space does."""
        return self.top

    @property
    def storage(self) -> Storage:
        """Physical memory."""
        return self.mechanism.frames.storage

    def regions(self) -> list[Region]:
        """The regions, and how much of each is in memory."""
        rows = []
        for region in self.regions_by_page:
            if region.file is not None:
                held = region.file.pages_held if region.file.users[0] is self else 0
            else:
                held = self.present_pages(region)
            size = region.end - region.start
            if size:
                rows.append(
                    Region(region.name, region.start, size, held * self.shape.page_size, region.allows)
                )
        return rows

    @property
    def table_bytes(self) -> int:
        """Physical memory that the page table takes."""
        return self.table.held_bytes

    @property
    def internal_fragmentation_bytes(self) -> int:
        """What is held of pages that are not used to the end: less than a page for each region."""
        return sum(max(row.resident_bytes - row.size, 0) for row in self.regions())

    def grow_heap(self, size: int) -> int:
        """Moves the program break up; the new pages have no frames until they are touched.

        Raises:
            OutOfMemory: the heap's room is used up.
        """
        if size < 0:
            raise InvariantError(f"the heap grows by {size} bytes")
        heap = self.heap
        room = self.layout.heap_bytes - (heap.end - heap.start) if self.number >= 0 else 0
        if size > room:
            raise HeapRoomSpent(
                f"growing the heap by {format_bytes(size)} would exceed its room: "
                f"{format_bytes(room)} are left",
                size,
                room,
                room,
            )
        before = heap.end
        heap.end += size
        heap.last = -(-heap.end // self.shape.page_size)
        return before

    def shrink_heap(self, size: int) -> bool:
        """Moves the program break down and gives the frames of whole pages above it back.

        Raises:
            InvariantError: by less than nothing, or below where the heap began.
        """
        heap = self.heap
        if not 0 <= size <= heap.end - heap.start:
            raise InvariantError(f"the heap shrinks by {size} bytes")
        heap.end -= size
        last = -(-heap.end // self.shape.page_size)
        self.drop(last, heap.last)
        heap.last = last
        return True

    def map_region(self, size: int) -> int:
        """Maps pages of zeros below the stack, in the highest gap that holds them.

        Raises:
            OutOfMemory: the mappings would meet the heap's room.
        """
        return self._map(MAPPED, size, "rw").start

    def unmap_region(self, address: int) -> None:
        """Takes a mapping back, and its frames.

        Raises:
            InvariantError: no mapping begins there.
        """
        region = self.regions_by_page.at(address >> self.shape.offset_bits)
        if region is None or region.name != MAPPED or region.start != address:
            raise InvariantError(f"no region is mapped at {address:#x}")
        self.drop(region.first, region.last)
        self.regions_by_page.remove(region)

    def map_file(self, name: str, size: int) -> int:
        """Maps a file that is only read; its pages are the same frames for all that have it mapped.

        Raises:
            OutOfMemory: there is no room for it.
        """
        region = self._map(name, size, "r")
        self.join(region, self.mechanism.open_file(name, region.last - region.first))
        return region.start

    def release(self) -> None:
        """Gives all frames back.

        Raises:
            InvariantError: it was released before.
        """
        if self.number < 0:
            raise InvariantError("an address space is released twice")
        self.end_burst()
        for region in list(self.regions_by_page):
            if region.file is not None:
                self.mechanism.close_file(self, region.file)
            else:
                self.drop(region.first, region.last)
            self.regions_by_page.remove(region)
        self.table.release()
        self.mechanism.forget_space(self.number)
        self.number = -1
        self.heap.end = self.heap.start

    def drop(self, first: int, last: int) -> None:
        """Give the frames of private pages first to last - 1 back."""
        for start, entries in self.table.parts(first, last):
            self.mechanism.pager.leave(self, start, entries)
            present = np.flatnonzero(entries & PRESENT)
            frames = (entries[present] >> FRAME_SHIFT).astype(np.int64)
            entries[:] = 0
            if len(present):
                self.mechanism.frames.release(frames)
                self.pages_held -= len(present)
                self.version += 1
                self.mechanism.forget_pages(self.number, start, start + len(entries))

    def end_burst(self) -> None:
        """Give back the frames that were only held while a burst went on."""
        self.mechanism.frames.release(self.extra)
        self.extra = self.extra[:0]

    def note_repetition(self) -> None:
        """Let what the kernel has repeated meanwhile count as uses of pages."""

    def lose(self) -> None:
        """Hear that pages were taken away."""

    def next_uses(self, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the process's CPU time until each page is used next."""
        return np.full(len(pages), np.iinfo(np.int64).max)

    def add(self, name: str, start: int, end: int, allows: str) -> PageRegion:
        """Add a region of the bytes from `start` to `end`; none of its pages is in memory."""
        size = self.shape.page_size
        region = PageRegion(name, start // size, -(-end // size), start, end, allows)
        self.regions_by_page.add(region)
        return region

    def join(self, region: PageRegion, file: SharedFile) -> None:
        """Let a region show a file."""
        region.file = file
        file.users.append(self)

    def present_pages(self, region: PageRegion) -> int:
        """Return how many pages of a region are in memory."""
        parts = self.table.parts(region.first, region.last)
        return sum(int(np.count_nonzero(entries & PRESENT)) for _, entries in parts)

    def _load_code(self, code: SharedFile | None) -> None:
        """Map the program and read it in, unless somebody has it in memory already."""
        layout = self.layout
        if layout.code_bytes == 0:
            return
        region = self.add("code", self.code_start, self.code_start + layout.code_bytes, "rx")
        if code is None:
            name = f"code of {layout.program}" if layout.program else self.owner
            key = name if layout.program else f"code of space {self.number}"
            code = self.mechanism.open_file(name, region.last - region.first, key)
        self.join(region, code)
        self.mechanism.pager.bring_in(self, region, np.arange(region.first, region.last))

    def _map(self, name: str, size: int, allows: str) -> PageRegion:
        pages = -(-size // self.shape.page_size)
        first = self.regions_by_page.gap_below(self.stack_first, pages)
        if first is None or first * self.shape.page_size < self.heap_limit or self.number < 0:
            room = max(self.stack_first * self.shape.page_size - self.heap_limit, 0)
            raise OutOfMemory(f"no room to map {format_bytes(size)} between heap and stack", size, room, room)
        start = first * self.shape.page_size
        return self.add(name, start, start + size, allows)
