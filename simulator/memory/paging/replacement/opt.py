"""The optimal policy, for which one must know the future (Belady 1966; OSTEP 22.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.paging.replacement.base import Replacement, smallest

if TYPE_CHECKING:
    from simulator.memory.paging.replacement.base import Frames


class Opt(Replacement):
    """The page goes whose next use is farthest away: what any other policy is to be held against."""

    name = "opt"
    foresees = True

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Choose by the next use; of several that are never used again, the lowest frame."""
        return smallest(candidates, -self.records.next_use(candidates), count)
