"""The pages that are in memory, frame by frame: whose they are, and what replacement may know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.paging.replacement.base import PageRecords
from simulator.memory.paging.shape import PRESENT, REFERENCED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.regions import SharedFile

NONE = -1


class Residents:
    """What the kernel keeps of each frame whose page can be taken away (the reverse map and its bits).

    Frames of page tables, and those that a burst holds for blocks without a region, are in no such list.

    Args:
        frames: how many frames there are.

    Attributes:
        records: when each page was loaded and used, and its bits, for replacement.
        space: int32[frames], the number of the space that has the frame's private page, -1 for none.
        file: int32[frames], the number of the file that the frame's page is of, -1 for none.
        page: int64[frames], the virtual page, or the page of the file.
        slot: int64[frames], the swap slot that was kept when the page was read from it, -1 for none; it holds
            the same bytes as the frame as long as the page is not dirty.
        sharers: for frames shared since a fork, the (space, page) of all users but the first.
    """

    def __init__(self, frames: int) -> None:
        self.records = PageRecords(frames, self.by_job, self.next_use)
        self.space = np.full(frames, NONE, np.int32)
        self.file = np.full(frames, NONE, np.int32)
        self.page = np.zeros(frames, np.int64)
        self.slot = np.full(frames, NONE, np.int64)
        self.sharers: dict[int, list[tuple[int, int]]] = {}
        self._spaces: dict[int, MappedPages] = {}
        self._files: list[SharedFile] = []

    def space_of(self, number: int) -> MappedPages:
        """Return the space of a number."""
        return self._spaces[number]

    def spaces(self) -> list[MappedPages]:
        """Return the spaces, in the order in which they came."""
        return list(self._spaces.values())

    def know(self, space: MappedPages) -> None:
        """Note that there is a space, which may come by pages."""
        self._spaces[space.number] = space

    def load(self, frames: NDArray[np.int64], space: MappedPages, pages: NDArray[np.int64]) -> None:
        """Note that frames hold private pages from now on."""
        self.space[frames], self.page[frames] = space.number, pages

    def load_file(self, frames: NDArray[np.int64], file: SharedFile, pages: NDArray[np.int64]) -> None:
        """Note that frames hold pages of a file from now on."""
        if file not in self._files:
            self._files.append(file)
        self.file[frames], self.page[frames] = self._files.index(file), pages

    def share(self, frame: int, space: MappedPages, page: int) -> None:
        """Note one more user of a frame, since a fork."""
        self.sharers.setdefault(frame, []).append((space.number, page))

    def leave(self, frame: int, space: MappedPages, page: int) -> bool:
        """Take a user from a frame; say whether it was the last."""
        others = self.sharers.get(frame)
        if others is None:
            self.forget(np.array([frame]))
            return True
        if (space.number, page) in others:
            others.remove((space.number, page))
        else:
            self.space[frame], self.page[frame] = others.pop(0)
        if not others:
            del self.sharers[frame]
        return False

    def users(self, frame: int) -> list[tuple[int, int]]:
        """Return (space, page) of all that have a frame's private page."""
        return [(int(self.space[frame]), int(self.page[frame])), *self.sharers.get(frame, ())]

    def forget(self, frames: NDArray[np.int64]) -> None:
        """Note that frames hold nothing that could be taken away any more."""
        self.space[frames] = self.file[frames] = self.slot[frames] = NONE
        self.records.forget(frames)

    def forget_space(self, number: int) -> None:
        """Forget a space that has let go of all its pages."""
        self._spaces.pop(number, None)

    def candidates(self, allowed: list[MappedPages] | None) -> NDArray[np.int64]:
        """Return the frames, ascending, whose pages could be taken away: all, or those of some spaces.

        A file's pages are those of the space that answers for its memory.
        """
        private = self.space >= 0
        filed = self.file >= 0
        if allowed is not None:
            private &= np.isin(self.space, [space.number for space in allowed])
            files = [at for at, file in enumerate(self._files) if file.users and file.users[0] in allowed]
            filed &= np.isin(self.file, files)
        return np.flatnonzero(private | filed)

    def answers(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the space that answers for each frame."""
        first = np.array([file.users[0].number if file.users else NONE for file in self._files] or [NONE])
        return np.where(self.file[frames] >= 0, first[self.file[frames]], self.space[frames])

    def by_job(self, frames: NDArray[np.int64]) -> list[tuple[MemoryControl, NDArray[np.int64]]]:
        """Return the jobs that hold some of the frames, in the order in which they came, and which."""
        controls: dict[int, int] = {}
        jobs: list[MemoryControl] = []
        number_of = np.zeros(max(self._spaces, default=0) + 2, np.int64)
        for number, space in self._spaces.items():
            if id(space.control) not in controls:
                controls[id(space.control)] = len(jobs)
                jobs.append(space.control)
            number_of[number] = controls[id(space.control)]
        numbers = number_of[self.answers(frames)]
        held = [(control, frames[numbers == at]) for at, control in enumerate(jobs)]
        return [(control, own) for control, own in held if len(own)]

    def next_use(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how far each frame's next use is in the future of who uses it first."""
        nearest = np.full(len(frames), np.iinfo(np.int64).max)
        for space in self._spaces.values():
            nearest = np.minimum(nearest, space.next_uses(self._pages_in(space, frames)))
        return nearest

    def clear_referenced(self, frames: NDArray[np.int64]) -> None:
        """Clear the reference bits of frames, in their entries, too."""
        self.records.referenced[frames] = False
        for number in np.unique(self.space[frames]).tolist():
            if number != NONE:
                _clear(self._spaces[number], np.sort(self.page[frames[self.space[frames] == number]]))
        for file, pages in self.by_file(frames):
            for space, own in mapped_at(file, pages):
                _clear(space, own)
        for frame in frames[np.isin(frames, list(self.sharers))].tolist() if self.sharers else ():
            for number, page in self.sharers[frame]:
                _clear(self._spaces[number], np.array([page]))

    def by_file(self, frames: NDArray[np.int64]) -> list[tuple[SharedFile, NDArray[np.int64]]]:
        """Return the files that some of the frames hold pages of, and which pages, ascending."""
        numbers = self.file[frames]
        found = [number for number in np.unique(numbers).tolist() if number != NONE]
        return [(self._files[number], np.sort(self.page[frames[numbers == number]])) for number in found]

    def check(self, users: NDArray[np.int32]) -> None:
        """Balance the books against the frames' numbers of users.

        Raises:
            InvariantError: a frame has other users than are known here.
        """
        private = np.flatnonzero(self.space >= 0)
        counted = np.ones(len(private), np.int32)
        for frame, others in self.sharers.items():
            counted[np.searchsorted(private, frame)] += len(others)
        if (users[private] != counted).any() or ((self.space >= 0) & (self.file >= 0)).any():
            raise InvariantError("a frame has other users than the reverse map knows")

    def _pages_in(self, space: MappedPages, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the virtual page that each frame is of in a space; -1 for files that it has not mapped."""
        pages = np.where(self.space[frames] == space.number, self.page[frames], NONE)
        for region in space.regions_by_page:
            if region.file is not None and region.file in self._files:
                own = self.file[frames] == self._files.index(region.file)
                pages[own] = self.page[frames][own] + region.first
        return pages


def mapped_at(file: SharedFile, pages: NDArray[np.int64]) -> list[tuple[MappedPages, NDArray[np.int64]]]:
    """Return who has pages of a file, ascending, mapped and present, and at which virtual pages."""
    places = []
    for space in dict.fromkeys(file.users):
        for region in space.regions_by_page:
            if region.file is file:
                own = pages + region.first
                places.append((space, own[(space.table.get_many(own) & PRESENT) != 0]))
    return places


def _clear(space: MappedPages, pages: NDArray[np.int64]) -> None:
    space.table.set_many(pages, space.table.get_many(pages) & ~REFERENCED)
