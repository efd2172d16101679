"""The arrays of a heap: made, enlarged, and read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from simulator.memory.allocator import layout
from simulator.memory.heap_config import COALESCINGS, ORDERS, PLACEMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.allocator.layout import Cells
    from simulator.memory.heap_config import HeapConfig

    Int64s = NDArray[np.int64]

FIRST_CHUNKS = 256
KEPT_ADDRESSES = 1 << 18
"""A larger index forgets, when it is made anew, which addresses were freed."""


class Chunks(NamedTuple):
    """Chunks of a heap as columns, one row a chunk.

    Attributes:
        start: address of the header.
        size: bytes, header included.
        asked: bytes that the program asked for, -1 if free.
        payload: address that malloc returned; meaningless if free.
        place, tie: the free list is in order of these two; meaningless if allocated.
        kind: as in `simulator.memory.allocator.layout`.
    """

    start: Int64s
    size: Int64s
    asked: Int64s
    payload: Int64s
    place: Int64s
    tie: Int64s
    kind: Int64s


class HeapState:
    """The arrays that the allocator's rule works on, and views of them for interpreted code.

    Attributes:
        arrays: cells, heap and index, as `simulator.memory.allocator.layout` tells.
        cells, heap, index: memoryviews of them.
    """

    cells: Cells
    heap: Cells
    index: Cells

    def __init__(self, config: HeapConfig, begin: int) -> None:
        heap = np.zeros(layout.HEAP_CELLS, np.int64)
        settings = {
            layout.PLACEMENT: PLACEMENTS[config.placement],
            layout.ORDER: ORDERS[config.order],
            layout.COALESCING: COALESCINGS[config.coalescing],
            layout.HEADER: config.header_bytes,
            layout.ALIGNMENT: config.alignment_bytes,
            layout.ALIGNED: config.aligned,
            layout.MIN_BLOCK: config.min_block_bytes,
            layout.MIN_REST: config.min_remainder_bytes,
            layout.TOP_APART: config.top_apart,
            layout.TOP_PAD: config.top_pad_bytes,
            layout.GROWTH_UNIT: config.growth_bytes,
            layout.ADAPTS: config.adaptive,
            layout.LEAST_GROWTH: config.least_growth_bytes,
            layout.TOP_COUNTS: config.top_counts,
            layout.MMAP_THRESHOLD: _or_never(config.mmap_threshold_bytes),
            layout.TRIM_THRESHOLD: _or_never(config.trim_threshold_bytes),
            layout.BEGIN: begin,
            layout.BREAK: begin,
            layout.GRANTED: begin,
            layout.DICE: 1,
            layout.ROVER_PLACE: -layout.NEVER_BYTES,
        }
        for cell, value in settings.items():
            heap[cell] = value
        cells = np.zeros(FIRST_CHUNKS * layout.WIDTH, np.int64)
        self.arrays: tuple[Int64s, Int64s, Int64s] = (cells, heap, np.zeros(8 * FIRST_CHUNKS, np.int64))
        self._view()
        self._add_vacant(layout.WIDTH)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: memoryviews cannot be copied, and belong to the arrays."""
        return {"arrays": self.arrays}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy."""
        self.arrays = state["arrays"]
        self._view()

    def make_room(self) -> None:
        """Enlarge what is too small for one more event."""
        cells, heap, index = self.arrays
        if heap[layout.VACANT_COUNT] < layout.ROOMY:
            known = len(cells)
            larger = np.zeros(2 * known, np.int64)
            larger[:known] = cells
            self.arrays = (larger, heap, index)
            self._view()
            self._add_vacant(known)
        if 4 * heap[layout.ENTRIES] >= len(index):
            self._renew_index(index)

    def chunks(self, *kinds: int) -> Chunks:
        """Return the chunks of some kinds, in no particular order."""
        table = self.arrays[0].reshape(-1, layout.WIDTH)
        rows = table[np.isin(table[:, layout.KIND], kinds)]
        columns = (
            layout.START,
            layout.SIZE,
            layout.ASKED,
            layout.PAYLOAD,
            layout.PLACE,
            layout.TIE,
            layout.KIND,
        )
        return Chunks(*(rows[:, column] for column in columns))

    def _view(self) -> None:
        self.cells, self.heap, self.index = (array.data for array in self.arrays)

    def _add_vacant(self, first: int) -> None:
        """Link the chunks from a cell on as vacant, the lowest first."""
        cells, heap, _ = self.arrays
        chunks = np.arange(first, len(cells), layout.WIDTH)
        cells[chunks[:-1] + layout.ABOVE] = chunks[1:]
        cells[chunks[-1] + layout.ABOVE] = heap[layout.VACANT_FIRST]
        heap[layout.VACANT_FIRST] = first
        heap[layout.VACANT_COUNT] += len(chunks)

    def _renew_index(self, old: Int64s) -> None:
        """Make an index of twice the size, or of the same one without the freed addresses if it is large."""
        addresses, chunks = old[::2], old[1::2]
        kept = (chunks != layout.FREED) if len(old) >= KEPT_ADDRESSES else (addresses != 0)
        kept &= addresses != 0
        size = len(old) if 8 * int(kept.sum()) < len(old) else 2 * len(old)
        self.arrays = (*self.arrays[:2], np.zeros(size, np.int64))
        self._view()
        self.heap[layout.ENTRIES] = 0
        for address, chunk in zip(addresses[kept].tolist(), chunks[kept].tolist(), strict=True):
            layout.enter(self.heap, self.index, address, chunk)


def _or_never(size: int | None) -> int:
    return layout.NEVER_BYTES if size is None else size
