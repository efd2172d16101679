"""How pages are taken away once they have been chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.residents import NONE, mapped_at
from simulator.memory.paging.shape import FRAME_SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from simulator.memory.paging.frames import Frames
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.residents import Residents
    from simulator.memory.paging.swap import SwapDevice


class Eviction:
    """Writes victims that are dirty, points page tables at the disk, and frees the frames.

    Args:
        frames: physical memory.
        swap: where pages go.
        residents: whose they are.
        now_ns: tells the time.
    """

    def __init__(
        self, frames: Frames, swap: SwapDevice, residents: Residents, now_ns: Callable[[], int]
    ) -> None:
        self._frames = frames
        self._swap = swap
        self._residents = residents
        self._now_ns = now_ns

    def room_for(self, candidates: NDArray[np.int64]) -> int:
        """Return how many victims can be written, whichever they are.

        Where that is none, slots are taken back from pages that are in memory, too; they count as dirty then.
        """
        if self._swap.free_slots == 0:
            kept = candidates[self._residents.slot[candidates] >= 0]
            self._swap.release(self._residents.slot[kept])
            self._residents.slot[kept] = NONE
            self._residents.records.dirty[kept] = True
        return self._swap.free_slots

    def without_write(self, candidates: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the candidates that can go although no slot is free."""
        return candidates[~self._residents.records.dirty[candidates]]

    def carry_out(self, victims: NDArray[np.int64]) -> int:
        """Take the pages away; return when what had to be written will have been."""
        residents = self._residents
        private = np.sort(victims[residents.space[victims] >= 0])
        files = victims[residents.file[victims] >= 0]
        losers: dict[int, MappedPages] = {}
        written_ns = self._write(private)
        for frame in private[np.isin(private, list(residents.sharers))].tolist():
            self._unmap_shared(frame, losers)
        self._unmap(private[residents.space[private] >= 0], losers)
        self._drop(files, losers)
        for space in losers.values():
            space.version += 1
            space.lose()
        return written_ns

    def _write(self, frames: NDArray[np.int64]) -> int:
        """Give dirty pages slots, and what they hold to the disk, slot by slot."""
        residents, swap, size = self._residents, self._swap, self._swap.page_size
        dirty = frames[residents.records.dirty[frames]]
        # A slot that a page shares with another one's copy on disk must stay as it is.
        stale = residents.slot[dirty]
        shared = np.array([slot >= 0 and swap.users(slot) > 1 for slot in stale.tolist()], np.bool_)
        swap.release(stale[shared])
        lacking = dirty[(stale < 0) | shared]
        residents.slot[lacking] = swap.allocate(len(lacking))
        slots = residents.slot[dirty]
        if len(self._frames.storage) or len(swap.storage):
            for frame, slot in zip(dirty.tolist(), slots.tolist(), strict=True):
                self._frames.storage.copy(frame * size, slot * size, size, into=swap.storage)
        for number, count in zip(*np.unique(residents.space[dirty], return_counts=True), strict=True):
            residents.space_of(int(number)).account.swapped_out_bytes += int(count) * size
        return swap.write(self._now_ns(), np.sort(slots))

    def _unmap(self, frames: NDArray[np.int64], losers: dict[int, MappedPages]) -> None:
        """Point the entries of frames with one user each at the disk; a page never written is zeros again."""
        residents = self._residents
        for number in np.unique(residents.space[frames]).tolist():
            own = frames[residents.space[frames] == number]
            own = own[np.argsort(residents.page[own])]
            space = losers.setdefault(number, residents.space_of(number))
            pages, slots = residents.page[own], residents.slot[own]
            space.table.set_many(pages, np.where(slots >= 0, (slots + 1) << FRAME_SHIFT, 0))
            space.pages_held -= len(own)
            _forget_translations(space, pages)
            self._swap.keep(slots[slots >= 0], number, residents.records.used_at[own[slots >= 0]])
            residents.forget(own)
            self._frames.release(own)

    def _unmap_shared(self, frame: int, losers: dict[int, MappedPages]) -> None:
        """Point the entries of all users of a frame at its slot."""
        residents, slot = self._residents, int(self._residents.slot[frame])
        users = residents.users(frame)
        for number, page in users:
            space = losers.setdefault(number, residents.space_of(number))
            space.table.set(page, (slot + 1) << FRAME_SHIFT if slot >= 0 else 0)
            space.pages_held -= 1
            _forget_translations(space, np.array([page]))
            self._frames.release(np.array([frame]))
        if slot >= 0:
            if len(users) > 1:
                self._swap.share(slot, len(users) - 1)
            used_at = residents.records.used_at[[frame]]
            self._swap.keep(np.array([slot]), int(residents.space[frame]), used_at)
        del residents.sharers[frame]
        residents.forget(np.array([frame]))

    def _drop(self, frames: NDArray[np.int64], losers: dict[int, MappedPages]) -> None:
        """Take files' pages from all that have them mapped; they can be read again."""
        residents = self._residents
        for file, pages in residents.by_file(frames):
            for space, places in mapped_at(file, pages):
                losers.setdefault(space.number, space)
                space.table.set_many(places, np.zeros(len(places), np.int64))
                _forget_translations(space, places)
            file.dropped[pages] = residents.records.used_at[file.frames[pages]]
            file.frames[pages] = NONE
        residents.forget(frames)
        self._frames.release(frames)


def _forget_translations(space: MappedPages, pages: NDArray[np.int64]) -> None:
    """Take pages, ascending, out of every TLB."""
    if len(pages) == 1:
        space.mechanism.forget_pages(space.number, int(pages[0]), int(pages[0]) + 1)
    if len(pages) <= 1:
        return
    edges = np.flatnonzero(np.diff(pages) != 1) + 1
    starts, ends = pages[np.concatenate([[0], edges])], pages[np.concatenate([edges - 1, [len(pages) - 1]])]
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        space.mechanism.forget_pages(space.number, first, last + 1)
