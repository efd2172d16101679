"""What every replacement policy is given, and what it is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from simulator.memory.control import MemoryControl

    Frames = NDArray[np.int64]
    Jobs = list[tuple[MemoryControl, Frames]]

NEVER_USED = -1


class PageRecords:
    """What is known of the page in each frame, in arrays by the frame's number.

    Times are stamps: nanoseconds, but no two the same and each later one larger.

    Args:
        frames: how many there are.
        by_job: says of some frames which jobs hold which.
        next_use: says of some frames how far away the next use of their page is.

    Attributes:
        loaded_at: int64[frames], when the page was brought in.
        used_at: int64[frames], when it was used last.
        referenced: bool[frames], the hardware's bit: used since somebody cleared it.
        dirty: bool[frames], the hardware's bit: written since it was brought in.
        by_job, next_use: as above.
    """

    def __init__(
        self, frames: int, by_job: Callable[[Frames], Jobs], next_use: Callable[[Frames], Frames]
    ) -> None:
        self.loaded_at = np.zeros(frames, np.int64)
        self.used_at = np.full(frames, NEVER_USED, np.int64)
        self.referenced = np.zeros(frames, np.bool_)
        self.dirty = np.zeros(frames, np.bool_)
        self.by_job = by_job
        self.next_use = next_use
        self.clear_referenced: Callable[[Frames], None] = self._clear
        self._stamp = -1

    def load(self, frames: Frames, now_ns: int, *, dirty: bool = False) -> None:
        """Note that pages are brought in, one after another."""
        self.loaded_at[frames] = self.used_at[frames] = self._stamps(len(frames), now_ns)
        self.referenced[frames] = False
        self.dirty[frames] = dirty

    def use(self, frames: Frames, now_ns: int, *, write: bool) -> None:
        """Note that pages are used, one after another."""
        self.used_at[frames] = self._stamps(len(frames), now_ns)
        self.referenced[frames] = True
        if write:
            self.dirty[frames] = True

    def forget(self, frames: Frames) -> None:
        """Forget what was in frames."""
        self.used_at[frames] = NEVER_USED
        self.referenced[frames] = self.dirty[frames] = False

    def _stamps(self, count: int, now_ns: int) -> Frames:
        first = max(now_ns, self._stamp + 1)
        self._stamp = first + count - 1
        return np.arange(first, first + count)

    def _clear(self, frames: Frames) -> None:
        self.referenced[frames] = False


class Replacement(ABC):
    """A page replacement policy.

    It looks at the records and chooses. A policy that looks at chance draws from `random` and nothing else.

    Args:
        records: what is known of each page.
        random: the policy's own stream.

    Attributes:
        name: what scenarios call it.
        foresees: it needs to know the future, so that it can only be had where that is known.
    """

    name: ClassVar[str]
    foresees: ClassVar[bool] = False

    def __init__(self, records: PageRecords, random: np.random.Generator) -> None:
        self.records = records
        self.random = random

    @abstractmethod
    def victims(self, candidates: Frames, count: int) -> Frames:
        """Choose the pages that go, as if one after another.

        Args:
            candidates: int64[pages], the frames whose pages may go, ascending.
            count: how many are to go, 1 to the number of candidates.

        Returns:
            int64[count], their frames, the first to go first.
        """


def smallest(frames: Frames, key: NDArray[np.int64], count: int) -> Frames:
    """Return the frames with the smallest keys, smallest first; among equals the lowest frame."""
    if count == 1:
        return frames[[int(np.argmin(key))]]
    if count < len(frames) // 4:
        some = np.sort(np.argpartition(key, count - 1)[:count])
        # Unless others are as small as the largest of them.
        if np.count_nonzero(key <= key[some].max()) == count:
            return frames[some[np.argsort(key[some], kind="stable")]]
    return frames[np.argsort(key, kind="stable")[:count]]
