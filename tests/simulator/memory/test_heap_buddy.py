"""The buddy system against an independent model, and the numbers of OSTEP's figure 17.8."""

from __future__ import annotations

from heaps import Region
from hypothesis import given
from hypothesis import strategies as st

from simulator.memory.allocator import layout
from simulator.memory.heap import Heap
from simulator.memory.heap_config import HeapConfig

KIB = 1024


def arena_of(exponent: int, min_block: int = 16) -> Heap:
    """A heap without headers over 2**exponent bytes from 4096 on."""
    size = 1 << exponent
    config = HeapConfig(
        placement="buddy",
        header_bytes=0,
        alignment_bytes=16,
        min_block_bytes=min_block,
        initial_bytes=size,
        growth_bytes=min_block,
    )
    return Heap(Region(4096, size), config)


def free_offsets(heap: Heap) -> list[tuple[int, int]]:
    """(offset, size) of the free chunks."""
    chunks = heap._state.chunks(layout.FREE)
    return sorted(zip((chunks.start - 4096).tolist(), chunks.size.tolist(), strict=True))


class Model:
    """Free lists of offsets by size; the last put in is the first taken."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.lists: dict[int, list[int]] = {size: [0]}
        self.taken: dict[int, int] = {}

    def malloc(self, wanted: int) -> int | None:
        """Halve the smallest chunk that is large enough, keep the lower half."""
        size = 16
        while size < wanted:
            size *= 2
        larger = [there for there in sorted(self.lists) if there >= size and self.lists[there]]
        if not larger:
            return None
        there = larger[0]
        offset = self.lists[there].pop()
        while there > size:
            there //= 2
            self.lists.setdefault(there, []).append(offset + there)
        self.taken[offset] = size
        return offset

    def free(self, offset: int) -> None:
        """Join with the buddy as long as that is free."""
        size = self.taken.pop(offset)
        while size < self.size and (offset ^ size) in self.lists.get(size, []):
            self.lists[size].remove(offset ^ size)
            offset &= ~size
            size *= 2
        self.lists.setdefault(size, []).append(offset)

    def free_offsets(self) -> list[tuple[int, int]]:
        """(offset, size) of the free chunks."""
        return sorted((offset, size) for size, offsets in self.lists.items() for offset in offsets)


def test_seven_kib_of_sixty_four_are_halved_down_to_eight() -> None:
    """OSTEP 17.4: 64 is halved to 32, 16 and 8; the leftmost 8 serves it; freed, all is one again."""
    heap = arena_of(16)
    assert heap.malloc(7 * KIB) == 4096
    assert free_offsets(heap) == [(8 * KIB, 8 * KIB), (16 * KIB, 16 * KIB), (32 * KIB, 32 * KIB)]
    assert heap.figures.held_bytes - heap.figures.free_bytes - 7 * KIB == KIB
    heap.free(4096)
    assert free_offsets(heap) == [(0, 64 * KIB)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 3000)), max_size=60))
def test_every_block_is_where_the_model_says(steps) -> None:
    """Addresses and free chunks after each malloc and free."""
    heap, model = arena_of(13), Model(1 << 13)
    alive: list[int] = []
    for allocates, number in steps:
        if allocates:
            offset = model.malloc(number)
            if offset is None:
                continue
            assert heap.malloc(number) == 4096 + offset
            alive.append(offset)
        elif alive:
            offset = alive.pop(number % len(alive))
            heap.free(4096 + offset)
            model.free(offset)
        assert free_offsets(heap) == model.free_offsets()
        heap.check()


def test_a_buddy_heap_grows_to_where_a_chunk_of_the_size_can_lie() -> None:
    """A chunk of 2**k bytes lies at a multiple of 2**k from the heap's beginning."""
    config = HeapConfig(placement="buddy", header_bytes=0, min_block_bytes=16, growth_bytes=16)
    heap = Heap(Region(4096, 1 << 20), config)
    assert heap.malloc(16) == 4096
    assert heap.malloc(64) == 4096 + 64
    assert heap.malloc(100) == 4096 + 128
    assert heap.held_bytes == 256
    heap.check()
