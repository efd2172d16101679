"""What tells the mechanisms apart: protection, relocation, sharing, growth, compaction, costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind, ForkError, MemoryFault, OutOfMemory

if TYPE_CHECKING:
    from simulator.memory.mechanism import Mechanism

KIB = 1024
SMALL = Layout(1 * KIB, 26 * KIB, 1 * KIB)
"""28 KiB in one piece."""


def test_static_relocation_protects_nobody(mechanism_of) -> None:
    """OSTEP ch. 15: a wild address lands in a neighbour's memory; base and bounds stop the same program."""
    for name in ("static-relocation", "base-and-bounds"):
        mechanism = mechanism_of(name)
        attacker, victim = mechanism.create(SMALL, "attacker"), mechanism.create(SMALL, "victim")
        place = victim.grow_heap(100)
        victim.write(place, b"balance: 1000000")
        wild = victim.base + place if name == "base-and-bounds" else place
        if name == "static-relocation":
            attacker.write(wild, b"balance:       0")
            assert victim.read(place, 16) == b"balance:       0"
        else:
            with pytest.raises(MemoryFault, match="outside the bounds"):
                attacker.write(wild, b"balance:       0")
            assert victim.read(place, 16) == b"balance: 1000000"


def test_a_program_that_was_relocated_statically_cannot_be_copied(mechanism_of) -> None:
    """Its pointers would lead into the original."""
    mechanism = mechanism_of("static-relocation")
    space = mechanism.create(SMALL, "process")
    with pytest.raises(ForkError, match="pointers would lead into its parent's memory"):
        mechanism.fork(space, "child")


def test_a_space_is_moved_while_its_process_is_stopped(mechanism_of) -> None:
    """OSTEP ch. 15: the bytes are copied, the base register changes, and the process sees nothing."""
    mechanism = mechanism_of("base-and-bounds", 100 * KIB, compaction=True)
    first, second = (mechanism.create(SMALL, name) for name in ("first", "second"))
    place = second.grow_heap(1000)
    second.write(place, b"still here")
    first.release()
    assert second.base == 28 * KIB
    large = mechanism.create(Layout(1 * KIB, 60 * KIB, 1 * KIB), "large")
    assert (second.base, large.base) == (0, 28 * KIB)
    assert second.read(place, 10) == b"still here"
    assert mechanism.compactions == 1
    assert large.account.moved_bytes == 28 * KIB
    assert large.account.settle(mechanism.costs) == MemoryCosts().copy_ns(28 * KIB)
    assert large.account.settle(mechanism.costs) == 0


def test_without_compaction_the_same_space_is_refused(mechanism_of) -> None:
    """External fragmentation: enough is free, but not in one piece; and compaction makes no memory."""
    for compaction, size in ((False, 60 * KIB), (True, 72 * KIB)):
        mechanism = mechanism_of("base-and-bounds", 100 * KIB, compaction=compaction)
        first, second = (mechanism.create(SMALL, name) for name in ("first", "second"))
        first.release()
        with pytest.raises(OutOfMemory, match=r"the largest hole is 44\.0 KiB"):
            mechanism.create(Layout(1 * KIB, size, 1 * KIB), "large")
        assert second.base == 28 * KIB
        assert mechanism.compactions == 0


def test_segments_take_no_memory_for_what_lies_between_them(mechanism_of) -> None:
    """OSTEP ch. 16: a sparse space of a megabyte holds what it uses; base and bounds hold all of it."""
    layout = Layout(1 * KIB, 900 * KIB, 64 * KIB)
    sparse = mechanism_of("segmentation").create(layout, "process")
    whole = mechanism_of("base-and-bounds").create(layout, "process")
    for space in (sparse, whole):
        space.grow_heap(8 * KIB)
    assert sparse.resident_bytes == (1 + 8 + 16) * KIB
    assert (sparse.internal_fragmentation_bytes, whole.internal_fragmentation_bytes) == (0, 895 * KIB)


def test_code_is_shared_and_protected(mechanism_of) -> None:
    """OSTEP 16.4: two processes of one program have its code once, and neither may write it."""
    for name in ("segmentation", "paging"):
        mechanism = mechanism_of(name)
        layout = Layout(40 * KIB, 8 * KIB, 8 * KIB, "editor")
        one = mechanism.create(layout, "one")
        alone = mechanism.memory.used_bytes
        two = mechanism.create(layout, "two")
        assert mechanism.memory.used_bytes < alone + 30 * KIB
        start = one.code_start
        assert one.translate(start, Access.EXECUTE) == two.translate(start, Access.EXECUTE)
        with pytest.raises(MemoryFault, match=r"in (the )?code( segment)?, which allows rx alone") as caught:
            two.write(start, b"x")
        assert caught.value.kind is FaultKind.PROTECTION
        with pytest.raises(MemoryFault, match="which allows rw alone"):
            two.read(two.stack_top - 1, 1, Access.EXECUTE)
        held = one.resident_bytes + two.resident_bytes
        assert held == mechanism.memory.used_bytes
        one.release()
        assert two.resident_bytes == mechanism.memory.used_bytes
        two.release()
        assert mechanism.memory.used_bytes == 0


def test_a_segment_that_cannot_grow_in_place_is_moved(mechanism_of) -> None:
    """The heap finds its neighbour in the way, is copied to a larger hole, and has its bytes there."""
    mechanism = mechanism_of("segmentation")
    space = mechanism.create(SMALL, "process")
    place = space.grow_heap(4 * KIB)
    space.write(place, b"data")
    mechanism.create(SMALL, "neighbour")
    before = space.translate(place, Access.READ)
    assert space.grow_heap(4 * KIB) == place + 4 * KIB
    assert space.translate(place, Access.READ) != before
    assert space.read(place, 4) == b"data"
    assert space.account.moved_bytes == 4 * KIB


def test_the_stack_grows_down_when_it_is_touched_below(mechanism_of) -> None:
    """Its bytes keep their addresses; below its room there is nothing."""
    mechanism = mechanism_of("segmentation")
    space = mechanism.create(Layout(0, 1, 64 * KIB), "process")
    space.write(space.stack_top - 8, b"deepest ")
    space.write(space.stack_top - 64 * KIB, b"top")
    assert space.read(space.stack_top - 8, 8) == b"deepest "
    assert space.account.faults[FaultKind.STACK_GROWTH] == 1
    with pytest.raises(MemoryFault, match="outside the stack segment of 0x10000 bytes"):
        space.write(space.stack_top - 64 * KIB - 1, b"x")


def test_a_segment_is_no_larger_than_its_addresses(mechanism_of) -> None:
    """With 16 bits and two of them for the segment's number, 16 KiB are the most."""
    with pytest.raises(OutOfMemory, match=r"addresses of 16 bits a segment has at most 16\.0 KiB"):
        mechanism_of("segmentation", address_bits=16).create(SMALL, "process")


def test_early_systems_keep_one_program_in_memory(mechanism_of) -> None:
    """OSTEP ch. 13: the others are on disk, and a switch writes one whole and reads the other."""
    mechanism = mechanism_of("none")
    one, two = mechanism.create(SMALL, "one"), mechanism.create(SMALL, "two")
    mechanism.run_on(one, 0, 1)
    place = one.grow_heap(100)
    one.write(place, b"one")
    mechanism.run_on(two, 0, 1)
    assert (one.resident_bytes, two.resident_bytes) == (0, 28 * KIB)
    assert [held.owner for held in mechanism.memory.holdings()] == ["two"]
    two.write(two.grow_heap(100), b"two")
    mechanism.run_on(one, 0, 2)
    assert one.read(place, 3) == b"one"
    # 28 KiB at 100 MiB/s, rounded up to a nanosecond, after 5 ms for the disk's arm.
    assert mechanism.save_ns(one) == mechanism.restore_ns(one) == 5_000_000 + 273_438
    with pytest.raises(OutOfMemory, match=r"needs 2\.0 MiB; the memory has 1\.0 MiB"):
        mechanism.create(Layout(1, 2 << 20, 0), "too large")


@pytest.mark.parametrize("name", ["static-relocation", "base-and-bounds", "segmentation", "paging"])
def test_only_early_systems_pay_the_disk_at_a_switch(mechanism_of, name: str) -> None:
    """Elsewhere a switch changes registers."""
    mechanism: Mechanism = mechanism_of(name)
    space = mechanism.create(SMALL, "process")
    assert mechanism.save_ns(space) == mechanism.restore_ns(space) == 0
