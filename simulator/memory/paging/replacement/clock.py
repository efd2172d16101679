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
        """Turn the hand for one page after another."""
        left, chosen = candidates, []
        for _ in range(count):
            victim = self._turn(left)
            chosen.append(victim)
            left = left[left != victim]
        return np.array(chosen, np.int64)

    def _turn(self, candidates: Frames) -> int:
        """Turn the hand to the next page that goes, and past it."""
        start = int(np.searchsorted(candidates, self._hand))
        way = np.concatenate([candidates[start:], candidates[:start]])
        used, dirty = self.records.referenced[way], self.records.dirty[way]
        at = _first(~used & ~dirty)
        passed = way if at is None else way[:at]
        if at is None:
            # A full round: all are unused now, but those spared in it have had their second chance.
            at = _first(~used)
        if at is None:
            at = _first(~dirty) or 0
        spared = passed[self.records.referenced[passed]]
        if len(spared):
            self.records.clear_referenced(spared)
        self._hand = int(way[at]) + 1
        return int(way[at])


def _first(wanted: NDArray[np.bool_]) -> int | None:
    at = int(np.argmax(wanted))
    return at if wanted[at] else None
