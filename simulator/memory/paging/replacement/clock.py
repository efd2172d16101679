"""The clock, or second chance (Corbato 1969; OSTEP 22.8 and 22.9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.replacement.base import PageRecords, Replacement

if TYPE_CHECKING:
    from simulator.memory.paging.replacement.base import Frames

NOBODY = -1


class Clock(Replacement):
    """A hand goes round the frames; a page that was used since it last came by is spared, its bit cleared.

    Of pages that were not used, one that is clean goes at once. One that is dirty, and must be written first,
    is passed over, and goes when the hand comes by again and it has still not been used.
    """

    name = "clock"

    def __init__(self, records: PageRecords, random: np.random.Generator) -> None:
        super().__init__(records, random)
        self._hand = 0
        # When the page was loaded that was passed over in a frame: another one has another time.
        self._passed = np.full(len(records.loaded_at), NOBODY, np.int64)

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Turn the hand until so many pages have been found, those of a round in one step."""
        left, chosen = candidates, []
        found = 0
        while found < count:
            start = int(np.searchsorted(left, self._hand))
            way = np.concatenate([left[start:], left[:start]])
            taken = self._turn(way, count - found)
            chosen.append(taken)
            found += len(taken)
            left = left[~np.isin(left, taken)]
        return np.concatenate(chosen)

    def _turn(self, way: Frames, count: int) -> Frames:
        """Turn the hand along a way, one round at most; return the pages that it found, perhaps none."""
        records = self.records
        used, dirty = records.referenced[way], records.dirty[way]
        goes = ~used & (~dirty | (self._passed[way] == records.loaded_at[way]))
        places = np.flatnonzero(goes)[:count]
        spared = ~goes
        if len(places):
            spared[places[-1] :] = False
            self._hand = int(way[places[-1]]) + 1
        self._passed[way[spared]] = np.where(used[spared], NOBODY, records.loaded_at[way[spared]])
        if (spared & used).any():
            records.clear_referenced(way[spared & used])
        return way[places]
