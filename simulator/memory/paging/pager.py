"""The pager: what the kernel does at a page fault, and at a fork (OSTEP ch. 21 and 23)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.errors import FaultKind
from simulator.memory.paging.shape import COPY_ON_WRITE, EXECUTABLE, FRAME_SHIFT, PRESENT, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from simulator.memory.charges import Shortage
    from simulator.memory.costs import MemoryCosts
    from simulator.memory.paging.frames import Frames
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.regions import PageRegion, SharedFile
    from simulator.memory.paging.shape import Entries


class Pager:
    """Serves page faults: zeros on demand, files shared, copies on write.

    One that has a disk to swap to (`simulator.memory.paging.swapping`) extends it: it makes room where no
    frame is free, and hears what is used.

    Args:
        frames: where frames come from.
        costs: what a fault and copying take.

    Attributes:
        swaps: whether pages can be taken away and brought back.
        evictions: how many have been taken away.
    """

    swaps: ClassVar[bool] = False

    def __init__(self, frames: Frames, costs: MemoryCosts) -> None:
        self._frames = frames
        self._costs = costs
        self.evictions = 0

    def bring_in(self, space: MappedPages, region: PageRegion, pages: NDArray[np.int64]) -> None:
        """Give pages of one region, ascending and all absent, their frames.

        Raises:
            OutOfMemory: there are not enough frames; none of the pages has one then.
        """
        space.table.make(pages)
        bits = PRESENT | (WRITABLE if "w" in region.allows else 0)
        bits |= EXECUTABLE if "x" in region.allows else 0
        if region.file is None:
            frames = self.take(space, len(pages))
            space.pages_held += len(pages)
            space.account.fault(FaultKind.DEMAND_ZERO, len(pages), self._costs)
        else:
            places = pages - region.first
            missing = places[region.file.frames[places] < 0]
            region.file.frames[missing] = self._frames.allocate(len(missing), region.file.name, space.control)
            frames = region.file.frames[places]
            space.account.fault(FaultKind.SHARED_PAGE, len(pages), self._costs)
        space.table.set_many(pages, frames << FRAME_SHIFT | bits)
        space.version += 1

    def take(self, space: MappedPages, count: int) -> NDArray[np.int64]:
        """Return frames for private pages of a space: the one place where its job comes by memory.

        Raises:
            OutOfMemory: there are not enough; none is taken.
        """
        self.make_room(space, count)
        return self._frames.allocate(count, space.owner, space.control)

    def shortage(self, space: MappedPages, count: int, pages: NDArray[np.int64]) -> Shortage | None:
        """Make room for what a space is about to take, if that can be; return what stands against it.

        Args:
            space: for whom.
            count: frames that it will take.
            pages: those of its pages, ascending, that will need page tables.
        """
        size = self._frames.frame_bytes
        count += space.table.missing_bytes(pages) // size
        refuse = self._frames.refuse
        return self._frames.charges.shortage(space.control, count * size, lambda: refuse(count))

    def room(self, space: MappedPages) -> int:
        """Return how many frames a space can take now."""
        free, headroom = self._frames.free_bytes, space.control.headroom_bytes()
        return (free if headroom is None else min(free, headroom)) // self._frames.frame_bytes

    def make_room(self, space: MappedPages, count: int) -> None:
        """Have so many frames free for a space, if that can be."""

    def portions(self, pages: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cut pages that are used together into parts that are sure to be in memory together."""
        yield pages

    def pinned(self, frames: NDArray[np.int64]) -> AbstractContextManager[None]:  # noqa: ARG002 - for those that swap
        """Keep frames from being taken away for as long as the context lasts."""
        return nullcontext()

    def used(self, entries: NDArray[np.int64], *, write: bool) -> None:
        """Hear that the pages behind entries have been used, in this order."""

    def written(self, entries: NDArray[np.int64]) -> None:
        """Hear that the pages behind entries have been written, too."""

    def leave(self, space: MappedPages, first: int, entries: Entries) -> None:
        """Hear that a space lets go of private pages from `first` on, which have these entries."""

    def know(self, space: MappedPages) -> None:
        """Hear that there is a new space."""

    def forget_space(self, number: int) -> None:
        """Hear that a space has let go of all its pages."""

    def close(self, file: SharedFile) -> None:
        """Hear that nobody has a file mapped any more."""

    def unshare(self, space: MappedPages, page: int) -> None:
        """Let a page be written that has been shared since a fork: in a copy, if it still is.

        Raises:
            OutOfMemory: there is no frame for the copy.
        """
        entry = space.table.entry(page)
        if not entry & COPY_ON_WRITE:
            raise InvariantError(f"page {page:#x} is not to be copied on write")
        frame, size = entry >> FRAME_SHIFT, space.shape.page_size
        if self._frames.users(frame) > 1:
            with self.pinned(np.array([frame])):
                own = int(self.take(space, 1)[0])
            space.storage.copy(frame * size, own * size, size)
            space.account.copied(size, self._costs)
            self._moved(space, page, frame, own)
            self._frames.release(np.array([frame]))
            frame = own
        bits = entry & ((1 << FRAME_SHIFT) - 1) & ~COPY_ON_WRITE | WRITABLE
        space.table.set(page, frame << FRAME_SHIFT | bits)
        space.account.fault(FaultKind.COPY_ON_WRITE, 1, self._costs)
        space.version += 1

    def _moved(self, space: MappedPages, page: int, frame: int, to: int) -> None:
        """Hear that a page has a copy of its own now."""

    def _shared(self, child: MappedPages, first: int, entries: Entries) -> None:
        """Hear that a child has its parent's private pages, from `first` on, which have these entries."""

    def duplicate(self, parent: MappedPages, child: MappedPages) -> None:
        """Give a child its parent's regions and pages; private ones are copied when one of the two writes.

        Only the tables are copied at once.

        Raises:
            OutOfMemory: there are no frames for the child's tables.
        """
        for region in parent.regions_by_page:
            if region is parent.heap:
                copy = child.heap
                copy.end, copy.last = region.end, region.last
            else:
                copy = child.regions_by_page.at(region.first) or child.add(
                    region.name, region.start, region.end, region.allows
                )
            if region.file is not None and copy.file is None:
                child.join(copy, region.file)
            for page, entries in parent.table.parts(region.first, region.last):
                # Making tables can take pages away: they come first.
                child.table.make(page + np.flatnonzero(entries))
                own = np.flatnonzero(entries & PRESENT)
                if region.file is None:
                    writable = own[(entries[own] & WRITABLE) != 0]
                    entries[writable] = entries[writable] & ~WRITABLE | COPY_ON_WRITE
                    self._frames.share((entries[own] >> FRAME_SHIFT).astype(np.int64))
                    child.pages_held += len(own)
                    self._shared(child, page, entries)
                child.table.set_many(page + own, entries[own].astype(np.int64))
        parent.account.copied(child.table.held_bytes, self._costs)
        parent.version += 1
        child.version += 1
