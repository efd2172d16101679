"""Least recently used, exactly (OSTEP 22.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.paging.replacement.base import Replacement, smallest

if TYPE_CHECKING:
    from simulator.memory.paging.replacement.base import Frames


class Lru(Replacement):
    """The page goes whose last use is longest ago.

    No hardware keeps that time for every page; `clock` is what real systems make of it. A loop over a little
    more than memory is the worst that can happen: each page goes just before it is used again.
    """

    name = "lru"

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Choose by the time of the last use."""
        return smallest(candidates, self.records.used_at[candidates], count)
