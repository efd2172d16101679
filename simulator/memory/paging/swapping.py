"""A pager with a disk: pages that do not fit go there, and come back when they are used (OSTEP ch. 21)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.errors import FaultKind
from simulator.memory.paging.eviction import Eviction
from simulator.memory.paging.pager import Pager
from simulator.memory.paging.residents import Residents
from simulator.memory.paging.shape import EXECUTABLE, FRAME_SHIFT, PRESENT, WRITABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from simulator.memory.costs import MemoryCosts
    from simulator.memory.paging.frames import Frames
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.regions import PageRegion, SharedFile
    from simulator.memory.paging.replacement.base import Replacement
    from simulator.memory.paging.shape import Entries
    from simulator.memory.paging.swap import SwapDevice

AT_ONCE = 4
"""Pages that are used together are brought in in parts of one in so many of all frames."""


class SwappingPager(Pager):
    """Serves page faults also when no frame is free, and those on pages that are on disk.

    Whoever needs a frame pays for the work on the way (direct reclaim; there is no daemon that keeps some
    free): a victim that is dirty is written before its frame is used, one that is clean and is on disk, in
    its slot or in its file, is dropped. What must be waited for is noted in the space (`disk_done_ns`).

    A page whose slot is still good, since it was not written since it came from there, keeps the slot until
    slots are scarce. One shared since a fork comes back to each user as a page of its own.

    Args:
        frames: where frames come from.
        costs: what a fault and copying take.
        swap: the disk.
        policy: makes the replacement policy, given the records it looks at.
        scope: whose pages go: "global", or "local", those of the job that needs a frame, if it has any.
        now_ns: tells the time.
    """

    swaps: ClassVar[bool] = True

    def __init__(
        self,
        frames: Frames,
        costs: MemoryCosts,
        swap: SwapDevice,
        policy: Callable[[Residents], Replacement],
        scope: str,
        now_ns: Callable[[], int],
    ) -> None:
        super().__init__(frames, costs)
        self.swap = swap
        self.residents = Residents(frames.size_bytes // frames.frame_bytes)
        self.policy = policy(self.residents)
        self._scope = scope
        self._now_ns = now_ns
        self._eviction = Eviction(frames, swap, self.residents, now_ns)
        self._pins: list[NDArray[np.int64]] = []
        self._portion = max(frames.size_bytes // frames.frame_bytes // AT_ONCE, 1)

    def bring_in(self, space: MappedPages, region: PageRegion, pages: NDArray[np.int64]) -> None:
        """Give pages of one region, ascending and all absent, their frames and what they hold.

        Raises:
            OutOfMemory: there are not enough frames, and none can be had; earlier pages may have got theirs.
        """
        bits = PRESENT | (WRITABLE if "w" in region.allows else 0)
        bits |= EXECUTABLE if "x" in region.allows else 0
        for part in self.portions(pages):
            space.table.make(part)
            if region.file is None:
                frames = self._private(space, part)
                space.pages_held += len(part)
            else:
                frames = self._of_file(space, region.file, part - region.first)
            space.table.set_many(part, frames << FRAME_SHIFT | bits)
            space.version += 1

    def make_room(self, space: MappedPages, count: int) -> None:
        """Evict pages until so many frames are free, as far as there are any that may go."""
        lacking = count - self._frames.free_bytes // self._frames.frame_bytes
        if lacking <= 0:
            return
        if self._scope == "local":
            own = [other for other in self.residents.spaces() if other.control is space.control]
            lacking -= self.evict(lacking, own, space)
        if lacking > 0:
            self.evict(lacking, None, space)

    def evict(self, count: int, spaces: list[MappedPages] | None, waiting: MappedPages | None = None) -> int:
        """Take pages away.

        Args:
            count: how many, at most.
            spaces: whose; None for anybody's.
            waiting: the space that waits until they are written.

        Returns:
            How many were: fewer where there were no more, or no room on disk for those that were dirty.
        """
        self.note_repetitions()
        done = 0
        while done < count:
            candidates = self._candidates(spaces)
            room = self._eviction.room_for(candidates)
            if room == 0:
                candidates = self._eviction.without_write(candidates)
                room = len(candidates)
            wanted = min(count - done, room, len(candidates))
            if wanted == 0:
                break
            victims = self._chosen(candidates, wanted)
            written_ns = self._eviction.carry_out(victims)
            if waiting is not None:
                waiting.disk_done_ns = max(waiting.disk_done_ns, written_ns)
            done += wanted
            self.evictions += wanted
        return done

    def portions(self, pages: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Cut pages into parts that are a small part of memory."""
        for first in range(0, len(pages), self._portion):
            yield pages[first : first + self._portion]

    @contextmanager
    def pinned(self, frames: NDArray[np.int64]) -> Iterator[None]:
        """Keep frames from being taken away for as long as the context lasts."""
        self._pins.append(frames)
        try:
            yield
        finally:
            self._pins.pop()

    def used(self, entries: NDArray[np.int64], *, write: bool) -> None:
        """Note that the pages behind entries have been used, in this order."""
        self.residents.records.use(entries >> FRAME_SHIFT, self._now_ns(), write=write)

    def written(self, entries: NDArray[np.int64]) -> None:
        """Note that the pages behind entries have been written, too."""
        self.residents.records.dirty[entries >> FRAME_SHIFT] = True

    def working_set(self, space: MappedPages, since_ns: int) -> int:
        """Return how many pages, in memory or not, a space has used since then."""
        space.note_repetition()
        residents = self.residents
        frames = residents.candidates([space])
        recent = int(np.count_nonzero(residents.records.used_at[frames] >= since_ns))
        files = [
            region.file
            for region in space.regions_by_page
            if region.file is not None and region.file.users[0] is space
        ]
        gone = sum(int(np.count_nonzero(file.dropped >= since_ns)) for file in files)
        return recent + gone + self.swap.kept(space.number, since_ns)

    def leave(self, space: MappedPages, first: int, entries: Entries) -> None:
        """Forget the private pages that a space lets go of, in memory and on disk."""
        swapped = entries[(entries != 0) & ((entries & PRESENT) == 0)]
        self.swap.forget(_slots_of(swapped))
        for slot in _slots_of(swapped).tolist():
            self.swap.release(np.array([slot]))
        present = np.flatnonzero(entries & PRESENT)
        frames = (entries[present] >> FRAME_SHIFT).astype(np.int64)
        shared = np.isin(frames, list(self.residents.sharers)) if self.residents.sharers else None
        alone = frames if shared is None else frames[~shared]
        self._forget(alone)
        if shared is not None:
            for at in np.flatnonzero(shared).tolist():
                self.residents.leave(int(frames[at]), space, first + int(present[at]))

    def know(self, space: MappedPages) -> None:
        """Learn of a new space."""
        self.residents.know(space)

    def forget_space(self, number: int) -> None:
        """Forget a space that has let go of all its pages."""
        self.residents.forget_space(number)

    def close(self, file: SharedFile) -> None:
        """Forget a file's pages."""
        self._forget(file.frames[file.frames >= 0])

    def note_repetitions(self) -> None:
        """Let all bursts that the kernel has repeated meanwhile count as uses of their pages."""
        for space in self.residents.spaces():
            space.note_repetition()

    def check(self) -> None:
        """Balance the books; raises InvariantError."""
        self.swap.check()
        self.residents.check(self._frames.users_of_all())

    def _private(self, space: MappedPages, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return frames with what private pages hold: zeros, or what is in their slots."""
        entries = space.table.get_many(pages)
        frames = self.take(space, len(pages))
        records, now, size = self.residents.records, self._now_ns(), self.swap.page_size
        records.load(frames, now)
        self.residents.load(frames, space, pages)
        swapped = np.flatnonzero(entries)
        slots = _slots_of(entries[swapped])
        for slot, frame in zip(slots.tolist(), frames[swapped].tolist(), strict=True):
            self.swap.storage.copy(slot * size, frame * size, size, into=space.storage)
        self.residents.slot[frames[swapped]] = slots
        self.swap.forget(slots)
        done = self.swap.read(now, np.sort(slots))
        if len(slots):
            space.disk_done_ns = max(space.disk_done_ns, done)
        space.account.swapped_in_bytes += len(slots) * size
        space.account.fault(FaultKind.SWAP_IN, len(slots), self._costs)
        space.account.fault(FaultKind.DEMAND_ZERO, len(pages) - len(slots), self._costs)
        return frames

    def _of_file(self, space: MappedPages, file: SharedFile, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the frames with a file's pages, those that were dropped read again."""
        here = file.frames[places]
        missing = places[here < 0]
        with self.pinned(here[here >= 0]):
            self.make_room(space, len(missing))
            frames = self._frames.allocate(len(missing), file.name, space.control)
        now = self._now_ns()
        file.frames[missing] = frames
        self.residents.records.load(frames, now)
        self.residents.load_file(frames, file, missing)
        again = missing[file.dropped[missing] >= 0]
        file.dropped[again] = -1
        if len(again):
            file.ready_ns = max(file.ready_ns, self.swap.read(now, again))
        if file.ready_ns > now:
            space.disk_done_ns = max(space.disk_done_ns, file.ready_ns)
        space.account.swapped_in_bytes += len(again) * self.swap.page_size
        space.account.fault(FaultKind.FILE_READ, len(again), self._costs)
        space.account.fault(FaultKind.SHARED_PAGE, len(places) - len(again), self._costs)
        return file.frames[places]

    def _moved(self, space: MappedPages, page: int, frame: int, to: int) -> None:
        if self.residents.leave(frame, space, page):
            raise InvariantError(f"frame {frame} was to be copied on write and had one user")
        self.residents.records.load(np.array([to]), self._now_ns(), dirty=True)
        self.residents.load(np.array([to]), space, np.array([page]))

    def _shared(self, child: MappedPages, first: int, entries: Entries) -> None:
        for at in np.flatnonzero(entries).tolist():
            entry = int(entries[at])
            if entry & PRESENT:
                self.residents.share(entry >> FRAME_SHIFT, child, first + at)
            else:
                self.swap.share((entry >> FRAME_SHIFT) - 1, 1)
                child.table.set(first + at, entry)

    def _forget(self, frames: NDArray[np.int64]) -> None:
        """Forget frames that hold nothing any more, with the slots that were kept for them."""
        slots = self.residents.slot[frames]
        self.swap.release(slots[slots >= 0])
        self.residents.forget(frames)

    def _candidates(self, spaces: list[MappedPages] | None) -> NDArray[np.int64]:
        candidates = self.residents.candidates(spaces)
        if self._pins:
            candidates = candidates[~np.isin(candidates, np.concatenate(self._pins))]
        return candidates

    def _chosen(self, candidates: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Let the policy choose, and hold it to what it was asked."""
        victims = np.asarray(self.policy.victims(candidates, count), np.int64)
        different = victims if count == 1 else np.unique(victims)
        places = np.minimum(np.searchsorted(candidates, different), len(candidates) - 1)
        known = (candidates[places] == different).all()
        if len(victims) != count or len(different) != count or not known:
            raise InvariantError(
                f"replacement '{self.policy.name}': victims() returned {victims.tolist()[:8]}, which are not "
                f"{count} of the candidates, each once"
            )
        return victims


def _slots_of(entries: Entries) -> NDArray[np.int64]:
    return (entries.astype(np.int64) >> FRAME_SHIFT) - 1
