"""malloc and free: blocks taken from free chunks and given back to them."""

from __future__ import annotations

from simulator.memory.allocator.buddy import power_for, rejoin, take_power
from simulator.memory.allocator.free_chunks import (
    change_size,
    find,
    keep_rover,
    merge_all,
    merge_list_neighbours,
    merges_in_place,
    put_or_top,
    take_out,
)
from simulator.memory.allocator.layout import (
    ABOVE,
    ALIGNED,
    ALIGNMENT,
    ASKED,
    BELOW,
    BUDDY,
    COALESCING,
    DEFERRED,
    FREE,
    FREE_BYTES,
    FREED,
    HEADER,
    HIGHEST,
    IMMEDIATE,
    KIND,
    LIST_NEIGHBOURS,
    LIVE,
    MIN_BLOCK,
    MIN_REST,
    NEVER,
    PAYLOAD,
    PEAK,
    PLACE,
    PLACEMENT,
    SIZE,
    START,
    TOP,
    TOP_APART,
    UNMERGED,
    USED,
    Cells,
    enter,
    link_above,
    new_chunk,
    unlink,
    up_to,
)
from simulator.memory.allocator.tree import resize_node


def chunk_bytes(heap: Cells, size: int) -> int:
    """Return the bytes of the chunk that a request for `size` bytes takes, header and rounding included."""
    if heap[ALIGNED]:
        needed = up_to(size + heap[HEADER], heap[ALIGNMENT])
    else:
        needed = up_to(size, heap[ALIGNMENT]) + heap[HEADER]
    needed = max(needed, heap[MIN_BLOCK])
    return power_for(needed) if heap[PLACEMENT] == BUDDY else needed


def take(cells: Cells, heap: Cells, needed: int) -> int:
    """Take a chunk of at least `needed` bytes from what is free; return 0 if no free chunk holds them."""
    if heap[PLACEMENT] == BUDDY:
        chunk = take_power(cells, heap, needed)
    else:
        chunk = find(cells, heap, needed)
        if chunk == 0 and heap[COALESCING] == DEFERRED and heap[UNMERGED]:
            merge_all(cells, heap)
            chunk = find(cells, heap, needed)
        chunk = split(cells, heap, chunk, needed) if chunk else take_top(cells, heap, needed)
    if chunk:
        cells[chunk + KIND] = USED
        heap[FREE_BYTES] -= cells[chunk + SIZE]
    return chunk


def split(cells: Cells, heap: Cells, chunk: int, needed: int) -> int:
    """Take the front of a chunk in the free list; the rest, if it is worth it, stays where the chunk was."""
    rest = cells[chunk + SIZE] - needed
    if rest == 0 or rest < heap[MIN_REST]:
        take_out(cells, heap, chunk)
        return chunk
    start = cells[chunk + START]
    taken = new_chunk(cells, heap, start, needed)
    link_above(cells, heap, cells[chunk + BELOW], taken)
    change_size(cells, heap, chunk, start + needed, rest)
    return taken


def split_rest(cells: Cells, heap: Cells, chunk: int, size: int) -> int:
    """Cut an allocated chunk off after `size` bytes; return the rest, a chunk that is allocated, too."""
    rest = new_chunk(cells, heap, cells[chunk + START] + size, cells[chunk + SIZE] - size)
    cells[rest + KIND] = USED
    link_above(cells, heap, chunk, rest)
    cells[chunk + SIZE] = size
    return rest


def take_top(cells: Cells, heap: Cells, needed: int) -> int:
    """Take the front of a top that is kept apart; a smallest block of it stays."""
    top = heap[HIGHEST]
    if cells[top + KIND] != TOP or cells[top + SIZE] < needed + heap[MIN_BLOCK]:
        return 0
    taken = new_chunk(cells, heap, cells[top + START], needed)
    link_above(cells, heap, cells[top + BELOW], taken)
    cells[top + START] += needed
    cells[top + SIZE] -= needed
    return taken


def hand_out(cells: Cells, heap: Cells, index: Cells, chunk: int, size: int, payload: int) -> None:
    """Note what a block was asked for and where it begins for the program."""
    cells[chunk + ASKED] = size
    cells[chunk + PAYLOAD] = payload
    enter(heap, index, payload, chunk)
    live = heap[LIVE] + size
    heap[LIVE] = live
    if live > heap[PEAK]:  # noqa: PLR1730 - max() costs a call, interpreted
        heap[PEAK] = live


def take_back(cells: Cells, heap: Cells, index: Cells, chunk: int) -> None:
    """End a block: its address is the program's no more."""
    heap[LIVE] -= cells[chunk + ASKED]
    cells[chunk + ASKED] = -1
    enter(heap, index, cells[chunk + PAYLOAD], FREED)


def give_back(cells: Cells, heap: Cells, chunk: int) -> None:
    """Make a chunk below the break free, and merge it as is set."""
    heap[FREE_BYTES] += cells[chunk + SIZE]
    cells[chunk + KIND] = FREE
    if heap[PLACEMENT] == BUDDY:
        rejoin(cells, heap, chunk)
        return
    coalescing = heap[COALESCING]
    if coalescing == IMMEDIATE:
        merge(cells, heap, chunk)
        return
    heap[UNMERGED] += 1
    above = cells[chunk + ABOVE]
    if above and cells[above + KIND] == TOP and coalescing != NEVER:
        cells[chunk + SIZE] += cells[above + SIZE]
        unlink(cells, heap, above)
    put_or_top(cells, heap, chunk)
    if coalescing == LIST_NEIGHBOURS:
        merge_list_neighbours(cells, heap)


def merge(cells: Cells, heap: Cells, chunk: int) -> None:
    """Merge a chunk that has become free with its neighbours in memory, and put the whole into the list."""
    below, above = cells[chunk + BELOW], cells[chunk + ABOVE]
    if cells[below + KIND] != FREE:
        below = 0
    if cells[above + KIND] == TOP:
        cells[chunk + SIZE] += cells[above + SIZE]
        unlink(cells, heap, above)
    if cells[above + KIND] != FREE:
        above = 0
    becomes_top = heap[TOP_APART] and cells[chunk + ABOVE] == 0
    if merges_in_place(heap) and (below or above) and not becomes_top:
        merge_in_place(cells, heap, chunk, below, above)
        return
    if above:
        take_out(cells, heap, above)
        cells[chunk + SIZE] += cells[above + SIZE]
        unlink(cells, heap, above)
    if below:
        take_out(cells, heap, below)
        cells[below + SIZE] += cells[chunk + SIZE]
        unlink(cells, heap, chunk)
        chunk = below
    put_or_top(cells, heap, chunk)
    keep_rover(cells, heap, chunk)


def merge_in_place(cells: Cells, heap: Cells, chunk: int, below: int, above: int) -> None:
    """Merge where the list is in order of address: a free neighbour keeps its place and grows."""
    size = cells[chunk + SIZE]
    if below:
        if above:
            size += cells[above + SIZE]
            take_out(cells, heap, above)
            unlink(cells, heap, above)
        kept = below
    else:
        kept = above
        cells[kept + START] = cells[chunk + START]
        cells[kept + PLACE] = cells[chunk + START]
    unlink(cells, heap, chunk)
    resize_node(cells, heap, kept, cells[kept + SIZE] + size)
    keep_rover(cells, heap, kept)
