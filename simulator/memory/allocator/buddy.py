"""The buddy system: chunks of powers of two, halved and rejoined (Knowlton, 1965; OSTEP ch. 17).

A chunk of 2**k bytes lies at a multiple of 2**k from the heap's beginning, and its buddy is the chunk whose
offset differs in that one bit. Two free buddies join at once.
"""

from __future__ import annotations

from simulator.memory.allocator.free_chunks import find, put, take_out
from simulator.memory.allocator.layout import (
    ABOVE,
    BEGIN,
    BELOW,
    BREAK,
    FREE,
    HIGHEST,
    KIND,
    MIN_BLOCK,
    SIZE,
    START,
    Cells,
    bits_of,
    link_above,
    new_chunk,
    unlink,
    up_to,
)


def power_for(size: int) -> int:
    """Return the smallest power of two that is not below `size`."""
    return 1 << (bits_of(size - 1) + 1) if size > 1 else 1


def take_power(cells: Cells, heap: Cells, size: int) -> int:
    """Take a chunk of `size` bytes, a power of two, halving a larger one; return 0 if there is none."""
    chunk = find(cells, heap, size)
    if chunk:
        take_out(cells, heap, chunk)
        while cells[chunk + SIZE] > size:
            half = cells[chunk + SIZE] >> 1
            cells[chunk + SIZE] = half
            upper = new_chunk(cells, heap, cells[chunk + START] + half, half)
            link_above(cells, heap, chunk, upper)
            put(cells, heap, upper)
    return chunk


def rejoin(cells: Cells, heap: Cells, chunk: int) -> None:
    """Put a free chunk into its list, joined with its buddy while that is free and whole."""
    while True:
        size = cells[chunk + SIZE]
        is_upper = (cells[chunk + START] - heap[BEGIN]) & size
        buddy = cells[chunk + BELOW] if is_upper else cells[chunk + ABOVE]
        if buddy == 0 or cells[buddy + KIND] != FREE or cells[buddy + SIZE] != size:
            break
        take_out(cells, heap, buddy)
        lower, upper = (buddy, chunk) if is_upper else (chunk, buddy)
        unlink(cells, heap, upper)
        cells[lower + SIZE] = 2 * size
        chunk = lower
    put(cells, heap, chunk)


def lacking_power(cells: Cells, heap: Cells, size: int) -> int:
    """Return by how much the heap has to grow for a chunk of `size` bytes, a power of two, at its top."""
    free_from, chunk = heap[BREAK], heap[HIGHEST]
    while chunk and cells[chunk + KIND] == FREE:
        free_from = cells[chunk + START]
        chunk = cells[chunk + BELOW]
    return up_to(free_from - heap[BEGIN], size) + size - (heap[BREAK] - heap[BEGIN])


def add_powers(cells: Cells, heap: Cells, start: int, end: int) -> None:
    """Add the range to the top of the heap, in the largest chunks that lie at multiples of their size."""
    while end - start >= heap[MIN_BLOCK]:
        offset = start - heap[BEGIN]
        size = 1 << bits_of(end - start)
        if offset:
            size = min(size, offset & -offset)
        chunk = new_chunk(cells, heap, start, size)
        link_above(cells, heap, heap[HIGHEST], chunk)
        rejoin(cells, heap, chunk)
        start += size
