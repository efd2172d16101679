"""The answers of OSTEP's malloc.py (chapter 17's homework), from our allocator, on generated problems."""

from __future__ import annotations

import random

import pytest
from heaps import Region
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.memory.allocator import layout
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import HeapConfig

BASE = 1000
PLACEMENTS = {"FIRST": "first", "BEST": "best", "WORST": "worst"}
ORDERS = {
    "ADDRSORT": "address",
    "SIZESORT+": "size",
    "SIZESORT-": "size-descending",
    "INSERT-FRONT": "lifo",
    "INSERT-BACK": "fifo",
}


class Reference:
    """A list of (address, size), written from the observed behaviour alone."""

    def __init__(self, size, header, alignment, placement, order, coalesce) -> None:
        self.free_list = [(BASE, size)]
        self.header, self.alignment = header, alignment
        self.placement, self.order, self.coalesce = placement, order, coalesce
        self.taken = {}

    def malloc(self, size):
        """Return the block's address, None if it fails, and how many chunks were looked at."""
        if self.alignment > 0:
            size = -(-size // self.alignment) * self.alignment
        size += self.header
        fits = [at for at, (_, there) in enumerate(self.free_list) if there >= size]
        if not fits:
            return None, len(self.free_list)
        sizes = [self.free_list[at][1] for at in fits]
        wanted = {"FIRST": sizes[0], "BEST": min(sizes), "WORST": max(sizes)}[self.placement]
        at = fits[sizes.index(wanted)]
        looked = at + 1 if self.placement == "FIRST" else len(self.free_list)
        address, there = self.free_list[at]
        self.free_list[at : at + 1] = [(address + size, there - size)] if there > size else []
        self.taken[address] = size
        return address, looked

    def free(self, address):
        """Return whether there was such a block."""
        if address not in self.taken:
            return False
        piece = (address, self.taken.pop(address))
        self.free_list.insert(0 if self.order == "INSERT-FRONT" else len(self.free_list), piece)
        keys = {"ADDRSORT": lambda p: p[0], "SIZESORT+": lambda p: p[1], "SIZESORT-": lambda p: -p[1]}
        if self.order in keys:
            self.free_list.sort(key=keys[self.order])
        if self.coalesce:
            merged = []
            for start, size in self.free_list:
                if merged and sum(merged[-1]) == start:
                    merged[-1] = (merged[-1][0], merged[-1][1] + size)
                else:
                    merged.append((start, size))
            self.free_list = merged
        return True


class Ours:
    """The same answers from the allocator."""

    def __init__(self, size, header, alignment, placement, order, coalesce) -> None:
        config = HeapConfig(
            placement=PLACEMENTS[placement],
            order=ORDERS[order],
            coalescing="list-neighbours" if coalesce else "never",
            header_bytes=header,
            alignment_bytes=max(alignment, 1),
            aligned=False,
            min_block_bytes=header + 1,
            min_remainder_bytes=1,
            initial_bytes=size,
        )
        self.header = header
        self.heap = Heap(Region(BASE, size), config)

    @property
    def free_list(self):
        """(address, size) in the order of the list."""
        chunks = self.heap._state.chunks(layout.FREE)
        rows = zip(
            *(column.tolist() for column in (chunks.place, chunks.tie, chunks.start, chunks.size)),
            strict=True,
        )
        return [(start, size) for _, _, start, size in sorted(rows)]

    def malloc(self, size):
        """The address of the header, and the chunks looked at."""
        try:
            return self.heap.malloc(size) - self.header, self.heap.last_searched
        except OutOfMemory:
            return None, self.heap.last_searched

    def free(self, address):
        """Whether there was such a block."""
        try:
            self.heap.free(address + self.header)
        except InvalidFree:
            return False
        return True


def generated(seed, operations, largest, percent):
    """The operations that malloc.py makes up from a seed: sizes, and positions in the list of live blocks."""
    rnd = random.Random(seed)  # noqa: S311 - the homework's own generator
    live = 0
    while operations:
        if rnd.random() < percent / 100:
            yield "malloc", int(rnd.random() * largest) + 1
            live += 1
        else:
            position = rnd.random()
            if not live:
                continue
            yield "free", int(position * live)
            live -= 1
        operations -= 1


def both(*problem):
    """Our heap and the reference, each with one free chunk of the whole region."""
    return Ours(*problem), Reference(*problem)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from(list(PLACEMENTS)),
    st.sampled_from(list(ORDERS)),
    st.booleans(),
    st.sampled_from([0, 0, 4, 8]),
    st.sampled_from([-1, -1, 4, 16]),
    st.integers(20, 300),
)
def test_generated_problems_have_the_same_answers(seed, placement, order, coalesce, header, alignment, size):
    """Address, chunks searched, and the whole free list after every operation."""
    ours, reference = both(size, header, alignment, placement, order, coalesce)
    live = []
    for what, number in generated(seed, 40, 12, 50):
        if what == "malloc":
            answer = reference.malloc(number)
            assert ours.malloc(number) == answer
            live.append(answer[0])
        else:
            address = live.pop(number)
            if address is None:
                continue
            assert ours.free(address)
            assert reference.free(address)
            assert not ours.free(address)
        assert ours.free_list == reference.free_list
        ours.heap.check()


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("order", ORDERS)
def test_long_lists_keep_their_order(placement, order):
    """Hundreds of free chunks, split, freed and sorted again."""
    ours, reference = both(20_000, 8, 8, placement, order, False)
    live = []
    for what, number in generated(11, 1500, 60, 55):
        if what == "malloc":
            answer = reference.malloc(number)
            assert ours.malloc(number) == answer
            live.append(answer[0])
        elif (address := live.pop(number)) is not None:
            assert ours.free(address)
            assert reference.free(address)
    assert ours.free_list == reference.free_list
    assert len(ours.free_list) > 20


def test_best_fit_by_address_on_paper() -> None:
    """Three blocks freed without coalescing: 2 goes into the hole of 3; all 4 are looked at."""
    ours, _ = both(100, 0, -1, "BEST", "ADDRSORT", False)
    pointers = [ours.malloc(size) for size in (3, 5, 8)]
    assert pointers == [(1000, 1), (1003, 1), (1008, 1)]
    for address, _ in pointers:
        assert ours.free(address)
    assert ours.malloc(2) == (1000, 4)
    assert ours.free_list == [(1002, 1), (1003, 5), (1008, 8), (1016, 84)]
    assert ours.malloc(200) == (None, 4)
