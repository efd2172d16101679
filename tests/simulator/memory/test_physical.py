"""Physical memory hands out pieces, balances its books and explains what it cannot do."""

from __future__ import annotations

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
from simulator.memory.errors import OutOfMemory
from simulator.memory.physical import Holding, PhysicalMemory

MIB = 1024**2


def test_free_memory_in_pieces_does_not_serve_a_large_request() -> None:
    """600 MiB are free in two holes of 300, so 512 MiB in one piece are refused, and the text says why."""
    memory = PhysicalMemory(4096 * MIB)
    bases = [memory.allocate(size * MIB, "job") for size in (300, 100, 300, 3396)]
    memory.release(bases[0])
    memory.release(bases[2])
    with pytest.raises(OutOfMemory) as caught:
        memory.allocate(512 * MIB, "late")
    assert str(caught.value) == (
        "needs 512.0 MiB in one piece; 600.0 MiB are free, the largest hole is 300.0 MiB of 4.0 GiB"
    )
    assert (caught.value.needed, caught.value.free, caught.value.largest) == (512 * MIB, 600 * MIB, 300 * MIB)
    memory.check()


def test_a_memory_map_lists_the_pieces_in_address_order() -> None:
    """Whoever came first, the map reads from the bottom up."""
    memory = PhysicalMemory(100)
    first = memory.allocate(10, "first")
    memory.allocate(20, "second")
    memory.release(first)
    memory.allocate(5, "third")
    assert memory.holdings() == (Holding(0, 5, "third"), Holding(10, 20, "second"))
    assert (memory.used_bytes, memory.free_bytes, memory.largest_hole_bytes) == (25, 75, 70)


def test_releasing_where_no_piece_starts_is_refused() -> None:
    """Neither the middle of a piece nor one already released is a piece."""
    memory = PhysicalMemory(100)
    base = memory.allocate(10, "job")
    with pytest.raises(InvariantError, match="where no piece starts"):
        memory.release(base + 1)
    memory.release(base)
    with pytest.raises(InvariantError, match="where no piece starts"):
        memory.release(base)


def test_broken_books_raise() -> None:
    """A byte lost, or one counted twice, is a defect and said at once."""
    memory = PhysicalMemory(100)
    memory.allocate(10, "job")
    memory._used_bytes = 9
    with pytest.raises(InvariantError, match="90 free \\+ 9 used != 100"):
        memory.check()
    memory._used_bytes = 10
    memory._pieces.append(Holding(5, 12, "other"))
    with pytest.raises(InvariantError, match="the piece at 0x5 begins before 0xa"):
        memory.check()


class PhysicalMemoryMachine(RuleBasedStateMachine):
    """Any sequence of allocations and releases."""

    bases: Bundle[int] = Bundle("bases")

    def __init__(self) -> None:
        super().__init__()
        self.memory = PhysicalMemory(1000)
        self.sizes: dict[int, int] = {}

    @rule(target=bases, size=st.integers(1, 400))
    def allocate(self, size: int) -> int | MultipleResults[int]:
        """Succeeds exactly when the largest hole is large enough."""
        hole = self.memory.largest_hole_bytes
        if hole < size:
            with pytest.raises(OutOfMemory) as caught:
                self.memory.allocate(size, "job")
            assert (caught.value.needed, caught.value.largest) == (size, hole)
            assert caught.value.free == 1000 - sum(self.sizes.values())
            return multiple()
        base = self.memory.allocate(size, "job")
        self.sizes[base] = size
        return base

    @rule(base=consumes(bases))
    def release(self, base: int) -> None:
        """The piece is gone from the map."""
        self.memory.release(base)
        del self.sizes[base]

    @invariant()
    def the_books_balance(self) -> None:
        """Free + used = size, no piece overlaps another, and the map is what was asked for."""
        self.memory.check()
        assert self.memory.free_bytes + self.memory.used_bytes == 1000
        assert self.memory.used_bytes == sum(self.sizes.values())
        assert {held.base: held.size for held in self.memory.holdings()} == self.sizes


TestAnySequenceOfAllocations = PhysicalMemoryMachine.TestCase
