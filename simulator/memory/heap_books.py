"""A heap as a whole: what makes two of them alike, and whether its books balance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.allocator import layout

if TYPE_CHECKING:
    from collections.abc import Hashable

    from simulator.memory.heap_state import Chunks, HeapState

_SUMS = (layout.BEGIN, layout.BREAK, layout.MMAP_THRESHOLD, layout.TRIM_THRESHOLD)


def signature(state: HeapState) -> Hashable:
    """Return the allocated blocks by address, the free chunks in the order of the list, and the thresholds.

    Heaps with equal signatures behave alike. Which cells a chunk is kept in, the shape of the tree and the
    counts of calls do not matter.
    """
    heap = state.heap
    used = state.chunks(layout.USED, layout.MAPPED)
    by_address = np.argsort(used.start)
    free = state.chunks(layout.FREE, layout.TOP)
    top = free.kind == layout.TOP
    in_list = np.lexsort((free.tie, free.place, top))
    place = free.place[in_list]
    rover = int(np.searchsorted(place[: len(place) - int(top.sum())], heap[layout.ROVER_PLACE]))
    sorted_by_size = heap[layout.ORDER] >= layout.SIZE_UP
    return (
        tuple(heap[cell] for cell in _SUMS),
        rover if heap[layout.PLACEMENT] == layout.NEXT_FIT else 0,
        np.stack([used.payload, used.size, used.asked])[:, by_address].tobytes(),
        np.stack([free.start, free.size, free.kind])[:, in_list].tobytes(),
        # Until it is sorted again, a list in order of size has chunks in places of their former size.
        place.tobytes() if sorted_by_size else b"",
    )


def check(state: HeapState) -> None:
    """Hold a heap's chunks against each other and against its sums.

    Raises:
        InvariantError: they do not agree.
    """
    heap = state.heap
    used, free = state.chunks(layout.USED), state.chunks(layout.FREE, layout.TOP)
    mapped = state.chunks(layout.MAPPED)
    _check_extent(state, used, free)
    for what, booked, counted in (
        ("live bytes", heap[layout.LIVE], int(used.asked.sum() + mapped.asked.sum())),
        ("free bytes", heap[layout.FREE_BYTES], int(free.size.sum())),
        ("mapped bytes", heap[layout.MAPPED_BYTES], int(mapped.size.sum())),
        ("free chunks", heap[layout.FREE_CHUNKS], int((free.kind == layout.FREE).sum())),
    ):
        if booked != counted:
            raise InvariantError(f"heap: {booked} {what}, the chunks say {counted}")
    for blocks in (used, mapped):
        header = heap[layout.HEADER]
        if (blocks.payload < blocks.start + header).any():
            raise InvariantError("heap: a block begins within its header")
        if (blocks.payload + blocks.asked > blocks.start + blocks.size).any():
            raise InvariantError("heap: a block reaches over the end of its chunk")


def _check_extent(state: HeapState, used: Chunks, free: Chunks) -> None:
    """The chunks lie side by side from the beginning to the break, and are merged where that is so set."""
    heap = state.heap
    start = np.concatenate([used.start, free.start])
    size = np.concatenate([used.size, free.size])
    is_free = np.concatenate([np.zeros(len(used.start), bool), np.ones(len(free.start), bool)])
    order = np.argsort(start)
    start, size, is_free = start[order], size[order], is_free[order]
    ends = np.concatenate([[heap[layout.BEGIN]], start + size])
    starts = np.concatenate([start, [heap[layout.BREAK]]])
    wrong = np.flatnonzero(starts != ends)
    if len(wrong):
        at = wrong[0]
        raise InvariantError(f"heap: a chunk ends at {ends[at]:#x}, the next begins at {starts[at]:#x}")
    if (size <= 0).any():
        raise InvariantError("heap: a chunk of no bytes")
    if heap[layout.COALESCING] != layout.IMMEDIATE:
        return
    touching = is_free[:-1] & is_free[1:]
    if heap[layout.PLACEMENT] == layout.BUDDY:
        offset = start[:-1] - heap[layout.BEGIN]
        touching &= (size[:-1] == size[1:]) & (offset & size[:-1] == 0)
    if touching.any():
        raise InvariantError(f"heap: two free chunks touch at {start[1:][touching][0]:#x}")
