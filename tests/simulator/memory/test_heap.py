"""malloc and its relatives: what each gives, and errors that say what a program did wrong."""

from __future__ import annotations

import pytest

from simulator.errors import InvariantError
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT, GLIBC, PRESETS, HeapConfig
from simulator.memory.heap_outcome import MAX_SIZE
from simulator.memory.physical import PhysicalMemory

HEADER_BYTES, MIN_BLOCK_BYTES = FIRST_FIT.header_bytes, FIRST_FIT.min_block_bytes
GROWTH_BYTES = FIRST_FIT.growth_bytes
KIB = 1024


def heap_of(room: int, config: HeapConfig = FIRST_FIT) -> Heap:
    """A heap that may grow to `room` bytes, a multiple of 4 KiB."""
    memory = PhysicalMemory(room)
    return Heap(BaseAndBounds(memory, Layout(0, room, 0), "process"), config)


def test_a_block_follows_its_header() -> None:
    """Header and payload in multiples of 16; the first block's header starts the heap."""
    heap = heap_of(1024 * KIB)
    assert heap.malloc(1) == 16
    assert heap.malloc(16) == 48
    assert heap.malloc(17) == 80
    assert heap.malloc(1) == 128
    assert (heap.blocks, heap.mallocs, heap.live_bytes) == (4, 4, 35)


def test_malloc_of_nothing_is_an_address_of_its_own() -> None:
    """C allows it; each costs the smallest block and can be freed once."""
    heap = heap_of(1024 * KIB)
    first, second = heap.malloc(0), heap.malloc(0)
    assert second - first == MIN_BLOCK_BYTES
    heap.check()
    heap.free(first)
    heap.free(second)
    assert (heap.blocks, heap.frees, heap.live_bytes) == (0, 2, 0)
    heap.check()


def test_a_freed_block_is_reused_and_split() -> None:
    """First fit puts the next small block where the large one was, and one more behind it."""
    heap = heap_of(1024 * KIB)
    large = heap.malloc(1000)
    heap.malloc(10)
    heap.free(large)
    assert heap.malloc(100) == large
    assert heap.malloc(100) == large + 128
    heap.check()


def test_the_heap_grows_in_large_steps() -> None:
    """Many mallocs need few system calls; a large block grows the heap by a multiple of the step."""
    heap = heap_of(1024 * KIB)
    assert heap.held_bytes == 0
    heap.malloc(10)
    assert heap.held_bytes == GROWTH_BYTES
    heap.malloc(GROWTH_BYTES)
    assert heap.held_bytes == 2 * GROWTH_BYTES
    heap.check()


def test_growth_uses_the_free_block_at_the_top() -> None:
    """The large block starts where the small one ends, so that nothing is left unused below it."""
    heap = heap_of(1024 * KIB)
    heap.malloc(16)
    assert heap.malloc(GROWTH_BYTES) == 32 + HEADER_BYTES


def test_near_the_stack_the_heap_grows_by_exactly_what_it_lacks() -> None:
    """A full step has no room any more, but the block has."""
    heap = heap_of(GROWTH_BYTES + 4 * KIB)
    heap.malloc(GROWTH_BYTES - HEADER_BYTES)
    heap.malloc(1000)
    assert heap.held_bytes == GROWTH_BYTES + 1024
    heap.check()


def test_a_full_heap_says_what_is_missing_and_stays_as_it_was() -> None:
    """The free block at the top counts: only what it lacks has to come from the system."""
    heap = heap_of(256 * KIB)
    heap.malloc(100 * KIB - HEADER_BYTES)
    before = heap.signature()
    with pytest.raises(OutOfMemory) as caught:
        heap.malloc(200 * KIB)
    assert str(caught.value) == (
        "heap is full: its largest free block has 28.0 KiB, and growing the heap by 172.0 KiB would run into "
        "the stack: 128.0 KiB are left between them"
    )
    assert caught.value.needed == 200 * KIB + HEADER_BYTES
    assert caught.value.free == caught.value.largest == 156 * KIB
    assert heap.signature() == before
    assert (heap.mallocs, heap.held_bytes) == (1, GROWTH_BYTES)
    heap.malloc(156 * KIB - HEADER_BYTES)
    assert heap.held_bytes == 256 * KIB
    heap.check()


def test_freeing_twice_and_freeing_nothing_are_told_apart() -> None:
    """An address inside a block is one that malloc never returned."""
    heap = heap_of(256 * KIB)
    address = heap.malloc(100)
    with pytest.raises(InvalidFree, match="invalid free of address 0x20: malloc never returned it"):
        heap.free(address + 16)
    heap.free(address)
    with pytest.raises(InvalidFree, match="invalid free of address 0x10: it was freed before") as caught:
        heap.free(address)
    assert caught.value.address == address
    assert (heap.frees, heap.live_bytes) == (1, 0)
    assert heap.malloc(100) == address
    heap.free(address)
    assert heap.frees == 2


def test_the_peak_outlives_what_made_it() -> None:
    """It counts requested bytes, without headers and rounding."""
    heap = heap_of(256 * KIB)
    heap.free(heap.malloc(1001))
    heap.malloc(10)
    assert (heap.live_bytes, heap.peak_live_bytes) == (10, 1001)


def test_a_signature_tells_states_apart_and_knows_them_again() -> None:
    """Equal free lists with other blocks in between are other states."""
    one, other = heap_of(256 * KIB), heap_of(256 * KIB)
    assert one.signature() == other.signature()
    whole = one.malloc(64 - HEADER_BYTES)
    other.malloc(16)
    other.malloc(16)
    assert one.figures.free_bytes == other.figures.free_bytes
    assert one.signature() != other.signature()
    with_block = one.signature()
    one.free(whole)
    assert one.signature() != with_block
    assert one.malloc(64 - HEADER_BYTES) == whole
    assert one.signature() == with_block
    assert hash(one.signature()) == hash(with_block)


def test_a_negative_size_is_the_huge_one_that_it_is_as_size_t() -> None:
    """C converts it, and malloc fails; so do sizes that no address space has, and products that overflow."""
    heap = heap_of(4 * KIB)
    with pytest.raises(
        OutOfMemory, match=r"malloc of 18446744073709551615 bytes \(-1 as a size_t\)"
    ) as caught:
        heap.malloc(-1)
    assert caught.value.needed == 2**64 - 1
    with pytest.raises(OutOfMemory, match="no object can be that large"):
        heap.malloc(MAX_SIZE + 1)
    with pytest.raises(OutOfMemory, match="calloc of more than a size_t can say"):
        heap.calloc(2**33, 2**33)
    with pytest.raises(OutOfMemory, match="aligned_alloc of"):
        heap.aligned_alloc(1 << 62, 10)
    assert (heap.blocks, heap.held_bytes) == (0, 0)


def test_calloc_allocates_the_product() -> None:
    """Nothing times something is a block of its own, as malloc(0) is."""
    heap = heap_of(64 * KIB)
    heap.calloc(10, 30)
    assert heap.live_bytes == 300
    assert heap.calloc(0, 8) != heap.calloc(8, 0)


@pytest.mark.parametrize("name", PRESETS)
def test_an_aligned_block_lies_at_a_multiple(name: str) -> None:
    """Any power of two; another is EINVAL. What lies before and behind it is free again."""
    heap = heap_of(1024 * KIB, PRESETS[name])
    heap.malloc(1)
    for alignment in (1, 8, 64, 256, 4096, 65536):
        address = heap.aligned_alloc(alignment, 100)
        assert address % alignment == 0
        heap.check()
    with pytest.raises(ValueError, match="an alignment of 24: it has to be a power of two"):
        heap.aligned_alloc(24, 100)
    with pytest.raises(ValueError, match="power of two"):
        heap.aligned_alloc(0, 100)


def test_an_aligned_block_is_aligned_where_others_are_not() -> None:
    """A heap that rounds sizes only has its addresses anywhere."""
    config = HeapConfig(header_bytes=24, alignment_bytes=64, min_block_bytes=64, aligned=False)
    heap = heap_of(64 * KIB, config)
    assert heap.malloc(1) % 16 != 0
    assert heap.aligned_alloc(16, 0) % 16 == 0
    heap.check()


def test_realloc_of_null_is_malloc_and_to_nothing_is_free() -> None:
    """The two ends of C's definition; the second as glibc does it."""
    heap = heap_of(64 * KIB)
    address = heap.realloc(0, 100)
    assert (heap.mallocs, heap.live_bytes) == (1, 100)
    assert heap.realloc(address, 0) == 0
    assert (heap.frees, heap.live_bytes, heap.reallocs) == (1, 0, 0)


def test_realloc_grows_into_the_free_chunk_behind_and_moves_where_there_is_none() -> None:
    """In place the address stays; a block that moves is copied while it has both places."""
    copies = []
    space = BaseAndBounds(PhysicalMemory(256 * KIB), Layout(0, 256 * KIB, 0), "process")
    heap = Heap(space, copy=lambda *moved: copies.append(moved))
    first, second = heap.malloc(100), heap.malloc(100)
    third = heap.malloc(100)
    heap.free(second)
    assert heap.realloc(first, 200) == first
    assert copies == []
    moved = heap.realloc(first, 1000)
    assert moved > third
    assert copies == [(first, moved, 200)]
    assert heap.realloc(moved, 50) == moved
    assert (heap.blocks, heap.reallocs, heap.live_bytes) == (2, 3, 150)
    heap.check()


def test_a_realloc_that_fails_leaves_the_block() -> None:
    """The address is good as before."""
    heap = heap_of(8 * KIB)
    address = heap.malloc(100)
    with pytest.raises(OutOfMemory):
        heap.realloc(address, 9 * KIB)
    with pytest.raises(InvalidFree, match="invalid realloc of address 0x7: malloc never returned it"):
        heap.realloc(7, 10)
    assert (heap.live_bytes, heap.blocks) == (100, 1)
    heap.free(address)


def test_free_of_null_does_nothing() -> None:
    """So says C."""
    heap = heap_of(8 * KIB)
    heap.free(0)
    assert heap.frees == 0


def test_broken_books_raise() -> None:
    """Miscounted bytes, and a break that others moved, are found."""
    heap = heap_of(256 * KIB)
    heap.malloc(10)
    heap.count_replay(0, 0, 0)
    heap._state.heap[32] += 1
    with pytest.raises(InvariantError, match="11 live bytes"):
        heap.check()
    heap._state.heap[32] -= 1
    heap._space.grow_heap(16)
    with pytest.raises(InvariantError, match="not where the heap ends"):
        heap.check()
    with pytest.raises(InvariantError, match="other than the heap moved"):
        heap.malloc(GROWTH_BYTES)


def test_a_glibc_block_has_eight_bytes_of_header_and_takes_32_at_least() -> None:
    """24 bytes fit into the smallest block, 25 do not; addresses are multiples of 16."""
    heap = heap_of(1024 * KIB, GLIBC)
    addresses = [heap.malloc(size) for size in (24, 25, 1, 100)]
    assert addresses == [16, 48, 96, 128]
    assert [heap.block_bytes(address) for address in addresses] == [32, 48, 32, 112]


def test_the_top_of_a_glibc_heap_is_trimmed_to_the_pad() -> None:
    """Grown by what lacks and 128 KiB; given back, but for the pad, when 128 KiB and more are free on top."""
    heap = heap_of(8192 * KIB, GLIBC)
    small = heap.malloc(1000)
    assert heap.held_bytes == 132 * KIB
    large = heap.malloc(1024 * KIB)
    assert heap._space.grow_heap(0) == heap.held_bytes + 8
    heap.free(large)
    assert 128 * KIB < heap.figures.free_bytes < 133 * KIB
    assert heap._space.grow_heap(0) == heap.held_bytes + 8
    assert heap.peak_held_bytes > 1024 * KIB
    heap.free(small)
    heap.check()


class MappingSpace(BaseAndBounds):
    """A space with mappings, in a drawer of their own."""

    can_map = True

    def __init__(self, room: int, mappings: int = 1 << 62) -> None:
        super().__init__(PhysicalMemory(room), Layout(0, room, 0), "process")
        self.mapped: dict[int, int] = {}
        self.left = mappings

    def map_region(self, size: int) -> int:
        """At the next gigabyte."""
        if size > self.left:
            raise OutOfMemory("no room for a mapping", size, self.left, self.left)
        address = (1 << 40) + (len(self.mapped) << 30)
        self.mapped[address] = size
        return address

    def unmap_region(self, address: int) -> None:
        """Its size becomes 0."""
        self.mapped[address] = 0


def test_a_large_block_has_a_mapping_until_freeing_one_raises_the_threshold() -> None:
    """The second of the same size goes on the heap, as with glibc; above 32 MiB nothing is learnt."""
    space = MappingSpace(256 * 1024 * KIB)
    heap = Heap(space, GLIBC)
    first = heap.malloc(128 * KIB)
    assert space.mapped == {1 << 40: 132 * KIB}
    assert first == (1 << 40) + 16
    assert (heap.held_bytes, heap.blocks) == (132 * KIB, 1)
    heap.check()
    heap.free(first)
    assert heap.held_bytes == space.mapped[1 << 40] == 0
    assert heap.malloc(128 * KIB) < 1 << 40
    huge = heap.malloc(64 * 1024 * KIB)
    heap.free(huge)
    assert heap.malloc(33 * 1024 * KIB) > 1 << 40
    heap.check()


def test_where_no_mapping_is_to_be_had_the_heap_grows() -> None:
    """Malloc tries the one, then the other."""
    heap = Heap(MappingSpace(2048 * KIB, mappings=0), GLIBC)
    assert heap.malloc(512 * KIB) == 16
    assert heap.held_bytes > 512 * KIB


def test_a_mapping_is_resized_within_its_pages_and_moved_beyond() -> None:
    """Realloc."""
    heap = Heap(MappingSpace(2048 * KIB), GLIBC)
    address = heap.malloc(200 * KIB)
    assert heap.realloc(address, 200 * KIB + 100) == address
    moved = heap.realloc(address, 300 * KIB)
    assert moved != address
    assert heap.realloc(moved, 10) < 1 << 40
    assert heap.held_bytes < 140 * KIB
    heap.check()
