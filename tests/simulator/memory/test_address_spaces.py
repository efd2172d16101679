"""What every mechanism promises: bytes are private, forks are copies, and the books balance."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from simulator.errors import InvariantError
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import ForkError, MemoryFault, OutOfMemory
from simulator.memory.mechanisms import MECHANISMS

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.mechanism import Mechanism

KIB = 1024
LAYOUT = Layout(3000, 24 * KIB, 8 * KIB, "program")


def test_heap_and_stack_hold_what_is_put_there(any_mechanism: Mechanism) -> None:
    """The same program does the same, whatever translates its addresses."""
    space = any_mechanism.create(LAYOUT, "process")
    any_mechanism.run_on(space, 0, 1)
    heap = space.grow_heap(20 * KIB)
    assert heap % 16 == 0
    space.write(heap + 4090, b"across a page")
    space.write(space.stack_top - 8, b"on stack")
    assert space.read(heap + 4090, 13) == b"across a page"
    assert space.read(space.stack_top - 8, 8) == b"on stack"
    assert space.read(heap, 16) == bytes(16)
    assert space.read(space.code_start, 4, Access.EXECUTE) == bytes(4)
    space.access_many(np.arange(heap, heap + 20 * KIB, 64), Access.WRITE)
    assert space.read(heap + 4090, 13) == b"across a page"
    space.release()
    any_mechanism.memory.check()
    assert any_mechanism.memory.used_bytes == 0


def test_an_address_beyond_everything_faults(any_mechanism: Mechanism) -> None:
    """One by one, in a range, or among many; those before it were used."""
    space = any_mechanism.create(LAYOUT, "process")
    any_mechanism.run_on(space, 0, 1)
    heap = space.grow_heap(64)
    far = 1 << 60
    for use in (
        lambda: space.read(far, 1),
        lambda: space.write(-1, b"x"),
        lambda: space.access_many(np.array([heap, far, heap]), Access.READ),
    ):
        with pytest.raises(MemoryFault):
            use()
    assert space.account.data_references == 1


def test_a_released_space_translates_nothing_and_is_released_once(any_mechanism: Mechanism) -> None:
    """Its memory may be another's by now."""
    space = any_mechanism.create(LAYOUT, "process")
    any_mechanism.run_on(space, 0, 1)
    heap = space.grow_heap(64)
    space.write(heap, b"secret")
    space.release()
    with pytest.raises(MemoryFault):
        space.resolve(heap, Access.READ)
    with pytest.raises(OutOfMemory):
        space.grow_heap(1)
    with pytest.raises(InvariantError, match="released twice"):
        space.release()
    assert space.resident_bytes == space.virtual_bytes == 0
    heir = any_mechanism.create(LAYOUT, "heir")
    any_mechanism.run_on(heir, 0, 2)
    start = heir.grow_heap(24 * KIB)
    assert heir.read(start, 24 * KIB) == bytes(24 * KIB)


def test_the_regions_account_for_what_is_held(any_mechanism: Mechanism) -> None:
    """What the regions hold, tables aside, is what the space holds, and regions do not overlap."""
    space = any_mechanism.create(LAYOUT, "process")
    any_mechanism.run_on(space, 0, 1)
    space.write(space.grow_heap(9 * KIB), bytes(9 * KIB))
    regions = space.regions()
    tables = getattr(space, "table", None)
    overhead = getattr(tables, "held_bytes", 0)
    assert sum(region.resident_bytes for region in regions) + overhead == space.resident_bytes
    assert space.resident_bytes == any_mechanism.memory.used_bytes
    for lower, upper in pairwise(regions):
        assert lower.start + lower.size <= upper.start
    assert space.internal_fragmentation_bytes >= 0


class Spaces(RuleBasedStateMachine):
    """Any sequence of births, forks, writes, growth and deaths, beside plain dictionaries of bytes."""

    mechanism_name = ""
    options: ClassVar[dict[str, Any]] = {}
    spaces: Bundle[Any] = Bundle("spaces")

    def __init__(self) -> None:
        super().__init__()
        self.mechanism = MECHANISMS[self.mechanism_name](160 * KIB, MemoryCosts(), **self.options)
        self.alive: list[tuple[AddressSpace, dict[int, int], list[int]]] = []
        self.switches = 0

    @rule(target=spaces, code=st.integers(0, 3000), heap=st.integers(1, 24 * KIB), shared=st.booleans())
    def create(self, code: int, heap: int, *, shared: bool) -> Any:
        """A new space reads as zeros; where there is no room, nothing was taken."""
        used = self.mechanism.memory.used_bytes
        try:
            space = self.mechanism.create(Layout(code, heap, 4096, "program" if shared else ""), "process")
        except OutOfMemory:
            assert self.mechanism.memory.used_bytes == used
            return multiple()
        self.run_on(space)
        entry = (space, {}, [space.grow_heap(0), 0])
        self.alive.append(entry)
        return entry

    @rule(target=spaces, parent=spaces)
    def fork(self, parent: Any) -> Any:
        """The child has the parent's bytes; from then on they are apart."""
        space, content, heap = parent
        self.run_on(space)
        try:
            child = self.mechanism.fork(space, "child")
        except (OutOfMemory, ForkError):
            return multiple()
        entry = (child, dict(content), list(heap))
        self.alive.append(entry)
        return entry

    @rule(which=spaces, size=st.integers(0, 9000))
    def grow(self, which: Any, size: int) -> None:
        """The heap goes on where it ended."""
        space, _, heap = which
        self.run_on(space)
        try:
            assert space.grow_heap(size) == heap[0] + heap[1]
        except OutOfMemory:
            return
        heap[1] += size

    @rule(which=spaces, place=st.floats(0, 1), data=st.binary(min_size=1, max_size=600))
    def write(self, which: Any, place: float, data: bytes) -> None:
        """What is written into the heap is there."""
        space, content, (start, size) = which
        data = data[:size]
        if not data:
            return
        self.run_on(space)
        at = start + int(place * (size - len(data)))
        try:
            space.write(at, data)
        except OutOfMemory:
            data = space.read(at, len(data)) if self.readable(space, at, len(data)) else b""
        content.update(zip(range(at, at + len(data)), data, strict=True))

    @rule(which=spaces, depth=st.integers(1, 4096), value=st.integers(1, 255))
    def write_to_the_stack(self, which: Any, depth: int, value: int) -> None:
        """The stack holds bytes, too."""
        space, content, _ = which
        self.run_on(space)
        try:
            space.write(space.stack_top - depth, bytes([value]))
        except OutOfMemory:
            return
        content[space.stack_top - depth] = value

    @rule(payer=spaces)
    def compact(self, payer: Any) -> None:
        """Spaces that are moved together leave one hole, and find all they had."""
        if self.options.get("compaction"):
            placement = getattr(self.mechanism, "placement")  # noqa: B009 - those that compact have one
            placement.compact(payer[0].account)
            memory = self.mechanism.memory
            assert memory.largest_hole_bytes == memory.free_bytes

    @rule(which=consumes(spaces))
    def release(self, which: Any) -> None:
        """Its memory is free again."""
        which[0].release()
        self.alive = [entry for entry in self.alive if entry is not which]
        if not self.alive:
            assert self.mechanism.memory.used_bytes == 0

    @invariant()
    def every_space_reads_what_it_wrote(self) -> None:
        """Nobody's bytes are changed by anybody else, and nothing is lost when spaces are moved."""
        for space, content, _ in self.alive:
            self.run_on(space)
            for address, value in list(content.items())[:: max(len(content) // 40, 1)]:
                assert space.read(address, 1) == bytes([value])

    @invariant()
    def the_books_balance(self) -> None:
        """Free + used = size, and no two pieces overlap."""
        memory = self.mechanism.memory
        memory.check()
        assert memory.free_bytes + memory.used_bytes == memory.size_bytes
        assert sum(piece.size for piece in memory.holdings()) == memory.used_bytes
        assert memory.largest_hole_bytes <= memory.free_bytes

    def run_on(self, space: AddressSpace) -> None:
        """Give the CPU to a space."""
        self.switches += 1
        self.mechanism.run_on(space, 0, self.switches)

    @staticmethod
    def readable(space: AddressSpace, address: int, size: int) -> bool:
        """Whether all of a range has its memory already."""
        try:
            space.read(address, size)
        except OutOfMemory:
            return False
        return True


def _machine(name: str, **options: Any) -> Any:
    kind = type("Any", (Spaces,), {"mechanism_name": name, "options": options})
    kind.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
    return kind.TestCase


TestOneProgram = _machine("none")
TestStaticRelocation = _machine("static-relocation")
TestBaseAndBounds = _machine("base-and-bounds")
TestBaseAndBoundsCompacted = _machine("base-and-bounds", compaction=True)
TestSegmentation = _machine("segmentation")
TestSegmentationCompacted = _machine("segmentation", compaction=True)
TestPaging = _machine("paging")
TestLinearPaging = _machine("paging", page_size=256, levels=1, address_bits=18)
