"""Whole requests: malloc and free with what they need of the system, and many of them in one call.

What only the system can give stops the rule: it says in WANTS what it needs, and is called again for the same
event once it has that. The program break is moved without a call as long as it stays below what was granted
before, so that a heap which shrinks and grows within a burst does not stop at each step.
"""

from __future__ import annotations

from simulator.memory.allocator.blocks import chunk_bytes, give_back, hand_out, split_rest, take, take_back
from simulator.memory.allocator.buddy import add_powers, lacking_power, power_for
from simulator.memory.allocator.free_chunks import change_size, largest_free, put_or_top
from simulator.memory.allocator.layout import (
    ADAPTS,
    ALIGNED,
    ALIGNMENT,
    AMOUNT,
    AT_LEAST,
    BEGIN,
    BREAK,
    BUDDY,
    COALESCING,
    ENTRIES,
    FREE,
    FREE_BYTES,
    FREES,
    GIFT,
    GIFT_BYTES,
    GRANTED,
    GROW,
    GROWTH_UNIT,
    HEADER,
    HIGHEST,
    KIND,
    LEAST_GROWTH,
    LIVE,
    MALLOCS,
    MAP,
    MAPPED,
    MAPPED_BYTES,
    MAX_ADAPTIVE,
    MIN_BLOCK,
    MMAP_THRESHOLD,
    NAME_TAKEN,
    NEVER,
    NO_BLOCK,
    NOTHING,
    PAGE,
    PAYLOAD,
    PEAK_HELD,
    PLACEMENT,
    REFUSED,
    ROOM,
    ROOMY,
    SIZE,
    START,
    TOP,
    TOP_APART,
    TOP_COUNTS,
    TOP_PAD,
    TRIM_THRESHOLD,
    UNMAP,
    VACANT_COUNT,
    WANTS,
    Cells,
    chunk_at,
    drop_chunk,
    link_above,
    new_chunk,
    up_to,
)


def allocate(cells: Cells, heap: Cells, index: Cells, size: int, alignment: int) -> int:
    """Allocate a block; return its chunk, or 0 and what is wanted in WANTS.

    Args:
        cells: the chunks.
        heap: the settings and the single numbers.
        index: the chunks by address.
        size: bytes asked for.
        alignment: a power of two that the block's address is to be a multiple of; 0 for the heap's own.
    """
    needed = chunk_bytes(heap, size)
    aligned = alignment > heap[ALIGNMENT] or (alignment > 1 and not heap[ALIGNED])
    if aligned:
        needed += alignment + heap[MIN_BLOCK]
        if heap[PLACEMENT] == BUDDY:
            needed = power_for(size + heap[HEADER] + alignment)
    if heap[GIFT] > 0:
        chunk = adopt(cells, heap)
    else:
        chunk = take(cells, heap, needed)
        if chunk == 0:
            ask_for_more(cells, heap, needed)
            if heap[WANTS] != NOTHING:
                return 0
            chunk = take(cells, heap, needed)
    payload = cells[chunk + START] + heap[HEADER]
    if cells[chunk + KIND] == MAPPED:
        payload = up_to(payload, heap[ALIGNMENT])
    if aligned:
        payload = up_to(payload, alignment)
        if cells[chunk + KIND] != MAPPED and heap[PLACEMENT] != BUDDY:
            chunk, payload = carve(cells, heap, chunk, payload, alignment, chunk_bytes(heap, size))
    heap[GIFT] = 0
    heap[MALLOCS] += 1
    hand_out(cells, heap, index, chunk, size, payload)
    return chunk


def carve(
    cells: Cells, heap: Cells, chunk: int, payload: int, alignment: int, needed: int
) -> tuple[int, int]:
    """Give back what lies before and behind the aligned part of a chunk; return that part and its address."""
    while 0 < payload - heap[HEADER] - cells[chunk + START] < heap[MIN_BLOCK]:
        payload += alignment
    lead = payload - heap[HEADER] - cells[chunk + START]
    if lead:
        used = split_rest(cells, heap, chunk, lead)
        give_back(cells, heap, chunk)
        chunk = used
    trim_block(cells, heap, chunk, needed)
    return chunk, payload


def trim_block(cells: Cells, heap: Cells, chunk: int, needed: int) -> None:
    """Give back what a block has beyond the bytes that it needs, where a chunk can be made of it."""
    if cells[chunk + SIZE] - needed >= heap[MIN_BLOCK]:
        give_back(cells, heap, split_rest(cells, heap, chunk, needed))


def release(cells: Cells, heap: Cells, index: Cells, chunk: int) -> None:
    """Free a block. If it had a mapping of its own, that is still to be taken back by the system."""
    heap[FREES] += 1
    take_back(cells, heap, index, chunk)
    if cells[chunk + KIND] == MAPPED:
        size = cells[chunk + SIZE]
        if heap[ADAPTS] and heap[MMAP_THRESHOLD] < size <= MAX_ADAPTIVE:
            heap[MMAP_THRESHOLD] = size
            heap[TRIM_THRESHOLD] = 2 * size
        heap[MAPPED_BYTES] -= size
        heap[WANTS] = UNMAP
        heap[AMOUNT] = cells[chunk + START]
        drop_chunk(cells, heap, chunk)
        return
    top = free_at_top(cells, heap)
    give_back(cells, heap, chunk)
    now = free_at_top(cells, heap)
    if now > top and now >= heap[TRIM_THRESHOLD]:
        trim(cells, heap, now)


def free_at_top(cells: Cells, heap: Cells) -> int:
    """Return the bytes of the free chunk that ends at the break, 0 if the last byte is in use."""
    highest = heap[HIGHEST]
    return cells[highest + SIZE] if cells[highest + KIND] >= FREE else 0


def trim(cells: Cells, heap: Cells, size: int) -> None:
    """Move the break down over the free chunk at the top, but for the pad and a smallest block."""
    extra = (size - heap[MIN_BLOCK] - 1 - heap[TOP_PAD]) // PAGE * PAGE
    if extra > 0:
        highest = heap[HIGHEST]
        heap[BREAK] -= extra
        heap[FREE_BYTES] -= extra
        if cells[highest + KIND] == TOP:
            cells[highest + SIZE] -= extra
        else:
            change_size(cells, heap, highest, cells[highest + START], size - extra)


def ask_for_more(cells: Cells, heap: Cells, needed: int) -> None:
    """Grow the heap within what was granted before, or say what is wanted of the system."""
    if needed >= heap[MMAP_THRESHOLD] and heap[GIFT] != REFUSED:
        heap[WANTS] = MAP
        heap[AMOUNT] = up_to(needed + heap[HEADER], PAGE)
        return
    if heap[PLACEMENT] == BUDDY:
        lacking = lacking_power(cells, heap, needed)
    else:
        lacking = needed + heap[TOP_APART] * heap[MIN_BLOCK]
        if heap[COALESCING] != NEVER and heap[TOP_COUNTS]:
            lacking -= free_at_top(cells, heap)
    heap[AT_LEAST] = lacking
    heap[AMOUNT] = up_to(max(lacking + heap[TOP_PAD], heap[LEAST_GROWTH]), heap[GROWTH_UNIT])
    if heap[BREAK] + heap[AMOUNT] <= heap[GRANTED]:
        extend(cells, heap, heap[AMOUNT])
    else:
        heap[WANTS] = GROW


def extend(cells: Cells, heap: Cells, size: int) -> None:
    """Move the break up; the new bytes are free, and join a free chunk that they touch."""
    start = heap[BREAK]
    heap[BREAK] = start + size
    heap[FREE_BYTES] += size
    highest = heap[HIGHEST]
    if heap[PLACEMENT] == BUDDY:
        add_powers(cells, heap, start, start + size)
    elif cells[highest + KIND] == TOP:
        cells[highest + SIZE] += size
    elif cells[highest + KIND] == FREE and heap[COALESCING] != NEVER:
        change_size(cells, heap, highest, cells[highest + START], cells[highest + SIZE] + size)
    else:
        chunk = new_chunk(cells, heap, start, size)
        link_above(cells, heap, highest, chunk)
        put_or_top(cells, heap, chunk)
    note_held(heap)


def adopt(cells: Cells, heap: Cells) -> int:
    """Make a chunk of the mapping that the system gave."""
    chunk = new_chunk(cells, heap, heap[GIFT], heap[GIFT_BYTES])
    cells[chunk + KIND] = MAPPED
    heap[MAPPED_BYTES] += heap[GIFT_BYTES]
    note_held(heap)
    return chunk


def note_held(heap: Cells) -> None:
    """Keep the most bytes that the heap has held."""
    held = heap[BREAK] - heap[BEGIN] + heap[MAPPED_BYTES]
    heap[PEAK_HELD] = max(heap[PEAK_HELD], held)


def has_room(heap: Cells, index: Cells) -> bool:
    """Say whether one more event finds the vacant chunks and the room in the index that it may need."""
    return heap[VACANT_COUNT] >= ROOMY and 4 * heap[ENTRIES] < len(index)


def run_events(  # noqa: PLR0913, PLR0917 - machine code is handed arrays, not objects
    cells: Cells,
    heap: Cells,
    index: Cells,
    names: Cells,
    sizes: Cells,
    addresses: Cells,
    live: Cells,
    held: Cells,
    free: Cells,
    largest: Cells,
    extents: Cells,
    places: Cells,
    chunks: Cells,
    first: int,
) -> int:
    """Carry out mallocs and frees in order.

    Args:
        cells: the chunks.
        heap: the settings and the single numbers.
        index: the chunks by address.
        names: of each event, the number of its block.
        sizes: of each event, > 0 allocates that many bytes, < 0 frees.
        addresses: by number, where the block lies, 0 while it is not alive.
        live: filled with the bytes alive after each event.
        held: likewise, the bytes that the heap holds.
        free: likewise, the bytes in free chunks.
        largest: likewise, the bytes in the largest of them.
        extents: likewise, the bytes from the heap's beginning to the break.
        places: filled with the address of each event's block.
        chunks: likewise, the bytes that it takes, header included.
        first: the event to begin with.

    Returns:
        The event to go on with, once what WANTS says is there; the number of events where all are done.
    """
    for event in range(first, len(sizes)):
        if not has_room(heap, index):
            heap[WANTS] = ROOM
            return event
        name, size = names[event], sizes[event]
        if size > 0:
            if addresses[name]:
                heap[WANTS] = NAME_TAKEN
                return event
            chunk = allocate(cells, heap, index, size, 0)
            if chunk == 0:
                return event
            addresses[name] = cells[chunk + PAYLOAD]
            places[event] = cells[chunk + PAYLOAD]
            chunks[event] = cells[chunk + SIZE]
        else:
            address = addresses[name]
            chunk = chunk_at(index, address) if address else 0
            if chunk <= 0:
                heap[WANTS] = NO_BLOCK
                return event
            places[event] = address
            chunks[event] = cells[chunk + SIZE]
            release(cells, heap, index, chunk)
            addresses[name] = 0
        live[event] = heap[LIVE]
        extent = heap[BREAK] - heap[BEGIN]
        extents[event] = extent
        held[event] = extent + heap[MAPPED_BYTES]
        free[event] = heap[FREE_BYTES]
        largest[event] = largest_free(cells, heap)
        if heap[WANTS] == UNMAP:
            return event + 1
    return len(sizes)
