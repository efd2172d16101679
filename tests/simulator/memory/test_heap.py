"""malloc and free: aligned, apart, nothing lost, and errors that say what a program did wrong."""

from __future__ import annotations

import pytest
from hypothesis import settings
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
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap import GROWTH_BYTES, HEADER_BYTES, MIN_BLOCK_BYTES, Heap
from simulator.memory.physical import PhysicalMemory

KIB = 1024


def heap_of(room: int) -> Heap:
    """A heap that may grow to `room` bytes, a multiple of 4 KiB."""
    memory = PhysicalMemory(room)
    return Heap(BaseAndBounds(memory, Layout(0, room, 0), "process"))


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
    assert list(one._free) == list(other._free)
    assert one.signature() != other.signature()
    with_block = one.signature()
    one.free(whole)
    assert one.signature() != with_block
    assert one.malloc(64 - HEADER_BYTES) == whole
    assert one.signature() == with_block
    assert hash(one.signature()) == hash(with_block)


def test_a_negative_size_is_a_defect() -> None:
    """C's size_t has none."""
    with pytest.raises(InvariantError, match="malloc of -1 bytes"):
        heap_of(4 * KIB).malloc(-1)


def test_broken_books_raise() -> None:
    """Miscounted bytes, and a break that others moved, are found."""
    heap = heap_of(256 * KIB)
    heap.malloc(10)
    heap.live_bytes += 1
    with pytest.raises(InvariantError, match="11 live bytes"):
        heap.check()
    heap.live_bytes -= 1
    heap._space.grow_heap(16)
    with pytest.raises(InvariantError, match="not where the heap ends"):
        heap.check()
    with pytest.raises(InvariantError, match="other than the heap moved"):
        heap.malloc(GROWTH_BYTES)


class HeapMachine(RuleBasedStateMachine):
    """Any program of mallocs and frees in a heap of at most 512 KiB."""

    blocks: Bundle[int] = Bundle("blocks")

    def __init__(self) -> None:
        super().__init__()
        self.heap = heap_of(512 * KIB)
        self.requested: dict[int, int] = {}
        self.peak = 0

    @rule(target=blocks, size=st.one_of(st.integers(0, 100), st.integers(0, 300 * KIB)))
    def malloc(self, size: int) -> int | MultipleResults[int]:
        """Gives an aligned block, or fails because neither a free block nor the rest of the room holds it."""
        block = max(MIN_BLOCK_BYTES, HEADER_BYTES + (size + 15) // 16 * 16)
        room = 512 * KIB - self.heap.held_bytes
        largest = max(self.heap._free.largest, self.heap._free.tail + room)
        if largest < block:
            with pytest.raises(OutOfMemory) as caught:
                self.heap.malloc(size)
            assert (caught.value.needed, caught.value.largest) == (block, largest)
            return multiple()
        address = self.heap.malloc(size)
        assert address % 16 == 0
        assert address not in self.requested
        self.requested[address] = size
        self.peak = max(self.peak, sum(self.requested.values()))
        return address

    @rule(address=consumes(blocks))
    def free(self, address: int) -> None:
        """Once; at once again is an error, wherever the block's bytes went in the free list."""
        self.heap.free(address)
        del self.requested[address]
        with pytest.raises(InvalidFree, match="freed before"):
            self.heap.free(address)

    @rule(address=st.integers(0, 512 * KIB))
    def free_anything(self, address: int) -> None:
        """Only what malloc returned can be freed, and a refused free changes nothing."""
        if address not in self.requested:
            before = self.heap.signature()
            with pytest.raises(InvalidFree):
                self.heap.free(address)
            assert self.heap.signature() == before

    @invariant()
    def blocks_lie_apart_within_the_heap(self) -> None:
        """No payload reaches into the next header, nor the last one over the break."""
        end = self.heap._free.start
        for address in sorted(self.requested):
            assert address - HEADER_BYTES >= end
            end = address + self.requested[address]
        assert end <= self.heap._free.end

    @invariant()
    def the_books_balance(self) -> None:
        """Headers + payloads + free = extent, coalescing is complete, and the counters are right."""
        self.heap.check()
        assert self.heap.live_bytes == sum(self.requested.values())
        assert self.heap.blocks == len(self.requested) == self.heap.mallocs - self.heap.frees
        assert self.heap.peak_live_bytes == self.peak


HeapMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyProgram = HeapMachine.TestCase
