"""Static relocation: the loader rewrites a program's addresses when it is loaded (OSTEP ch. 15, an aside)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.contiguous import ContiguousSpace, space_bytes
from simulator.memory.errors import FaultKind, ForkError, MemoryFault
from simulator.memory.mechanism import Mechanism
from simulator.memory.physical import PhysicalMemory

if TYPE_CHECKING:
    from typing import NoReturn

    import numpy as np
    from numpy.typing import NDArray

    from simulator.memory.address_space import Access, AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import MemoryCosts
    from simulator.memory.storage import Storage


class StaticRelocation(ContiguousSpace):
    """An address space whose addresses are the physical ones.

    The loader has added the place of the program to every address in it, so the hardware does nothing at
    all, and protects nobody: an address in another process's piece is as good as any. Once loaded, a program
    cannot be moved, since nobody knows where it keeps addresses.

    Attributes:
        base: where it was loaded: the address of its first byte.
    """

    def __init__(
        self, memory: PhysicalMemory, layout: Layout, owner: str, control: MemoryControl | None = None
    ) -> None:
        """Takes the whole space from physical memory.

        Raises:
            OutOfMemory: no hole is large enough, or a limit stands against it.
        """
        self.base = memory.allocate(space_bytes(layout), owner, control)
        self._memory = memory
        super().__init__(layout, self.base, control)

    @property
    def storage(self) -> Storage:
        """Physical memory."""
        return self._memory.storage

    def translate(self, address: int, access: Access) -> int:
        """The address itself.

        Raises:
            MemoryFault: there is no such memory, whoever's it were.
        """
        if self.bounds and 0 <= address < self._memory.size_bytes:
            self.account.accesses += 1
            return address
        raise MemoryFault(
            f"bus error: {access.value} address {address:#x}, where there is no memory",
            address,
            FaultKind.OUT_OF_BOUNDS,
        )

    def reach(self, address: int) -> int:
        """All bytes up to the end of memory."""
        return max(self._memory.size_bytes - address, 1)

    def is_valid(self, addresses: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say of each address whether there is memory."""
        return (addresses >= 0) & (addresses < self._memory.size_bytes)

    def release(self) -> None:
        """Gives the piece of physical memory back.

        Raises:
            InvariantError: it was released before.
        """
        self.close()
        self._memory.release(self.base)


class StaticRelocationMechanism(Mechanism):
    """Static relocation for a whole machine.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time.
    """

    name = "static-relocation"

    def __init__(self, memory_bytes: int, costs: MemoryCosts) -> None:
        super().__init__(costs)
        self._memory = PhysicalMemory(memory_bytes)

    @property
    def memory(self) -> PhysicalMemory:
        """Physical memory."""
        return self._memory

    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> StaticRelocation:
        """Return a new address space.

        Raises:
            OutOfMemory: no hole is large enough, or a limit stands against it.
        """
        return StaticRelocation(self._memory, layout, owner, control)

    def fork(self, space: AddressSpace, owner: str) -> NoReturn:  # noqa: ARG002 - the contract's signature
        """A copy elsewhere would hold pointers into the original.

        Raises:
            ForkError: always.
        """
        raise ForkError("fork: with static relocation a copy's pointers would lead into its parent's memory")
