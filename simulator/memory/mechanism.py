"""A translation mechanism, for a whole machine: it makes address spaces and knows what switches cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeVar

from simulator.errors import InvariantError
from simulator.memory.errors import ForkError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import MemoryCosts
    from simulator.memory.paging.swap import SwapDevice
    from simulator.memory.physical import MemoryBooks

    Space = TypeVar("Space", bound=AddressSpace)


LINUX_PAGE_BYTES = 4096


class Mechanism(ABC):
    """How a machine translates addresses.

    Attributes:
        costs: what memory costs in time.
        now_ns: tells the time; whoever has a clock puts it here.
        name: what scenarios call it.
    """

    name: ClassVar[str]
    compacts: ClassVar[bool] = False
    """Whether it can move address spaces together, if told to."""

    def __init__(self, costs: MemoryCosts) -> None:
        self.costs = costs
        self.now_ns: Callable[[], int] = lambda: 0

    @property
    @abstractmethod
    def memory(self) -> MemoryBooks:
        """Physical memory."""

    @property
    def page_bytes(self) -> int:
        """The unit that memory is counted in where Linux counts pages."""
        return LINUX_PAGE_BYTES

    @property
    def swap_bytes(self) -> int:
        """Size of what memory can be kept in elsewhere."""
        return 0

    @property
    def is_compacting(self) -> bool:
        """Whether address spaces are moved together when one would find no hole large enough."""
        return False

    @property
    def compactions(self) -> int:
        """How often address spaces were moved together to make a hole."""
        return 0

    @property
    def disk(self) -> SwapDevice | None:
        """Where pages are kept that have no frame; None where there is no such place."""
        return None

    @abstractmethod
    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> AddressSpace:
        """Return a new address space.

        Args:
            layout: what it has to hold.
            owner: whose it is, for memory maps.
            control: who is charged for it; None for a claim of its own without limits.

        Raises:
            OutOfMemory: there is no room for it.
        """

    def fork(self, space: AddressSpace, owner: str) -> AddressSpace:  # noqa: ARG002 - most mechanisms override it
        """Return a copy of an address space in which every byte is the same; the two are apart from then on.

        It is charged to the same claim.

        Raises:
            OutOfMemory: there is no room for a second one.
            ForkError: the mechanism cannot have two spaces of which the addresses mean the same.
        """
        raise ForkError(f"fork is not to be had with {self.name}")

    def save_ns(self, space: AddressSpace) -> int:  # noqa: ARG002 - see above
        """Return what it costs to put a process's memory away when another is given the CPU."""
        return 0

    def restore_ns(self, space: AddressSpace) -> int:  # noqa: ARG002 - see above
        """Return what it costs to bring a process's memory back before it is given the CPU."""
        return 0

    def reclaim(self, size: int, spaces: Sequence[AddressSpace]) -> int:  # noqa: ARG002 - see above
        """Free physical memory that some address spaces hold, by keeping what is in it elsewhere.

        Args:
            size: bytes to free, at least.
            spaces: the address spaces that may lose memory.

        Returns:
            How many bytes were freed, fewer where there were no more; 0 where nothing can be kept elsewhere.
        """
        return 0

    def check(self) -> None:
        """Balance the books.

        Raises:
            InvariantError: they do not.
        """
        self.memory.check()

    def run_on(self, space: AddressSpace, cpu: int, switches: int) -> None:  # noqa: B027 - nothing to know for most
        """Learn that a process executes: before it uses memory, and before memory is looked at.

        Args:
            space: its address space.
            cpu: the CPU that it executes on.
            switches: how often it has been given a CPU that another had before.
        """

    @staticmethod
    def own(space: AddressSpace, kind: type[Space]) -> Space:
        """Return an address space as what this mechanism made it."""
        if not isinstance(space, kind):
            raise InvariantError(f"a {type(space).__name__} where a {kind.__name__} was made")
        return space
