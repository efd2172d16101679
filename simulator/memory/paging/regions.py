"""The regions of a paged address space: which pages are valid, and what they are to hold."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from simulator.memory.paging.mapped import MappedPages


@dataclass(eq=False)
class SharedFile:
    """A file in memory that several processes read: a program's code, a model's weights.

    Attributes:
        name: by which processes find it.
        frames: int64[pages], the frame of each page, -1 if it has none.
        dropped: int64[pages], when a page that was in memory and is not any more was used last; -1 for the
            others. It comes from disk when it is touched again.
        ready_ns: when the last page that is on its way from disk will have come.
        users: the spaces that have it mapped; the first of them answers for its memory.
    """

    name: str
    frames: NDArray[np.int64]
    users: list[MappedPages] = field(default_factory=list)
    dropped: NDArray[np.int64] = field(init=False)
    ready_ns: int = 0

    def __post_init__(self) -> None:
        self.dropped = np.full(len(self.frames), -1, np.int64)

    @property
    def pages_held(self) -> int:
        """Pages that are in memory."""
        return int((self.frames >= 0).sum())


@dataclass(eq=False)
class PageRegion:
    """Neighbouring pages of one kind (a vm_area_struct of Linux).

    Attributes:
        name: "code", "heap", "stack", "mapped", or the name of the file.
        first: the first page.
        last: the page behind the last.
        start: the first valid address; the bytes before it in its page are not the program's.
        end: the address behind the last valid one.
        allows: letters of "rwx".
        file: what its pages hold; None for pages that begin as zeros and are the process's own.
    """

    name: str
    first: int
    last: int
    start: int
    end: int
    allows: str
    file: SharedFile | None = None


class Regions:
    """The regions of one space in order of address; no two share a page."""

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._regions: list[PageRegion] = []

    def __iter__(self) -> Iterator[PageRegion]:
        """The regions, ascending."""
        return iter(self._regions)

    def add(self, region: PageRegion) -> None:
        """Add a region.

        Raises:
            InvariantError: it overlaps another.
        """
        at = bisect_right(self._firsts, region.first)
        before = self._regions[at - 1] if at else None
        behind = self._regions[at] if at < len(self._regions) else None
        if (before and before.last > region.first) or (behind and behind.first < region.last):
            raise InvariantError(f"the region {region.name} overlaps another")
        self._firsts.insert(at, region.first)
        self._regions.insert(at, region)

    def remove(self, region: PageRegion) -> None:
        """Take a region out."""
        at = self._regions.index(region)
        del self._firsts[at], self._regions[at]

    def at(self, page: int) -> PageRegion | None:
        """Return the region that a page is in."""
        at = bisect_right(self._firsts, page) - 1
        if at < 0 or page >= self._regions[at].last:
            return None
        return self._regions[at]

    def valid(self, pages: NDArray[np.int64], letter: str) -> NDArray[np.bool_]:
        """Say of each page whether there is a region that allows an access."""
        firsts = np.array([region.first for region in self._regions], np.int64)
        lasts = np.array([region.last for region in self._regions], np.int64)
        allowed = np.array([letter in region.allows for region in self._regions], np.bool_)
        at = np.searchsorted(firsts, pages, side="right") - 1
        found: NDArray[np.bool_] = (at >= 0) & (pages < lasts[at]) & allowed[at]
        return found

    def gap_below(self, page: int, pages: int) -> int | None:
        """Return the first page of the highest gap of so many pages that ends at or below `page`."""
        end = page
        for region in reversed(self._regions):
            if region.first >= page:
                continue
            if end - region.last >= pages:
                return end - pages
            end = min(end, region.first)
        return None
