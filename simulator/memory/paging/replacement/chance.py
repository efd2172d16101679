"""Random replacement (OSTEP 22.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.paging.replacement.base import Replacement

if TYPE_CHECKING:
    from simulator.memory.paging.replacement.base import Frames


class Random(Replacement):
    """Any page goes, each as likely as the others. There is no order of uses that it handles worst."""

    name = "random"

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Draw without putting back."""
        if count == 1:
            return candidates[[int(self.random.integers(len(candidates)))]]
        drawn: Frames = self.random.choice(candidates, count, replace=False)
        return drawn
