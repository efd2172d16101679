"""Recorded bursts cut into pieces, and which pages each of them uses.

The recording says when a block is allocated and freed, and we take it that it is written then and read then:
frameworks free a tensor when its last reader is done. Which operation reads which weights it does not say.
That is *modelled*: a burst reads its files from the first byte to the last, in proportion to its CPU time. A
program's code is used whenever a burst begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.address_space import Access
from simulator.memory.paging.foresight import Cycle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.paging.regions import PageRegion
    from simulator.memory.paging.used import UsedPages
    from simulator.memory.trajectory import Trajectory

PIECE_NS = 1_000_000
"""Operations that begin within the same millisecond of a burst make a piece."""


@dataclass(frozen=True, eq=False)
class Piece:
    """Operations one after another that are executed as one demand.

    Attributes:
        from_ns, until_ns: CPU time into the burst.
        reads, writes: int64[pages], ascending, none in both.
        held: the most frames that blocks without a region need meanwhile: those that have a mapping of their
            own, or lie above the break, and are gone when the burst ends.
    """

    from_ns: int
    until_ns: int
    reads: NDArray[np.int64]
    writes: NDArray[np.int64]
    held: int


class BurstPlan:
    """A burst's pieces in one address space.

    Args:
        space: the address space, with the burst's heap events carried out.
        burst: the burst.
        trajectory: what the events did.

    Attributes:
        count: how many pieces there are.
        pages: int64[pages], all pages that it uses, ascending.
        written: int64[pages], those of them that it writes.
        in_order: int64[uses], the pages of all pieces one after another.
        where: int64[uses], their places in `pages`.
        held: the most frames for blocks without a region.
        future: when its pages are used, over and over.
    """

    def __init__(self, space: UsedPages, burst: Burst, trajectory: Trajectory) -> None:
        self._space = space
        self._pieces = _cut(space, burst, trajectory)
        self.count = len(self._pieces)
        none = [np.zeros(0, np.int64)]
        parts = [np.concatenate([piece.reads, piece.writes]) for piece in self._pieces] or none
        self.in_order = np.concatenate(parts)
        self.pages, self.where = np.unique(self.in_order, return_inverse=True)
        self.written = np.unique(np.concatenate([piece.writes for piece in self._pieces] or none))
        self.held = max((piece.held for piece in self._pieces), default=0)
        begins = np.array([piece.from_ns for piece in self._pieces], np.int64)
        places = np.repeat(begins, [len(part) for part in parts[: self.count]])
        self.future = Cycle(self.in_order, places, burst.cpu_ns + 1)

    def touch(self, piece: int) -> tuple[int, int]:
        """Use the pages of a piece; return where in the burst it begins and ends.

        Raises:
            OutOfMemory: there are no frames for it.
        """
        own = self._pieces[piece]
        self.future.at = own.from_ns
        self._space.hold(own.held)
        self._space.touch_pages(own.reads, Access.READ)
        self._space.touch_pages(own.writes, Access.WRITE)
        return own.from_ns, own.until_ns


def _cut(space: UsedPages, burst: Burst, trajectory: Trajectory) -> list[Piece]:
    """Return a burst's pieces, up to where it fails if it does."""
    events = len(burst.event_op) if trajectory.failure is None else trajectory.failure.event
    until = burst.cpu_ns if trajectory.failure is None else int(burst.event_offset_ns[events])
    starts = burst.op_end_ns - burst.op_cpu_ns
    first_ops = np.flatnonzero(np.diff(starts // PIECE_NS, prepend=-1))
    first_ops = first_ops[starts[first_ops] <= until]
    begins = starts[first_ops]
    ends = np.append(begins[1:], until)
    piece_of = np.maximum(np.searchsorted(first_ops, burst.event_op[:events], side="right") - 1, 0)
    reads: list[list[tuple[int, int]]] = [[] for _ in first_ops]
    writes: list[list[tuple[int, int]]] = [[] for _ in first_ops]
    held = _follow(space, burst, trajectory, piece_of, (reads, writes))
    for region in space.regions_by_page:
        if region.file is not None and region.name in burst.files:
            for piece, part in enumerate(_parts(region, begins, ends, max(burst.cpu_ns, 1))):
                reads[piece].append(part)
    if reads:
        code = [region for region in space.regions_by_page if region.name == "code"]
        reads[0] += [(region.first, region.last) for region in code]
    pieces = []
    for number, (begin, end) in enumerate(zip(begins.tolist(), ends.tolist(), strict=True)):
        written = _pages(writes[number])
        read = np.setdiff1d(_pages(reads[number]), written, assume_unique=True)
        pieces.append(Piece(begin, end, read, written, held[number]))
    return pieces


def _follow(
    space: UsedPages,
    burst: Burst,
    trajectory: Trajectory,
    piece_of: NDArray[np.int64],
    uses: tuple[list[list[tuple[int, int]]], list[list[tuple[int, int]]]],
) -> list[int]:
    """Note which pages the blocks are in when they are allocated and freed; return what each piece holds."""
    reads, writes = uses
    size = space.shape.page_size
    held, level = [0] * len(reads), 0
    loose: dict[int, int] = {}
    rows = zip(
        piece_of.tolist(),
        trajectory.outcome.place.tolist(),
        burst.event_bytes.tolist(),
        burst.event_block.tolist(),
        strict=False,
    )
    at = 0
    for piece, place, change, block in rows:
        while at < piece:
            at += 1
            held[at] = level
        first, last = place // size, -(-(place + abs(change)) // size)
        lies_in = space.regions_by_page.at(first)
        if change > 0 and (lies_in is None or last > lies_in.last):
            loose[block] = last - first
            level += last - first
            held[piece] = max(held[piece], level)
        elif change > 0:
            writes[piece].append((first, last))
        elif block in loose:
            level -= loose.pop(block)
        elif lies_in is not None and last <= lies_in.last:
            reads[piece].append((first, last))
    for piece in range(at + 1, len(held)):
        held[piece] = level
    return held


def _parts(
    region: PageRegion, begins: NDArray[np.int64], ends: NDArray[np.int64], cpu_ns: int
) -> list[tuple[int, int]]:
    """Return the pages of a file that each piece reads, in proportion to its time."""
    pages = region.last - region.first
    firsts = region.first + begins * pages // cpu_ns
    lasts = region.first - (-ends * pages // cpu_ns)
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _pages(ranges: list[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the pages in ranges, ascending, each once."""
    if not ranges:
        return np.zeros(0, np.int64)
    return np.unique(np.concatenate([np.arange(first, last) for first, last in ranges]))
