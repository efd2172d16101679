"""What the allocator's state consists of: chunks, and the numbers of the heap.

A heap's state is three int64 arrays. `cells` holds the chunks, `WIDTH` cells each: a chunk is named by the
index of its first cell, chunk 0 does not exist and stands for "none" (its cells stay 0, so that sums and
maxima over children need no test). `heap` holds the settings and the single numbers. `index` maps the
addresses that malloc returned to their chunks.

Interpreted, the functions are handed memoryviews of the arrays, whose elements are Python's integers and
several times as fast as numpy's scalars; compiled, the arrays themselves.
"""

from __future__ import annotations

from typing import Protocol

WIDTH = 16
"""Cells of a chunk."""

START, SIZE, ASKED, KIND, BELOW, ABOVE, PAYLOAD, PLACE, TIE = 0, 1, 2, 3, 4, 5, 6, 7, 8
"""A chunk's address and bytes, header included; bytes the program asked for; what it is; the chunks that lie
below and above it in memory (the boundary tags); the address malloc returned; and its place in the free list:
the list is in order of PLACE, then TIE."""

LEFT, RIGHT, UP, RANDOM, LARGEST, COUNT, STALE = 9, 10, 11, 12, 13, 14, 15
"""A free chunk as node of the tree: children, parent, priority, largest chunk and number of chunks below and
including it. In a list of a size class LEFT is the next chunk and RIGHT the one before. STALE links the
chunks whose size changed since the list was sorted by size; it is -1 elsewhere."""

VACANT, USED, FREE, TOP, MAPPED = 0, 1, 2, 3, 4
"""KIND: not in use; allocated; in the free list; free at the top of the heap and kept out of the list;
allocated with a mapping of its own."""

FIRST_FIT, NEXT_FIT, BEST_FIT, WORST_FIT, SEGREGATED, BUDDY = 0, 1, 2, 3, 4, 5
ADDRESS, LIFO, FIFO, SIZE_UP, SIZE_DOWN = 0, 1, 2, 3, 4
IMMEDIATE, DEFERRED, NEVER, LIST_NEIGHBOURS = 0, 1, 2, 3

PLACEMENT, ORDER, COALESCING, HEADER, ALIGNMENT, ALIGNED = 0, 1, 2, 3, 4, 5
MIN_BLOCK, MIN_REST, TOP_APART, TOP_PAD, GROWTH_UNIT, ADAPTS = 6, 7, 8, 9, 10, 11
LEAST_GROWTH, TOP_COUNTS = 14, 15
"""The heap's settings, as `simulator.memory.heap_config.HeapConfig` explains them."""

MMAP_THRESHOLD, TRIM_THRESHOLD = 12, 13
"""Bytes from which malloc asks for a mapping, and free at the top from which it is trimmed; NEVER_BYTES for
not at all. Both rise with frees of mappings where ADAPTS is 1."""

BEGIN, BREAK, GRANTED = 16, 17, 18
"""First address; where the heap ends; how far the space lets it end without being asked."""

LOWEST, HIGHEST = 19, 20
"""The first and the last chunk below the break."""

ROOT, ROVER_PLACE, ROVER_TIE = 21, 22, 23
"""The tree, and the place in the list where next fit goes on."""

SEQUENCE, DICE, STALE_FIRST, UNMERGED, FREE_CHUNKS = 24, 25, 26, 27, 28
"""A counter of insertions; the state of the priorities; the first stale chunk; frees since chunks were last
merged; chunks in the free list."""

VACANT_FIRST, VACANT_COUNT, ENTRIES = 29, 30, 31
"""Chunks not in use, linked by ABOVE, and entries of the index in use, those of freed blocks included."""

LIVE, PEAK, FREE_BYTES, MAPPED_BYTES, PEAK_HELD = 32, 33, 34, 35, 40
"""Bytes asked for and not freed, and the most of them; bytes free below the break; bytes mapped; the most
bytes held."""

MALLOCS, FREES, SEARCHED, LAST_SEARCHED = 36, 37, 38, 39
"""Calls; free chunks that searches looked at, in all and in the last."""

WANTS, AMOUNT, AT_LEAST, GIFT, GIFT_BYTES = 41, 42, 43, 44, 45
"""What the rule needs before it can go on, how much of it, and how much would do; a mapping handed to it."""

NOTHING, ROOM, GROW, MAP, UNMAP, NO_BLOCK, NAME_TAKEN = 0, 1, 2, 3, 4, 5, 6
"""WANTS: nothing; larger arrays; more heap; a mapping; a mapping taken back; the event frees a block that is
not alive; it allocates under the name of one that is."""

BITS, HEADS = 48, 56
"""Which size classes have chunks, 32 classes a cell, and the first chunk of each."""

CLASSES = 192
HEAP_CELLS = HEADS + CLASSES
NEVER_BYTES = 1 << 62

REFUSED = -1
"""In GIFT: the system has no mapping for this event."""
PAGE = 4096
ROOMY = 128
"""Vacant chunks that there must be before an event: more than any takes."""
FREED = -1
"""In the index: the chunk of an address that was freed and not returned again since."""
MAX_ADAPTIVE = 32 << 20
"""Above this, freeing a mapping raises no threshold (glibc's DEFAULT_MMAP_THRESHOLD_MAX)."""


class Cells(Protocol):
    """An int64 array or a memoryview of one."""

    def __getitem__(self, index: int, /) -> int:
        """Return an element."""
        ...

    def __setitem__(self, index: int, value: int, /) -> None:
        """Change an element."""
        ...

    def __len__(self) -> int:
        """Return the number of elements."""
        ...


def up_to(size: int, unit: int) -> int:
    """Return the smallest multiple of `unit`, any positive number, that is not below `size`."""
    return (size + unit - 1) // unit * unit


def bits_of(number: int) -> int:
    """Return floor(log2(number)) for a positive number below 2**63."""
    bits = 0
    for step in (32, 16, 8, 4, 2, 1):
        if number >> step:
            number >>= step
            bits += step
    return bits


def new_chunk(cells: Cells, heap: Cells, start: int, size: int) -> int:
    """Take a vacant chunk and give it an extent; it is linked nowhere."""
    chunk = heap[VACANT_FIRST]
    heap[VACANT_FIRST] = cells[chunk + ABOVE]
    heap[VACANT_COUNT] -= 1
    cells[chunk + START] = start
    cells[chunk + SIZE] = size
    cells[chunk + ASKED] = -1
    cells[chunk + KIND] = FREE
    cells[chunk + BELOW] = 0
    cells[chunk + ABOVE] = 0
    cells[chunk + STALE] = -1
    return chunk


def drop_chunk(cells: Cells, heap: Cells, chunk: int) -> None:
    """Put a chunk that is linked nowhere back among the vacant ones."""
    cells[chunk + KIND] = VACANT
    cells[chunk + ABOVE] = heap[VACANT_FIRST]
    heap[VACANT_FIRST] = chunk
    heap[VACANT_COUNT] += 1


def link_above(cells: Cells, heap: Cells, chunk: int, new: int) -> None:
    """Let `new` follow `chunk` in memory; 0 for the heap's first place."""
    above = cells[chunk + ABOVE] if chunk else heap[LOWEST]
    cells[new + BELOW] = chunk
    cells[new + ABOVE] = above
    if above:
        cells[above + BELOW] = new
    else:
        heap[HIGHEST] = new
    if chunk:
        cells[chunk + ABOVE] = new
    else:
        heap[LOWEST] = new


def unlink(cells: Cells, heap: Cells, chunk: int) -> None:
    """Take a chunk out of the chain in memory, and make it vacant."""
    below, above = cells[chunk + BELOW], cells[chunk + ABOVE]
    if below:
        cells[below + ABOVE] = above
    else:
        heap[LOWEST] = above
    if above:
        cells[above + BELOW] = below
    else:
        heap[HIGHEST] = below
    drop_chunk(cells, heap, chunk)


def slot_of(index: Cells, address: int) -> int:
    """Return where the index has an address, or where it would put it."""
    last = len(index) - 2
    # Fibonacci hashing, kept below 2**61 so that Python and 64-bit machine code agree.
    at = ((address & 0xFFFFFFFF) * 0x1E3779B1 >> 16) * 2 & last
    while index[at] != 0 and index[at] != address:
        at = (at + 2) & last
    return at


def chunk_at(index: Cells, address: int) -> int:
    """Return the chunk of an allocated block, FREED if it was freed, 0 if malloc never returned it."""
    at = slot_of(index, address)
    return index[at + 1] if index[at] else 0


def enter(heap: Cells, index: Cells, address: int, chunk: int) -> None:
    """Put an address into the index."""
    at = slot_of(index, address)
    if index[at] == 0:
        index[at] = address
        heap[ENTRIES] += 1
    index[at + 1] = chunk
