"""The allocator's words in memory: always what they should be, and damage is found where it is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from heaps import CONFIGS, described
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import MemoryFault, OutOfMemory, ProcessAbort
from simulator.memory.heap_config import FIRST_FIT, GLIBC, PRESETS, HeapConfig, HeapConfigError
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.memory.tagged_heap import TaggedHeap
from simulator.memory.tags.words import MAGIC

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace

LAYOUT = Layout(4096, 1 << 20, 4096)
TAGGED = [
    config
    for config in [*PRESETS.values(), *CONFIGS]
    if config.header_bytes >= 8 and (config.header_bytes >= 16 or config.alignment_bytes >= 8)
]


def heap_of(config: HeapConfig = GLIBC, *, paged: bool = False) -> tuple[TaggedHeap, AddressSpace]:
    """A heap of a megabyte at most, with its headers in memory."""
    kind = PagingMechanism if paged else BaseAndBoundsMechanism
    space = kind(4 << 20, MemoryCosts()).create(LAYOUT, "process")
    return TaggedHeap(space, config, copy=space.copy), space


def word(space: AddressSpace, address: int) -> int:
    """A word of memory."""
    return int.from_bytes(space.read(address, 8), "little")


def put(space: AddressSpace, address: int, value: int) -> None:
    """Write over a word of memory."""
    space.write(address, value.to_bytes(8, "little"))


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["malloc", "malloc", "aligned", "free", "free", "realloc"]),
        st.integers(0, 2000) | st.just(150_000),
        st.integers(0, 50),
    ),
    max_size=40,
)


@pytest.mark.parametrize("config", TAGGED, ids=described)
@settings(max_examples=5, deadline=None)
@given(calls=CALLS, paged=st.booleans())
def test_whoever_writes_within_blocks_never_damages_the_heap(config, calls, paged):
    """Every byte of every block is written; the words are verified at each call, and again at the end."""
    heap, space = heap_of(config, paged=paged)
    live: list[tuple[int, int]] = []
    for call, size, which in calls:
        try:
            if call in {"malloc", "aligned"}:
                live.append((heap.malloc(size) if call == "malloc" else heap.aligned_alloc(64, size), size))
            elif live and call == "free":
                heap.free(live.pop(which % len(live))[0])
            elif live and size:
                live[which % len(live)] = (heap.realloc(live[which % len(live)][0], size), size)
        except OutOfMemory:
            continue
        for address, length in live:
            space.write(address, b"\xaa" * length)
        heap.check()
    for address, _ in live:
        heap.free(address)
    for tag in heap._tags._written.values():
        assert all(word(space, here) == value for here, _, value in tag.words)


def test_ostep_s_header_is_a_size_and_a_magic_number():
    """Chapter 17: 16 bytes before the block; a free chunk has its size and the next one's address."""
    heap, space = heap_of(FIRST_FIT)
    first, second, third = (heap.malloc(100) for _ in range(3))
    assert (word(space, first - 16), word(space, first - 8)) == (128, MAGIC)
    heap.free(first)
    heap.free(third)
    assert (word(space, first - 16), word(space, first - 8)) == (128, third - 16)
    assert word(space, third - 8) == 0
    assert word(space, second - 8) == MAGIC


def test_glibc_s_chunk_has_flags_links_and_its_size_twice():
    """malloc.c, "A free chunk": the size again in its last word, and the chunk above says that it is free."""
    heap, space = heap_of()
    first, second, third, fourth = (heap.malloc(100) for _ in range(4))
    assert word(space, first - 8) == 112 | 1
    heap.free(first)
    heap.free(third)
    assert word(space, first - 8) == 112 | 1
    assert word(space, second - 8) == 112
    assert word(space, second - 16) == 112
    assert word(space, fourth - 8) == 112
    # Of one size: the list is first in, first out.
    assert (word(space, first), word(space, first + 8)) == (third - 8, 0)
    assert (word(space, third), word(space, third + 8)) == (0, first - 8)


def test_old_bytes_stay_but_for_the_links():
    """What glibc's free list takes of a freed block, and what OSTEP's leaves."""
    for config, kept in ((FIRST_FIT, 0), (GLIBC, 16)):
        heap, space = heap_of(config)
        block, _ = heap.malloc(40), heap.malloc(40)
        space.write(block, b"s" * 40)
        heap.free(block)
        assert heap.malloc(40) == block
        assert space.read(block + kept, 32 - kept) == b"s" * (32 - kept)


def damaged_header(heap, space):
    """The size of the block that is freed."""
    first, second = heap.malloc(24), heap.malloc(24)
    space.write(first, b"A" * 40)
    heap.free(second)


def damaged_next(heap, space):
    """The size of the block above the one that is freed."""
    first, second = heap.malloc(24), heap.malloc(24)
    heap.malloc(24)
    put(space, second - 8, 0x41)
    heap.free(first)


def damaged_top(heap, space):
    """The size of the top, found by malloc."""
    put(space, heap.malloc(24) + 24, 1 << 60)
    heap.malloc(24)


def damaged_link(heap, space):
    """The link of a freed block, found when that block is handed out again."""
    first, _ = heap.malloc(24), heap.malloc(24)
    heap.free(first)
    put(space, first, 0xDEAD)
    heap.malloc(24)


def damaged_prev_size(heap, space):
    """The size at the end of a free chunk, found when the chunk above is freed and the two merge."""
    first, second = heap.malloc(40), heap.malloc(24)
    heap.malloc(24)
    heap.free(first)
    put(space, second - 16, 8)
    heap.free(second)


def damaged_free_chunk(heap, space):
    """The size of a free chunk above, found when the one below is freed."""
    first, second, _ = heap.malloc(40), heap.malloc(40), heap.malloc(24)
    heap.free(second)
    space.write(first + 40, bytes(8))
    heap.free(first)


def twice_beside_a_block(heap, _space):
    """The chunk above says that the one below is free."""
    block, _ = heap.malloc(24), heap.malloc(24)
    heap.free(block)
    heap.free(block)


def twice_at_the_top(heap, _space):
    """The block has become the top's beginning."""
    heap.malloc(24)
    block = heap.malloc(24)
    heap.free(block)
    heap.free(block)


def into_the_middle(heap, space):
    """The word before is the program's own."""
    block = heap.malloc(64)
    space.write(block, bytes(64))
    heap.free(block + 16)


def beside_the_alignment(heap, _space):
    """No block begins there."""
    heap.free(heap.malloc(64) + 4)


def of_a_mapping_twice(heap, _space):
    """Its memory is gone from the process."""
    block = heap.malloc(200_000)
    heap.free(block)
    heap.free(block)


def resized_in_the_middle(heap, space):
    """Realloc looks at the header, too."""
    block = heap.malloc(64)
    space.write(block, bytes(64))
    heap.realloc(block + 16, 100)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (damaged_header, "free(): invalid size"),
        (damaged_next, "free(): invalid next size (normal)"),
        (damaged_top, "malloc(): corrupted top size"),
        (damaged_link, "corrupted double-linked list"),
        (damaged_prev_size, "corrupted size vs. prev_size while consolidating"),
        (damaged_free_chunk, "corrupted size vs. prev_size"),
        (twice_beside_a_block, "double free or corruption (!prev)"),
        (twice_at_the_top, "double free or corruption (top)"),
        (into_the_middle, "free(): invalid size"),
        (beside_the_alignment, "free(): invalid pointer"),
        (resized_in_the_middle, "realloc(): invalid old size"),
    ],
)
def test_glibc_s_words(mistake, said):
    """Each check of malloc.c has its message."""
    with pytest.raises(ProcessAbort) as caught:
        mistake(*heap_of())
    assert str(caught.value).startswith(said)


def test_freeing_a_mapping_twice_is_a_fault():
    """There is no memory any more where the header would be."""
    with pytest.raises(MemoryFault, match="which is not mapped"):
        of_a_mapping_twice(*heap_of(paged=True))


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (damaged_header, "free(): invalid size (the size at"),
        (twice_beside_a_block, "free(): invalid pointer (the magic number at"),
        (twice_at_the_top, "free(): invalid pointer (the magic number at"),
        (into_the_middle, "free(): invalid pointer (the magic number at"),
    ],
)
def test_ostep_s_allocator_misses_its_magic_number_or_its_size(mistake, said):
    """Chapter 17's assert(hptr->magic == 1234567)."""
    with pytest.raises(ProcessAbort) as caught:
        mistake(*heap_of(FIRST_FIT))
    assert str(caught.value).startswith(said)


def test_a_damaged_free_list_is_found_by_malloc_and_by_free():
    """A negative index from the block above hits a free chunk's size."""
    for call in ("malloc", "free"):
        heap, space = heap_of(FIRST_FIT)
        first, second, _ = heap.malloc(24), heap.malloc(24), heap.malloc(24)
        heap.free(second)
        put(space, second - 16, 7)
        with pytest.raises(ProcessAbort, match=rf"{call}\(\): corrupted free list"):
            heap.malloc(24) if call == "malloc" else heap.free(first)


def test_damage_to_what_no_call_reads_is_never_found():
    """As in a real program: the process exits before anybody looks."""
    heap, space = heap_of()
    first, _ = heap.malloc(24), heap.malloc(24)
    space.write(first, b"A" * 32)
    heap.malloc(2000)
    heap.free(heap.malloc(24))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header_bytes": 4}, "4 bytes have no room"),
        ({"header_bytes": 8, "alignment_bytes": 4}, "no bits for"),
    ],
)
def test_a_header_has_room_for_its_words(options, message):
    """A size takes a word, and flags its lowest bits."""
    with pytest.raises(HeapConfigError, match=message):
        heap_of(replace(FIRST_FIT, **options))
