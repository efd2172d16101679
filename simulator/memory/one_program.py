"""Early systems: one program in memory at a time, the others saved whole to disk (OSTEP ch. 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.contiguous import ContiguousSpace
from simulator.memory.errors import FaultKind, MemoryFault
from simulator.memory.mechanism import Mechanism
from simulator.memory.physical import PhysicalMemory
from simulator.memory.storage import Storage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.memory.address_space import Access, AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import MemoryCosts


class WholeMemory(ContiguousSpace):
    """The address space of a program that has the machine to itself while it runs.

    Addresses are physical. While another program runs, everything is on disk.

    Attributes:
        image: what is on disk of it; None while it is in memory.
    """

    def __init__(
        self,
        mechanism: OneProgramMechanism,
        layout: Layout,
        owner: str,
        control: MemoryControl | None = None,
    ) -> None:
        """Puts the program's image on disk.

        Raises:
            OutOfMemory: it is larger than the memory, or than a limit that it would be under.
        """
        super().__init__(layout, 0, control)
        self._mechanism = mechanism
        self.layout = layout
        self.owner = owner
        self.image: Storage | None = Storage()
        mechanism.memory.check_size(self.bounds, self.control)

    @property
    def storage(self) -> Storage:
        """The bytes, in memory or on disk."""
        return self._mechanism.memory.storage if self.image is None else self.image

    @property
    def resident_bytes(self) -> int:
        """The whole space while it is in memory, nothing while it is on disk."""
        return self.bounds if self.image is None else 0

    def translate(self, address: int, access: Access) -> int:
        """The address itself; there is nobody else in memory to be protected.

        Raises:
            MemoryFault: there is no memory of that address.
        """
        if 0 <= address < self.bounds:
            self.account.accesses += 1
            return address
        raise MemoryFault(
            f"bus error: {access.value} address {address:#x}, behind the memory of {self.bounds:#x} bytes "
            "that the program was given",
            address,
            FaultKind.OUT_OF_BOUNDS,
        )

    def is_valid(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each address whether it is within the program's memory."""
        return (addresses >= 0) & (addresses < self.bounds)

    def release(self) -> None:
        """Forgets the program, in memory or on disk.

        Raises:
            InvariantError: it was released before.
        """
        self.close()
        self._mechanism.forget(self)


class OneProgramMechanism(Mechanism):
    """Early systems: whoever is given the CPU is read from disk, after whoever had it was written there.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time; those of the disk are what a switch takes.
    """

    name = "none"

    def __init__(self, memory_bytes: int, costs: MemoryCosts) -> None:
        super().__init__(costs)
        self._memory = PhysicalMemory(memory_bytes)
        self._resident: WholeMemory | None = None

    @property
    def memory(self) -> PhysicalMemory:
        """Physical memory."""
        return self._memory

    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> WholeMemory:
        """Return a new address space, on disk.

        Raises:
            OutOfMemory: it is larger than the memory, or than a limit that it would be under.
        """
        return WholeMemory(self, layout, owner, control)

    def fork(self, space: AddressSpace, owner: str) -> WholeMemory:
        """Return a copy of a space, on disk, as the first Unix made its children."""
        parent = self.own(space, WholeMemory)
        child = WholeMemory(self, parent.layout, owner, parent.control)
        child.copy_break(parent)
        parent.storage.copy(0, 0, parent.bounds, into=child.storage)
        parent.account.moved_bytes += parent.bounds
        parent.account.kernel_ns += self.costs.disk_ns(parent.bounds)
        return child

    def save_ns(self, space: AddressSpace) -> int:
        """Return how long it takes to write the whole space to disk."""
        return self.costs.disk_ns(space.virtual_bytes)

    def restore_ns(self, space: AddressSpace) -> int:
        """Return how long it takes to read the whole space from disk."""
        return self.costs.disk_ns(space.virtual_bytes)

    def run_on(self, space: AddressSpace, cpu: int, switches: int) -> None:  # noqa: ARG002 - the contract's signature
        """Have a program in memory, and whoever was there on disk."""
        entering = self.own(space, WholeMemory)
        if entering is self._resident:
            return
        if self._resident is not None:
            leaving, self._resident = self._resident, None
            leaving.image = Storage()
            self._memory.storage.copy(0, 0, leaving.bounds, into=leaving.image)
            self._memory.release(0)
        image = entering.storage
        self._memory.allocate(entering.bounds, entering.owner, entering.control)
        image.copy(0, 0, entering.bounds, into=self._memory.storage)
        entering.image = None
        self._resident = entering

    def forget(self, space: WholeMemory) -> None:
        """Drop a space that is released."""
        if space is self._resident:
            self._memory.release(0)
            self._resident = None
