"""Maps of physical memory, small enough to be kept for every window of a run."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.physical import Holding

if TYPE_CHECKING:
    from simulator.memory.physical import MemoryBooks

MOST_PIECES = 512
"""Above this many pieces a map is drawn from samples."""


def pieces_of(memory: MemoryBooks) -> tuple[Holding, ...]:
    """Return who holds what, in address order.

    Frames of many processes can be in any order. Where there are more pieces than anybody could see, memory
    is looked at in that many evenly spaced places, and what is between two is taken to be as the first.
    """
    pieces = memory.holdings()
    if len(pieces) <= MOST_PIECES:
        return pieces
    starts = np.array([piece.base for piece in pieces], np.int64)
    places = np.arange(MOST_PIECES, dtype=np.int64) * memory.size_bytes // MOST_PIECES
    found = np.searchsorted(starts, places, side="right") - 1
    owners = []
    for place, at in zip(places.tolist(), found.tolist(), strict=True):
        held = at >= 0 and place < pieces[at].base + pieces[at].size
        owners.append(pieces[at].owner if held else None)
    sampled = []
    edges = [*places.tolist(), memory.size_bytes]
    for owner, group in groupby(range(MOST_PIECES), key=owners.__getitem__):
        cells = list(group)
        if owner is not None:
            start = edges[cells[0]]
            sampled.append(Holding(start, edges[cells[-1] + 1] - start, owner))
    return tuple(sampled)
