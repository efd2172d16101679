"""Contiguous pieces that can be moved together when no hole is large enough (OSTEP ch. 16, compaction)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.mechanism import Mechanism
from simulator.memory.physical import PhysicalMemory

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.memory.address_space import AddressSpace
    from simulator.memory.costs import Account, MemoryCosts

    Moved = Callable[[int], None]


class Placement:
    """Hands out pieces of physical memory, and moves those that it handed out.

    The processes whose pieces are moved are stopped meanwhile; whoever needed the room is charged for it.

    Attributes:
        costs: what memory costs in time.
        compaction: whether pieces are moved together when there is room, but no hole, for another.
        compactions: how often pieces were moved together.
    """

    def __init__(self, memory: PhysicalMemory, costs: MemoryCosts, *, compaction: bool) -> None:
        self.costs = costs
        self.compactions = 0
        self._memory = memory
        self.compaction = compaction
        self._moved: dict[int, Moved] = {}

    def allocate(self, size: int, owner: str, space: AddressSpace, moved: Moved) -> int:
        """Hand out a piece.

        Args:
            size: bytes, > 0.
            owner: whose it is, for memory maps.
            space: what it is for: its claim is charged, and its account pays for moving others.
            moved: called with the new address whenever the piece has been moved.

        Returns:
            Its physical address.

        Raises:
            OutOfMemory: there is no room for it, or a limit stands against it.
        """

        def compact() -> None:
            self.compact(space.account)

        make_hole = compact if self.compaction else None
        base = self._memory.allocate(size, owner, space.control, make_hole)
        self._moved[base] = moved
        return base

    def release(self, base: int) -> None:
        """Take a piece back."""
        self._memory.release(base)
        del self._moved[base]

    def compact(self, account: Account) -> None:
        """Move all pieces together, and tell their owners."""
        moves = self._memory.compact()
        told = self._moved
        self._moved = dict(told)
        for move in moves:
            del self._moved[move.base]
        for move in moves:
            self._moved[move.to] = told[move.base]
            told[move.base](move.to)
        account.copied(sum(move.size for move in moves), self.costs)
        self.compactions += 1


class PlacingMechanism(Mechanism):
    """What mechanisms have in common whose address spaces lie in contiguous pieces that can be moved.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time.
        compaction: whether pieces are moved together when external fragmentation would refuse one.

    Attributes:
        placement: hands the pieces out.
    """

    compacts = True

    def __init__(self, memory_bytes: int, costs: MemoryCosts, *, compaction: bool) -> None:
        super().__init__(costs)
        self._memory = PhysicalMemory(memory_bytes)
        self.placement = Placement(self._memory, costs, compaction=compaction)

    @property
    def memory(self) -> PhysicalMemory:
        """Physical memory."""
        return self._memory

    @property
    def is_compacting(self) -> bool:
        """Whether pieces are moved together when external fragmentation would refuse one."""
        return self.placement.compaction

    @property
    def compactions(self) -> int:
        """How often pieces were moved together."""
        return self.placement.compactions
