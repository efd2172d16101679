"""Whatever the configuration: no block lost or overlapped, everything merged, the same as machine code."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from heaps import CONFIGS, Region, described
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from simulator.memory.allocator import layout, tree
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT, GLIBC

ROOM = 256 * 1024
MAPPINGS = 1024 * 1024
SIZES = st.one_of(st.integers(0, 200), st.integers(0, 150 * 1024))


class HeapMachine(RuleBasedStateMachine):
    """Any program of the memory API, on a heap of any configuration, with bytes behind it."""

    blocks: Bundle[int] = Bundle("blocks")

    @initialize(config=st.sampled_from(CONFIGS), base=st.sampled_from([4096, 4099]), maps=st.booleans())
    def begin(self, config, base, maps):
        """Start empty; the space begins anywhere, with or without mappings."""
        self.config = config
        self.space = Region(base, ROOM, MAPPINGS if maps else 0)
        self.memory: dict[int, int] = {}
        self.heap = Heap(self.space, config, copy=self.copy)
        self.sizes: dict[int, int] = {}
        self.marks: dict[int, int] = {}
        self.count = 0

    def copy(self, source, target, size):
        """Move what the test keeps of a block: its first, its middle and its last byte."""
        for at in self.kept(size, target - source):
            self.memory[target + at] = self.memory.get(source + at, -1)

    def kept(self, size, _=0):
        """Offsets of a block's bytes that are watched."""
        return [at for at in {0, size // 2, size - 1} if 0 <= at < size]

    def take(self, address, size):
        """Write a mark of its own over the block; a block that overlapped it would lose its own."""
        if self.config.aligned:
            assert address % self.config.alignment_bytes == 0
        assert address not in self.sizes
        self.count += 1
        self.sizes[address], self.marks[address] = size, self.count
        for at in self.kept(size):
            self.memory[address + at] = self.count
        return address

    @rule(target=blocks, size=SIZES, alignment=st.sampled_from([0, 0, 0, 16, 64, 1024, 4096]))
    def malloc(self, size, alignment):
        """Aligned or not; where there is no room, nothing changes."""
        before = self.blocks_of()
        try:
            address = self.heap.aligned_alloc(alignment, size) if alignment else self.heap.malloc(size)
        except OutOfMemory as error:
            self.tell_apart(error, alignment)
            assert self.blocks_of() == before
            return multiple()
        assert alignment == 0 or address % alignment == 0
        return self.take(address, size)

    def tell_apart(self, error, alignment):
        """Where any piece of the size would do, there was none."""
        config = self.config
        if config.coalescing == "immediate" and config.placement != "buddy" and not config.top_apart:
            assert error.largest < error.needed or alignment

    @rule(target=blocks, address=consumes(blocks), size=SIZES)
    def realloc(self, address, size):
        """What the block held up to the smaller size is there, at whichever address."""
        mark = self.marks[address]
        old = self.sizes[address]
        try:
            moved = self.heap.realloc(address, size)
        except OutOfMemory:
            return address
        del self.sizes[address], self.marks[address]
        if size == 0:
            assert moved == 0
            return multiple()
        if old:
            assert self.memory[moved] == mark
        return self.take(moved, size)

    @rule(address=consumes(blocks))
    def free(self, address):
        """Once; again is an error."""
        self.heap.free(address)
        del self.sizes[address], self.marks[address]
        with pytest.raises(InvalidFree, match="freed before"):
            self.heap.free(address)

    @rule(address=st.integers(1, ROOM))
    def free_anything(self, address):
        """Only what malloc returned can be freed, and a refused free changes nothing."""
        if address not in self.sizes:
            before = self.heap.signature()
            with pytest.raises(InvalidFree):
                self.heap.free(address)
            assert self.heap.signature() == before

    def blocks_of(self):
        """Addresses and sizes of the blocks, as the heap has them."""
        chunks = self.heap._state.chunks(layout.USED, layout.MAPPED)
        return sorted(zip(chunks.payload.tolist(), chunks.asked.tolist(), strict=True))

    @invariant()
    @precondition(lambda self: hasattr(self, "heap"))
    def nothing_is_lost_or_overwritten(self):
        """Each block is there with its size and its mark."""
        assert self.blocks_of() == sorted(self.sizes.items())
        for address, size in self.sizes.items():
            for at in self.kept(size):
                assert self.memory[address + at] == self.marks[address]

    @invariant()
    @precondition(lambda self: hasattr(self, "heap"))
    def the_books_balance(self):
        """Headers + payloads + free = held; what touches is merged; the sums are right."""
        heap = self.heap
        heap.check()
        used, free = (
            heap._state.chunks(layout.USED, layout.MAPPED),
            heap._state.chunks(layout.FREE, layout.TOP),
        )
        figures = heap.figures
        assert used.size.sum() + free.size.sum() == figures.held_bytes <= heap.peak_held_bytes
        assert figures.largest_free_bytes == free.size.max(initial=0)
        assert (figures.live_bytes, heap.blocks) == (sum(self.sizes.values()), len(self.sizes))
        held = sum(self.space.mapped.values())
        assert held == used.size[used.kind == layout.MAPPED].sum()

    @invariant()
    @precondition(lambda self: hasattr(self, "heap"))
    def the_tree_is_in_order(self):
        """Its keys rise from left to right, and each node knows what is below it."""
        state = self.heap._state
        cells, heap = state.cells, state.heap
        if heap[layout.PLACEMENT] >= layout.SEGREGATED:
            return
        nodes, node = [], tree.leftmost(cells, heap)
        while node:
            nodes.append(node)
            node = tree.next_to(cells, node)
        assert len(nodes) == heap[layout.FREE_CHUNKS]
        assert [tree.rank(cells, node) for node in nodes] == list(range(len(nodes)))
        for one, other in pairwise(nodes):
            assert tree.lies_before(cells, heap, one, other)
        for node in nodes:
            assert cells[node + layout.LARGEST] == tree.largest_below(cells, node)
            parent = cells[node + layout.UP]
            assert parent == 0 or cells[parent + layout.RANDOM] >= cells[node + layout.RANDOM]


HeapMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyProgram = HeapMachine.TestCase


def events_of(seed, count, blocks, largest):
    """Random mallocs and frees over so many names."""
    random = np.random.default_rng(seed)
    names, sizes, alive = [], [], {}
    for _ in range(count):
        name = int(random.integers(blocks))
        size = -alive.pop(name) if name in alive else int(random.integers(1, largest))
        if size > 0:
            alive[name] = size
        names.append(name)
        sizes.append(size)
    return np.array(names), np.array(sizes)


@pytest.mark.parametrize("config", CONFIGS, ids=described)
def test_machine_code_does_the_same(config):
    """Every event's outcome, and the state at the end, to the byte; failures included."""
    names, sizes = events_of(7, 3000, 400, 3000)
    outcomes, ends = [], []
    for engine in ("interpreted", "compiled"):
        heap = Heap(Region(4096, 500_000, 64 * 1024), config, engine=engine)
        addresses = np.zeros(400, np.int64)
        outcomes.append(heap.run(names, sizes, addresses))
        ends.append((heap.signature(), heap.searched, addresses.tolist(), heap.mallocs, heap.frees))
        heap.check()
    one, other = outcomes
    assert one.done == other.done
    assert one.done > 300
    assert str(one.error) == str(other.error)
    assert all(np.array_equal(*pair) for pair in zip(one[1:8], other[1:8], strict=True))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("config", [FIRST_FIT, GLIBC], ids=described)
def test_one_call_does_what_single_calls_do(config):
    """run() is malloc and free, many times."""
    names, sizes = events_of(3, 1000, 100, 200_000)
    together, single = (Heap(Region(4096, 1 << 30, 1 << 30), config) for _ in range(2))
    outcome = together.run(names, sizes, np.zeros(100, np.int64))
    addresses = {}
    for event, (name, size) in enumerate(zip(names.tolist(), sizes.tolist(), strict=True)):
        if size > 0:
            addresses[name] = single.malloc(size)
            assert outcome.place[event] == addresses[name]
        else:
            single.free(addresses.pop(name))
        assert single.figures == tuple(column[event] for column in outcome[1:5])
    assert together.signature() == single.signature()


def test_a_heap_of_very_many_blocks_keeps_its_books():
    """The arrays grow on the way, and with them the index; freed addresses stay known."""
    heap = Heap(Region(4096, 1 << 30), FIRST_FIT)
    addresses = np.zeros(20_000, np.int64)
    names = np.arange(20_000)
    assert heap.run(names, np.full(20_000, 100), addresses).done == 20_000
    first = int(addresses[0])
    heap.run(names[::2], np.full(10_000, -100), addresses)
    heap.check()
    assert heap.blocks == 10_000
    with pytest.raises(InvalidFree, match="freed before"):
        heap.free(first)
