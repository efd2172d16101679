"""First in, first out (OSTEP 22.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.paging.replacement.base import Replacement, smallest

if TYPE_CHECKING:
    from simulator.memory.paging.replacement.base import Frames


class Fifo(Replacement):
    """The page goes that has been in memory longest, used or not. More frames may mean more faults."""

    name = "fifo"

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Choose by the time of loading."""
        return smallest(candidates, self.records.loaded_at[candidates], count)
