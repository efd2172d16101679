"""The free list splits, coalesces and loses nothing (OSTEP ch. 17)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from simulator.errors import InvariantError
from simulator.memory.free_list import FreeList


def scattered(*extents: tuple[int, int], end: int) -> FreeList:
    """A free list of exactly these (address, size)."""
    free = FreeList(0, end)
    assert free.allocate(end) == 0
    for address, size in extents:
        free.release(address, size)
    return free


def test_a_request_larger_than_every_extent_fails_however_much_is_free() -> None:
    """OSTEP 17.2: 30 bytes, the middle 10 in use; 20 are free, but 15 in one piece are not to be had."""
    free = scattered((0, 10), (20, 10), end=30)
    assert free.total_free == 20
    assert free.largest == 10
    assert free.allocate(15) is None
    assert list(free) == [(0, 10), (20, 10)]


def test_a_small_request_splits_an_extent() -> None:
    """OSTEP 17.2: one byte is taken from the front of an extent, the rest stays free."""
    free = scattered((20, 10), end=30)
    assert free.allocate(1) == 20
    assert list(free) == [(21, 9)]


def test_freeing_the_middle_makes_the_heap_whole() -> None:
    """OSTEP 17.2: without coalescing there would be three extents of 10 bytes; with it, one of 30."""
    free = scattered((0, 10), (20, 10), end=30)
    free.release(10, 10)
    assert list(free) == [(0, 30)]


def test_first_fit_takes_the_first_extent_that_is_large_enough() -> None:
    """OSTEP 17.3: of 10, 30 and 20 bytes, a request for 15 takes from the 30, which best fit would not."""
    free = scattered((0, 10), (20, 30), (60, 20), end=100)
    assert free.allocate(15) == 20
    assert list(free) == [(0, 10), (35, 15), (60, 20)]


def test_three_blocks_of_a_heap_freed_in_any_order_leave_one_extent() -> None:
    """OSTEP fig. 17.5 to 17.7: a 4 KiB heap, three chunks of 108, the middle freed first."""
    free = FreeList(0, 4096 - 8)
    blocks = [free.allocate(108) for _ in range(3)]
    assert blocks == [0, 108, 216]
    assert list(free) == [(324, 3764)]
    free.release(108, 108)
    assert list(free) == [(108, 108), (324, 3764)]
    free.release(0, 108)
    assert list(free) == [(0, 216), (324, 3764)]
    free.release(216, 108)
    assert list(free) == [(0, 4088)]


def test_growing_adds_to_a_free_end_or_behind_a_used_one() -> None:
    """As sbrk does: the new bytes merge with the last extent if that reaches the end."""
    free = FreeList(0, 32)
    free.extend(32)
    assert list(free) == [(0, 64)]
    assert free.tail == 64
    assert free.allocate(64) == 0
    assert free.tail == 0
    free.extend(16)
    assert list(free) == [(64, 16)]
    assert free.tail == 16
    assert free.end == 80


@pytest.mark.parametrize(
    ("address", "size"),
    [(0, 10), (5, 10), (18, 4), (15, 20), (9, 2), (19, 2), (10, 0), (-4, 4), (38, 4), (12, -2)],
)
def test_releasing_what_is_free_or_foreign_is_refused(address: int, size: int) -> None:
    """Only 10 to 20 and 30 to 40 are in use; a release has to lie within, and nothing changes otherwise."""
    free = scattered((0, 10), (20, 10), end=40)
    before = free.signature()
    with pytest.raises(InvariantError, match="release of"):
        free.release(address, size)
    assert free.signature() == before


@pytest.mark.parametrize("size", [0, -1])
def test_an_allocation_has_a_size(size: int) -> None:
    """An empty piece would have the address of its neighbour."""
    with pytest.raises(InvariantError, match="allocation of"):
        FreeList(0, 10).allocate(size)


def test_a_range_has_no_negative_size() -> None:
    """An empty one is fine: a heap starts as such."""
    assert len(FreeList(16, 0)) == 0
    with pytest.raises(InvariantError, match="-1 bytes"):
        FreeList(0, -1)


@pytest.mark.parametrize(
    ("used", "complaint"),
    [
        ([(0, 10)], "end at 0xa"),
        ([(0, 10), (10, 8)], "end at 0x12"),
        ([(0, 12), (12, 8)], None),
        ([(0, 12), (10, 10)], "used piece of 10 bytes at 0xa"),
        ([(0, 10), (10, 12)], "free piece of 10 bytes at 0x14"),
    ],
)
def test_gaps_and_overlaps_are_found(used: list[tuple[int, int]], complaint: str | None) -> None:
    """20 to 30 is free; what is used has to fill 0 to 20 exactly."""
    free = scattered((20, 10), end=30)
    if complaint is None:
        free.check(used)
    else:
        with pytest.raises(InvariantError, match=complaint):
            free.check(used)


def test_a_missing_end_and_touching_extents_are_found() -> None:
    """Both can only come of a defect in the list itself, so they are made by hand here."""
    free = FreeList(0, 10)
    free.end = 12
    with pytest.raises(InvariantError, match="the pieces end at 0xa"):
        free.check([])
    free._starts, free._sizes = [0, 6], [6, 6]
    with pytest.raises(InvariantError, match="touch at 0x6"):
        free.check([])


class FreeListMachine(RuleBasedStateMachine):
    """Any sequence of calls, against a map of every byte."""

    pieces: Bundle[tuple[int, int]] = Bundle("pieces")

    def __init__(self) -> None:
        super().__init__()
        self.start = 48
        self.free = FreeList(self.start, 64)
        self.byte_used = [False] * 64

    def first_fit(self, size: int) -> int | None:
        """The lowest address of `size` free bytes, found by looking at each."""
        for at in range(len(self.byte_used) - size + 1):
            if not any(self.byte_used[at : at + size]):
                return self.start + at
        return None

    @rule(target=pieces, size=st.integers(1, 40))
    def allocate(self, size: int) -> tuple[int, int] | MultipleResults[tuple[int, int]]:
        """The lowest address that fits; since extents are whole, that is the first extent that fits."""
        expected = self.first_fit(size)
        assert self.free.allocate(size) == expected
        if expected is None:
            return multiple()
        at = expected - self.start
        self.byte_used[at : at + size] = [True] * size
        return expected, size

    @rule(piece=consumes(pieces))
    def release(self, piece: tuple[int, int]) -> None:
        """Every byte of the piece is free again."""
        address, size = piece
        self.free.release(address, size)
        at = address - self.start
        self.byte_used[at : at + size] = [False] * size

    @rule(size=st.integers(1, 40))
    def extend(self, size: int) -> None:
        """The range is longer and the new bytes are free."""
        self.free.extend(size)
        self.byte_used += [False] * size

    @invariant()
    def every_byte_is_accounted_for(self) -> None:
        """Extents are the maximal runs of free bytes: nothing lost, coalescing complete."""
        from_list = [True] * len(self.byte_used)
        for address, size in self.free:
            from_list[address - self.start : address - self.start + size] = [False] * size
        assert from_list == self.byte_used
        extents = list(self.free)
        assert all(a + size < b for (a, size), (b, _) in pairwise(extents))
        assert self.free.total_free == self.byte_used.count(False)
        assert self.free.largest == max((size for _, size in extents), default=0)
        assert len(self.free) == len(extents)


TestAnySequenceOfCalls = FreeListMachine.TestCase
