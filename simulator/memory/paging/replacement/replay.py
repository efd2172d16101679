"""A policy alone on a reference string, as in OSTEP's homework: no machine, no time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import TimeshareError
from simulator.memory.control import MemoryControl
from simulator.memory.paging.replacement.base import PageRecords

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from simulator.memory.paging.replacement.base import Replacement

FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Replay:
    """What became of a reference string.

    Attributes:
        faults: references to pages that were not in memory.
        hits: the others.
        victims: for each reference, the page that went, None if none did.
        resident: the pages in memory at the end, by frame.
        written: how many of the victims were dirty.
    """

    faults: int
    hits: int
    victims: tuple[int | None, ...]
    resident: tuple[int, ...]
    written: int


def replay(
    policy: type[Replacement],
    frames: int,
    references: Sequence[int],
    *,
    writes: Collection[int] = (),
    random: np.random.Generator | None = None,
) -> Replay:
    """Bring one page after another into a memory of so many frames, which are empty at first.

    Args:
        policy: which page goes.
        frames: how many pages memory holds.
        references: the pages in the order in which they are used.
        writes: which of the references (by their place) write.
        random: for policies that draw; a stream of seed 0 if left out.

    Raises:
        TimeshareError: fewer than one frame.
    """
    if frames < 1:
        raise TimeshareError(f"a memory of {frames} frames: it takes one at least")
    following = _next_places(references)
    nexts = np.full(frames, FAR, np.int64)
    alone = MemoryControl("")
    records = PageRecords(frames, lambda some: [(alone, some)], lambda some: nexts[some])
    chooser = policy(records, random or np.random.default_rng(0))
    place: dict[int, int] = {}
    held: list[int] = []
    victims: list[int | None] = []
    everything = np.arange(frames)
    faults = written = 0
    for at, page in enumerate(references):
        gone = None
        frame = place.get(page)
        if frame is None:
            faults += 1
            frame = len(held)
            if frame == frames:
                frame = int(chooser.victims(everything, 1)[0])
                gone = held[frame]
                written += bool(records.dirty[frame])
                del place[gone]
            else:
                held.append(page)
            held[frame], place[page] = page, frame
            records.load(np.array([frame]), at)
        records.use(np.array([frame]), at, write=at in writes)
        nexts[frame] = following[at]
        victims.append(gone)
    return Replay(faults, len(references) - faults, tuple(victims), tuple(held), written)


def _next_places(references: Sequence[int]) -> NDArray[np.int64]:
    """int64[references]: where each page is used next, FAR if it is not."""
    following = np.full(len(references), FAR, np.int64)
    seen: dict[int, int] = {}
    for at in range(len(references) - 1, -1, -1):
        following[at] = seen.get(references[at], FAR)
        seen[references[at]] = at
    return following
