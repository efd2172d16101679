"""Dynamic relocation: one base register, one bounds register (OSTEP ch. 15, "Address Translation")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.contiguous import ContiguousSpace
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind, MemoryFault
from simulator.memory.placement import Placement, PlacingMechanism

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.memory.address_space import Access, AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.physical import PhysicalMemory
    from simulator.memory.storage import Storage


class BaseAndBounds(ContiguousSpace):
    """An address space in one contiguous piece of physical memory.

    Code lies at 0, the heap behind it and growing up, the stack at the top and growing down (OSTEP fig.
    15.1). The hardware checks a virtual address against the bounds register and adds the base register;
    it knows nothing of code, heap and stack, so what lies unused between heap and stack is held in
    physical memory and may be used by the process all the same: that is what the mechanism costs.

    Attributes:
        base: the base register: physical address of virtual address 0.
        bounds: the bounds register: size of the space in bytes; 0 once released.
    """

    def __init__(
        self,
        memory: PhysicalMemory,
        layout: Layout,
        owner: str,
        placement: Placement | None = None,
        control: MemoryControl | None = None,
    ) -> None:
        """Takes the whole space from physical memory.

        Args:
            memory: where the space is placed.
            layout: what it has to hold.
            owner: whose it is, for memory maps.
            placement: makes room by moving other spaces; None takes what there is.
            control: who is charged for it.

        Raises:
            OutOfMemory: no hole is large enough, or a limit stands against it.
        """
        super().__init__(layout, 0, control)
        self._memory = memory
        self._placement = placement or Placement(memory, MemoryCosts(), compaction=False)
        self._layout = layout
        self.base = 0
        self.base = self._placement.allocate(self.bounds, owner, self, self._moved)

    @property
    def storage(self) -> Storage:
        """Physical memory."""
        return self._memory.storage

    def translate(self, address: int, access: Access) -> int:
        """The physical address: base + address, if the address is within the bounds.

        Raises:
            MemoryFault: the address is outside the bounds.
        """
        if 0 <= address < self.bounds:
            self.account.accesses += 1
            return self.base + address
        raise MemoryFault(
            f"segmentation fault: {access.value} address {address:#x} outside the bounds {self.bounds:#x}",
            address,
            FaultKind.OUT_OF_BOUNDS,
        )

    def is_valid(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each address whether it is within the bounds."""
        return (addresses >= 0) & (addresses < self.bounds)

    def fork(self, owner: str) -> BaseAndBounds:
        """Return a copy of the space, every byte of it copied.

        Raises:
            OutOfMemory: no hole is large enough for a second one.
        """
        child = BaseAndBounds(self._memory, self._layout, owner, self._placement, self.control)
        child.copy_break(self)
        self.storage.copy(self.base, child.base, self.bounds)
        self.account.copied(self.bounds, self._placement.costs)
        return child

    def release(self) -> None:
        """Gives the piece of physical memory back.

        Raises:
            InvariantError: it was released before.
        """
        self.close()
        self._placement.release(self.base)

    def _moved(self, base: int) -> None:
        """While the process is stopped its bytes were moved: only the base register knows where they are."""
        self.base = base


class BaseAndBoundsMechanism(PlacingMechanism):
    """Base and bounds for a whole machine.

    The registers are saved and restored with the others at a context switch, so that a switch costs no more.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time.
        compaction: whether spaces are moved together when external fragmentation would refuse one.
    """

    name = "base-and-bounds"

    def __init__(self, memory_bytes: int, costs: MemoryCosts, *, compaction: bool = False) -> None:
        super().__init__(memory_bytes, costs, compaction=compaction)

    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> BaseAndBounds:
        """Return a new address space.

        Raises:
            OutOfMemory: no hole is large enough, nor would be one after compaction; or a limit stands
                against it.
        """
        return BaseAndBounds(self._memory, layout, owner, self.placement, control)

    def fork(self, space: AddressSpace, owner: str) -> BaseAndBounds:
        """Return a copy of a space."""
        return self.own(space, BaseAndBounds).fork(owner)
