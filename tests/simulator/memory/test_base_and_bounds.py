"""Base and bounds: every address is relocated or refused (OSTEP ch. 15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InvariantError, TimeshareError
from simulator.memory.address_space import Access, Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.errors import MemoryFault, OutOfMemory
from simulator.memory.physical import PhysicalMemory

KIB = 1024


def relocated(base: int, layout: Layout) -> BaseAndBounds:
    """A space whose base register holds `base`, because everything below is taken."""
    memory = PhysicalMemory(64 * KIB)
    if base:
        memory.allocate(base, "operating system")
    return BaseAndBounds(memory, layout, "process")


def test_the_instruction_at_128_is_fetched_from_32896() -> None:
    """OSTEP 15.3: a 16 KiB space at 32 KiB; the program's first instruction and the variable at 15 KiB."""
    space = relocated(32 * KIB, Layout(1 * KIB, 13 * KIB, 2 * KIB))
    assert (space.base, space.bounds) == (32 * KIB, 16 * KIB)
    assert space.translate(128, Access.EXECUTE) == 32896
    assert space.translate(15 * KIB, Access.READ) == 47 * KIB


@pytest.mark.parametrize(("virtual", "physical"), [(0, 16384), (1024, 17408), (3000, 19384)])
def test_the_table_of_example_translations(virtual: int, physical: int) -> None:
    """OSTEP 15.3, "Example Translations": a space of 4 KiB loaded at 16 KiB."""
    assert relocated(16 * KIB, Layout(1 * KIB, 2 * KIB, 1 * KIB)).translate(virtual, Access.READ) == physical


@pytest.mark.parametrize(
    ("access", "words"),
    [(Access.READ, "read from"), (Access.WRITE, "write to"), (Access.EXECUTE, "instruction fetch from")],
)
def test_an_address_out_of_bounds_faults(access: Access, words: str) -> None:
    """OSTEP 15.3: 4400 in a space of 4 KiB is a fault, told in words a person understands."""
    space = relocated(16 * KIB, Layout(1 * KIB, 2 * KIB, 1 * KIB))
    with pytest.raises(MemoryFault) as caught:
        space.translate(4400, access)
    assert caught.value.reason == (f"segmentation fault: {words} address 0x1130 outside the bounds 0x1000")
    assert caught.value.address == 4400


def test_the_whole_space_is_resident() -> None:
    """The room between heap and stack is paid for, and sizes are rounded up to 4 KiB."""
    memory = PhysicalMemory(64 * KIB)
    space = BaseAndBounds(memory, Layout(100, 20 * KIB, 3000), "process")
    assert space.virtual_bytes == space.resident_bytes == memory.used_bytes == 24 * KIB


def test_the_heap_grows_from_behind_the_code_until_it_meets_the_stack() -> None:
    """The break starts aligned; growth that does not fit moves nothing and says how much is left."""
    space = relocated(0, Layout(100, 20 * KIB, 3000))
    room = 24 * KIB - 3000 - 112
    assert space.grow_heap(0) == 112
    assert space.grow_heap(1000) == 112
    with pytest.raises(
        OutOfMemory, match=r"by 20\.0 KiB would run into the stack: 20\.0 KiB are left"
    ) as caught:
        space.grow_heap(room - 1000 + 1)
    assert (caught.value.needed, caught.value.free) == (room - 999, room - 1000)
    assert space.grow_heap(room - 1000) == 1112
    assert space.grow_heap(0) == 24 * KIB - 3000
    with pytest.raises(InvariantError, match="grows by -1"):
        space.grow_heap(-1)


def test_a_released_space_holds_nothing_and_translates_nothing() -> None:
    """Its memory may be another's by now, so that a second release would be a disaster and is refused."""
    memory = PhysicalMemory(64 * KIB)
    space = BaseAndBounds(memory, Layout(1, 1, 1), "process")
    space.release()
    assert memory.used_bytes == space.resident_bytes == 0
    with pytest.raises(MemoryFault, match="outside the bounds 0x0"):
        space.translate(0, Access.READ)
    with pytest.raises(OutOfMemory):
        space.grow_heap(1)
    BaseAndBounds(memory, Layout(1, 1, 1), "next")
    with pytest.raises(InvariantError, match="released twice"):
        space.release()
    assert memory.used_bytes == 4 * KIB


def test_a_space_that_does_not_fit_is_refused() -> None:
    """Nothing is taken then."""
    memory = PhysicalMemory(8 * KIB)
    with pytest.raises(OutOfMemory, match=r"needs 12\.0 KiB in one piece"):
        BaseAndBounds(memory, Layout(0, 12 * KIB, 0), "process")
    assert memory.used_bytes == 0


@pytest.mark.parametrize("sizes", [(0, 0, 0), (-1, 10, 10), (10, 10, -1)])
def test_a_layout_holds_something(sizes: tuple[int, int, int]) -> None:
    """A size cannot be negative, and an empty address space is none."""
    with pytest.raises(TimeshareError, match="an address space of"):
        Layout(*sizes)


@given(
    layouts=st.lists(
        st.builds(Layout, st.integers(1, 9000), st.integers(0, 9000), st.integers(0, 9000)), max_size=6
    ),
    addresses=st.lists(st.integers(-5000, 40000), max_size=10),
    access=st.sampled_from(Access),
)
def test_translation_never_leaves_the_process_s_own_piece(
    layouts: list[Layout], addresses: list[int], access: Access
) -> None:
    """An address is either within the piece that physical memory holds for the process, or faults."""
    memory = PhysicalMemory(1024 * KIB)
    spaces = [BaseAndBounds(memory, layout, str(pid)) for pid, layout in enumerate(layouts)]
    owner_of = {held.owner: range(held.base, held.base + held.size) for held in memory.holdings()}
    for pid, space in enumerate(spaces):
        for address in [*addresses, 0, space.bounds - 1]:
            if 0 <= address < space.virtual_bytes:
                physical = space.translate(address, access)
                assert physical in owner_of[str(pid)]
                assert physical - owner_of[str(pid)].start == address
            else:
                with pytest.raises(MemoryFault):
                    space.translate(address, access)
