"""The pager: what the kernel does at a page fault, and at a fork (OSTEP ch. 21 and 23)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.errors import FaultKind
from simulator.memory.paging.shape import COPY_ON_WRITE, EXECUTABLE, FRAME_SHIFT, PRESENT, WRITABLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.charges import Shortage
    from simulator.memory.costs import MemoryCosts
    from simulator.memory.paging.frames import Frames
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.regions import PageRegion


class Pager:
    """Serves page faults: zeros on demand, files shared, copies on write.

    A pager that has a disk to swap to extends `bring_in`.

    Args:
        frames: where frames come from.
        costs: what a fault and copying take.
    """

    def __init__(self, frames: Frames, costs: MemoryCosts) -> None:
        self._frames = frames
        self._costs = costs

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
            own = int(self.take(space, 1)[0])
            space.storage.copy(frame * size, own * size, size)
            space.account.copied(size, self._costs)
            self._frames.release(np.array([frame]))
            frame = own
        bits = entry & ((1 << FRAME_SHIFT) - 1) & ~COPY_ON_WRITE | WRITABLE
        space.table.set(page, frame << FRAME_SHIFT | bits)
        space.account.fault(FaultKind.COPY_ON_WRITE, 1, self._costs)
        space.version += 1

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
                own = np.flatnonzero(entries & PRESENT)
                if not len(own):
                    continue
                if region.file is None:
                    writable = own[(entries[own] & WRITABLE) != 0]
                    entries[writable] = entries[writable] & ~WRITABLE | COPY_ON_WRITE
                    self._frames.share((entries[own] >> FRAME_SHIFT).astype(np.int64))
                    child.pages_held += len(own)
                child.table.set_many(page + own, entries[own].astype(np.int64))
        parent.account.copied(child.table.held_bytes, self._costs)
        parent.version += 1
        child.version += 1
