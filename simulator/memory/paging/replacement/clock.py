"""The clock, or second chance (Corbato 1969; OSTEP 22.8 and 22.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.replacement.base import PageRecords, Replacement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.paging.replacement.base import Frames


class Clock(Replacement):
    """A hand goes round the frames; a page that was used since it last came by is spared, its bit cleared.

    Of pages that were not used, one that is clean goes at once. One that is dirty must be written first, and
    is passed over for one round if there is a clean one to be had.
    """

    name = "clock"

    def __init__(self, records: PageRecords, random: np.random.Generator) -> None:
        super().__init__(records, random)
        self._hand = 0

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Turn the hand until so many pages have been found, those in a row in one step."""
        left, chosen = candidates, []
        found = 0
        while found < count:
            start = int(np.searchsorted(left, self._hand))
            way = np.concatenate([left[start:], left[:start]])
            taken = way[self._turn(way, count - found)]
            chosen.append(taken)
            found += len(taken)
            left = left[~np.isin(left, taken)]
        return np.concatenate(chosen)

    def _turn(self, way: Frames, count: int) -> NDArray[np.int64]:
        """Turn the hand along a way; return the places on it where it found pages that go, perhaps none."""
        used, dirty = self.records.referenced[way], self.records.dirty[way]
        places = np.flatnonzero(~used & ~dirty)[:count]
        passed = used.copy()
        if len(places):
            passed[places[-1] :] = False
        elif dirty.all() and not used.any():
            places = np.arange(min(count, len(way)))
        else:
            # A full round: all are unused now, but those spared in it have had their second chance.
            places = np.flatnonzero(~used)[:1]
        if passed.any():
            self.records.clear_referenced(way[passed])
        if len(places):
            self._hand = int(way[places[-1]]) + 1
        return places
