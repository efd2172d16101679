"""realloc in place: a block that shrinks, or grows into the free chunk above it."""

from __future__ import annotations

from simulator.memory.allocator.blocks import chunk_bytes
from simulator.memory.allocator.events import trim_block
from simulator.memory.allocator.free_chunks import take_out
from simulator.memory.allocator.layout import (
    ABOVE,
    ASKED,
    BUDDY,
    FREE,
    FREE_BYTES,
    HEADER,
    KIND,
    LIVE,
    MAPPED,
    MIN_BLOCK,
    PAGE,
    PAYLOAD,
    PEAK,
    PLACEMENT,
    SIZE,
    START,
    TOP,
    Cells,
    unlink,
    up_to,
)


def resize_in_place(cells: Cells, heap: Cells, chunk: int, size: int) -> bool:
    """Let a block have another size where it is; return whether that can be.

    A mapping and a buddy keep their extent, and can be resized as far as it reaches; a mapping that would
    need another number of pages moves.
    """
    needed = chunk_bytes(heap, size)
    kind = cells[chunk + KIND]
    if kind == MAPPED or heap[PLACEMENT] == BUDDY:
        fits = cells[chunk + PAYLOAD] + size <= cells[chunk + START] + cells[chunk + SIZE]
        if not fits or (kind == MAPPED and up_to(needed + heap[HEADER], PAGE) != cells[chunk + SIZE]):
            return False
    else:
        if cells[chunk + SIZE] < needed and not absorb_above(cells, heap, chunk, needed):
            return False
        trim_block(cells, heap, chunk, needed)
    live = heap[LIVE] + size - cells[chunk + ASKED]
    cells[chunk + ASKED] = size
    heap[LIVE] = live
    heap[PEAK] = max(heap[PEAK], live)
    return True


def absorb_above(cells: Cells, heap: Cells, chunk: int, needed: int) -> bool:
    """Add the free chunk above to a block, if both have the bytes; of a top, a smallest block stays."""
    above = cells[chunk + ABOVE]
    kind, size = cells[above + KIND], cells[above + SIZE]
    kept = heap[MIN_BLOCK] if kind == TOP else 0
    if kind not in {FREE, TOP} or cells[chunk + SIZE] + size < needed + kept:
        return False
    if kind == FREE:
        take_out(cells, heap, above)
    unlink(cells, heap, above)
    heap[FREE_BYTES] -= size
    cells[chunk + SIZE] += size
    return True
