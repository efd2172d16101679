"""Which words an allocator keeps in memory for a chunk, in the two forms that textbooks and libraries have.

With a header of 16 bytes or more it is that of OSTEP chapter 17: a block's header is its size and a magic
number, and a free chunk begins with its size and the address of the next in the list. With a header of 8
bytes it is glibc's (malloc/malloc.c, struct malloc_chunk): a word with the size and, in its lowest bits,
whether the chunk below is in use and whether this one is a mapping; a free chunk has links to the next and
to the one before it in the list, and its size once more in its last word, where the chunk above finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulator.memory.allocator.layout import (
    BELOW,
    FREE,
    HEADER,
    KIND,
    LEFT,
    MAPPED,
    PAYLOAD,
    PLACEMENT,
    RIGHT,
    SEGREGATED,
    SIZE,
    START,
    TOP,
    UP,
    USED,
)
from simulator.memory.allocator.tree import next_to

if TYPE_CHECKING:
    from simulator.memory.allocator.layout import Cells

WORD = 8
OSTEP_HEADER = 16
"""From so many bytes of header on, it holds a magic number."""
MAGIC = 1234567
"""OSTEP's, chapter 17."""
PREV_INUSE = 1
"""In a size word: the chunk below is in use (glibc)."""
IS_MMAPPED = 2
"""In a size word: the chunk is a mapping of its own (glibc)."""
FLAGS = PREV_INUSE | IS_MMAPPED


class Word(NamedTuple):
    """A word that the allocator keeps.

    Attributes:
        address: where.
        name: what it is: "size", "magic number", "next", "fd", "bk" or "prev_size".
        value: what the allocator wrote.
    """

    address: int
    name: str
    value: int


class Tag(NamedTuple):
    """What the allocator has written about a chunk.

    Attributes:
        kind: as in `simulator.memory.allocator.layout`.
        size: bytes of the chunk.
        words: its words.
        neighbours: the chunks before and after it in the free list; none of a block.
    """

    kind: int
    size: int
    words: tuple[Word, ...]
    neighbours: tuple[int, int] = (0, 0)


def header_of(heap: Cells, payload: int) -> int:
    """Return the address of the header of the block that malloc returned as `payload`."""
    return payload - (heap[HEADER] if has_magic(heap) else WORD)


def has_magic(heap: Cells) -> bool:
    """Say whether headers are OSTEP's."""
    return heap[HEADER] >= OSTEP_HEADER


def tag_of(cells: Cells, heap: Cells, chunk: int) -> Tag:
    """Return what is to be in memory about a chunk, as it is now."""
    kind, start, size = cells[chunk + KIND], cells[chunk + START], cells[chunk + SIZE]
    neighbours = list_neighbours(cells, heap, chunk) if kind == FREE else (0, 0)
    before, after = (cells[other + START] for other in neighbours)
    make = _ostep_words if has_magic(heap) else _glibc_words
    header = header_of(heap, cells[chunk + PAYLOAD]) if kind in {USED, MAPPED} else start
    in_use = PREV_INUSE if cells[cells[chunk + BELOW] + KIND] != FREE else 0
    words = make(kind, header, (start, size), (before, after), in_use)
    return Tag(kind, size, tuple(word for word in words if word.address + WORD <= start + size), neighbours)


def _ostep_words(
    kind: int, header: int, extent: tuple[int, int], links: tuple[int, int], _in_use: int
) -> list[Word]:
    second = (
        Word(header + WORD, "next", links[1])
        if kind in {FREE, TOP}
        else Word(header + WORD, "magic number", MAGIC)
    )
    return [Word(header, "size", extent[1]), second]


def _glibc_words(
    kind: int, header: int, extent: tuple[int, int], links: tuple[int, int], in_use: int
) -> list[Word]:
    start, size = extent
    if kind == MAPPED:
        return [Word(header, "size", size | IS_MMAPPED)]
    words = [Word(header, "size", size | in_use)]
    if kind == FREE:
        words += [Word(start + WORD, "fd", links[1]), Word(start + 2 * WORD, "bk", links[0])]
        if size >= 4 * WORD:
            words.append(Word(start + size - WORD, "prev_size", size))
    return words


def list_neighbours(cells: Cells, heap: Cells, chunk: int) -> tuple[int, int]:
    """Return the chunks before and after a free one in the list that is searched, 0 for none."""
    if heap[PLACEMENT] >= SEGREGATED:
        return cells[chunk + RIGHT], cells[chunk + LEFT]
    return _before(cells, chunk), next_to(cells, chunk)


def _before(cells: Cells, node: int) -> int:
    """Return the chunk that comes before another in the tree, 0 for the first."""
    if cells[node + LEFT]:
        node = cells[node + LEFT]
        while cells[node + RIGHT]:
            node = cells[node + RIGHT]
        return node
    parent = cells[node + UP]
    while parent and cells[parent + LEFT] == node:
        node = parent
        parent = cells[node + UP]
    return parent
