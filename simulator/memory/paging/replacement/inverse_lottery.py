"""Inverse lottery: a drawing for who loses a page (Waldspurger and Weihl, OSDI 1994, section 6.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.paging.replacement.base import PageRecords, Replacement
from simulator.memory.paging.replacement.clock import Clock

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
        tickets = np.array([control.tickets for control, _ in jobs], np.float64)
        held = np.array([len(frames) for _, frames in jobs], np.float64)
        losses = np.zeros(len(jobs), np.int64)
        for _ in range(count):
            weights = losing_weights(tickets, held - losses)
            losses[np.searchsorted(np.cumsum(weights), self.random.random() * weights.sum(), "right")] += 1
        chosen = [
            self._clock.victims(frames, int(lost))
            for (_, frames), lost in zip(jobs, losses, strict=True)
            if lost
        ]
        return np.concatenate(chosen)


def losing_weights(tickets: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how likely each job is to lose a page, up to a common factor.

    Args:
        tickets: each job's memory tickets.
        held: the pages that it could lose.
    """
    total = tickets.sum()
    inverse = np.ones_like(tickets) if total == 0 else 1 - tickets / total
    weights = inverse * held
    # Nobody but the one with all the tickets has anything to lose.
    return weights if weights.sum() > 0 else held
