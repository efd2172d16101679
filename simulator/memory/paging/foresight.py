"""The future of a process, as far as it is known: for the optimal policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = np.iinfo(np.int64).max


class ForesightError(TimeshareError):
    """A replacement policy needs the future of a process that nobody has foretold."""


class Cycle:
    """Uses of pages that come back in the same order over and over.

    Args:
        pages: int64[uses], which page is used.
        places: int64[uses], where in the cycle, 0 to length - 1.
        length: of the cycle.
        unit_ns: CPU time of a step from one place to the next.

    Attributes:
        at: the place that the process has come to.
    """

    def __init__(
        self, pages: NDArray[np.int64], places: NDArray[np.int64], length: int, unit_ns: int = 1
    ) -> None:
        self.length = max(length, 1)
        self.at = 0
        self._unit_ns = unit_ns
        self._pages, numbers = np.unique(pages, return_inverse=True)
        self._keys = np.sort(numbers * self.length + places)
        self._first = np.searchsorted(self._keys, np.arange(len(self._pages)) * self.length)

    def distances(self, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the process's own CPU time until each page is used next; FAR if it never is."""
        if not len(self._pages):
            return np.full(len(pages), FAR)
        numbers = np.minimum(np.searchsorted(self._pages, pages), len(self._pages) - 1)
        known = self._pages[numbers] == pages
        bases = numbers * self.length
        following = np.searchsorted(self._keys, bases + self.at)
        within = np.minimum(following, len(self._keys) - 1)
        in_round = (following < len(self._keys)) & (self._keys[within] < bases + self.length)
        again = self._keys[self._first[numbers]] + self.length
        place = np.where(in_round, self._keys[within], again) - bases
        return np.where(known, (place - self.at) * self._unit_ns, FAR)

    def advance(self, steps: int) -> None:
        """Go on by so many places."""
        self.at = (self.at + steps) % self.length
