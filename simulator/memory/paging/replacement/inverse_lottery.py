"""Inverse lottery: a drawing for who loses a page (Waldspurger and Weihl, OSDI 1994, section 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.replacement.base import PageRecords, Replacement
from simulator.memory.paging.replacement.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.memory.paging.replacement.base import Frames


class InverseLottery(Replacement):
    """The job is drawn that loses a page; which of its pages, the clock says.

    Of n jobs with t_i of T memory tickets, job i is drawn with a probability proportional to
    (1 - t_i / T) / (n - 1), the inverse lottery, and to the part of the memory that it holds. In the long run
    jobs that want all they can get hold memory so that faults and losses balance: more tickets, more memory.
    """

    name = "inverse-lottery"

    def __init__(self, records: PageRecords, random: np.random.Generator) -> None:
        super().__init__(records, random)
        self._clock = Clock(records, random)

    def victims(self, candidates: Frames, count: int) -> Frames:
        """Draw a loser for one page after another, then let the clock choose among its pages."""
        jobs = self.records.by_job(candidates)
        tickets = [control.tickets for control, _ in jobs]
        held = [len(frames) for _, frames in jobs]
        losses = [0] * len(jobs)
        for draw in self.random.random(count).tolist():
            weights = losing_weights(tickets, held)
            winning = draw * sum(weights)
            loser = 0
            while winning >= weights[loser] and loser < len(jobs) - 1:
                winning -= weights[loser]
                loser += 1
            while held[loser] == 0:
                # Rounding has led past the last that has anything to lose.
                loser -= 1
            losses[loser] += 1
            held[loser] -= 1
        chosen = [
            self._clock.victims(frames, lost) for (_, frames), lost in zip(jobs, losses, strict=True) if lost
        ]
        return np.concatenate(chosen)


def losing_weights(tickets: Sequence[int], held: Sequence[int]) -> list[float]:
    """Return how likely each job is to lose a page, up to a common factor.

    Args:
        tickets: each job's memory tickets.
        held: the pages that it could lose.
    """
    total = sum(tickets)
    weights = [(1 - own / total if total else 1) * pages for own, pages in zip(tickets, held, strict=True)]
    # Where nobody but the one with all the tickets has anything to lose, it does.
    return weights if any(weights) else [float(pages) for pages in held]
