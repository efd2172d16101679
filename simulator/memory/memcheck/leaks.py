"""Which blocks a program has lost, told from the pointers that are left in its memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.memcheck.diagnosis import LEAKS, Diagnosis, ErrorKind, of_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from simulator.memory.memcheck.blocks import Block

WORD = 8
_SENTENCES = {
    ErrorKind.DEFINITELY_LOST: "definitely lost",
    ErrorKind.INDIRECTLY_LOST: "indirectly lost",
    ErrorKind.POSSIBLY_LOST: "possibly lost",
    ErrorKind.STILL_REACHABLE: "still reachable",
}

Read = Callable[[int, int], bytes]
"""Returns the bytes at an address."""


def find_leaks(blocks: list[Block], roots: Iterable[int], read: Read) -> dict[ErrorKind, list[Block]]:
    """Sort blocks that were never freed into the four categories of valgrind's leak report.

    As memcheck does (its manual, section 4.2.8, and memcheck/mc_leakcheck.c): words that are aligned and
    fully written are taken for pointers if they point into a block. From the roots the blocks are marked
    that can be reached by pointers to beginnings alone, and then those for which an inner pointer is needed.
    What is left is lost: definitely, unless a lost block leads to it; of a circle, one block is definitely
    lost. (valgrind looks at blocks in the order of their addresses, and may call more of them so.)

    Args:
        blocks: in order of address.
        roots: the words in the stack and in the global variables.
        read: returns bytes of the memory that has just been looked at.

    Returns:
        The blocks of each category, in order of address.
    """
    starts = [block.address for block in blocks]

    def pointed_at(word: int) -> tuple[int, bool] | None:
        """Return the block that a word points into, and whether at its beginning."""
        at = bisect_right(starts, word) - 1
        if at < 0 or word >= max(blocks[at].end, blocks[at].address + 1):
            return None
        return at, word == starts[at]

    pointers = [[hit for word in words_in(block, read) if (hit := pointed_at(word))] for block in blocks]
    first = [hit for word in roots if (hit := pointed_at(word))]
    kinds: list[ErrorKind | None] = [None] * len(blocks)
    _spread(
        kinds, ErrorKind.STILL_REACHABLE, [at for at, is_start in first if is_start], pointers, inner=False
    )
    by_inner = [at for at, _ in first]
    by_inner += [at for block, kind in enumerate(kinds) if kind for at, _ in pointers[block]]
    _spread(kinds, ErrorKind.POSSIBLY_LOST, by_inner, pointers, inner=True)
    for first_of_clique in _from_sources(kinds, pointers):
        if kinds[first_of_clique] is None:
            led_to = [at for at, _ in pointers[first_of_clique]]
            kinds[first_of_clique] = ErrorKind.DEFINITELY_LOST
            _spread(kinds, ErrorKind.INDIRECTLY_LOST, led_to, pointers, inner=True)
    return {kind: [block for block, own in zip(blocks, kinds, strict=True) if own is kind] for kind in LEAKS}


def _spread(
    kinds: list[ErrorKind | None],
    kind: ErrorKind,
    found: list[int],
    pointers: list[list[tuple[int, bool]]],
    *,
    inner: bool,
) -> None:
    """Mark what can be reached from some blocks on and has no mark yet."""
    found = list(found)
    while found:
        block = found.pop()
        if kinds[block] is None:
            kinds[block] = kind
            found += [at for at, is_start in pointers[block] if is_start or inner]


def _from_sources(kinds: list[ErrorKind | None], pointers: list[list[tuple[int, bool]]]) -> list[int]:
    """Return the blocks without a mark so that each comes before all that only it leads to.

    That is the order in which a search in depth leaves them, the other way round (Kosaraju): what comes first
    of those that are left is led to by none of the others, unless by way of a circle.
    """
    left: list[int] = []
    seen = [kind is not None for kind in kinds]
    for root in reversed(range(len(kinds))):
        path = [] if seen[root] else [(root, iter(pointers[root]))]
        seen[root] = True
        while path:
            block, further = path[-1]
            for at, _ in further:
                if not seen[at]:
                    seen[at] = True
                    path.append((at, iter(pointers[at])))
                    break
            else:
                left.append(block)
                path.pop()
    return left[::-1]


def words_in(block: Block, read: Read) -> list[int]:
    """Return the words in a block that may be pointers."""
    return written_words(block.defined, block.address, read)


def written_words(defined: NDArray[np.bool_], address: int, read: Read) -> list[int]:
    """Return the values of the aligned words of which every byte has been written.

    Args:
        defined: bool[size], whether each byte has been written.
        address: of the first of them.
        read: returns bytes.
    """
    skip = -address % WORD
    count = max(len(defined) - skip, 0) // WORD
    whole = np.flatnonzero(defined[skip : skip + count * WORD].reshape(count, WORD).all(axis=1))
    if not len(whole):
        return []
    # Read in one go what lies side by side.
    breaks = np.flatnonzero(np.diff(whole) != 1) + 1
    words: list[int] = []
    for run in np.split(whole, breaks):
        start = address + skip + int(run[0]) * WORD
        words += np.frombuffer(read(start, len(run) * WORD), "<u8").tolist()
    return words


def loss_records(found: dict[ErrorKind, list[Block]]) -> list[Diagnosis]:
    """Return a diagnosis for each category and place of allocation, as valgrind's loss records."""
    records = []
    for kind, lost in found.items():
        by_trace: dict[object, list[Block]] = {}
        for block in lost:
            by_trace.setdefault(block.allocated, []).append(block)
        for alike in by_trace.values():
            size, count = sum(block.size for block in alike), len(alike)
            detail = f"{_SENTENCES[kind]}: {of_bytes(size)} in {count:,} block{'' if count == 1 else 's'}"
            block = alike[0]
            records.append(Diagnosis(kind, detail, block.allocated, block.address, size, block.record, count))
    return records
