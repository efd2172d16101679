"""What every address space offers, whatever mechanism translates its addresses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from simulator.errors import TimeshareError


class Access(Enum):
    """What a process wants of an address; the value completes "... address 0x10"."""

    READ = "read from"
    WRITE = "write to"
    EXECUTE = "instruction fetch from"


@dataclass(frozen=True, slots=True)
class Layout:
    """What an address space has to hold: code, heap and stack (OSTEP ch. 13).

    Attributes:
        code_bytes: the program and its static data.
        heap_bytes: room the heap may grow into.
        stack_bytes: room the stack may grow into.

    Raises:
        TimeshareError: a size is negative, or all are zero.
    """

    code_bytes: int
    heap_bytes: int
    stack_bytes: int

    def __post_init__(self) -> None:
        sizes = (self.code_bytes, self.heap_bytes, self.stack_bytes)
        if min(sizes) < 0 or max(sizes) == 0:
            raise TimeshareError(
                f"an address space of {sizes[0]} code, {sizes[1]} heap and {sizes[2]} stack bytes: "
                "none may be negative, and one at least must be positive"
            )


class AddressSpace(ABC):
    """A process's view of memory, and the hardware and tables behind it.

    Life cycle: the constructor takes the physical memory that the mechanism needs from the start and
    raises `OutOfMemory` if it is not to be had; `release` gives everything back, once, and from then on
    every translation faults.
    """

    @property
    @abstractmethod
    def virtual_bytes(self) -> int:
        """Size of the address space: its highest valid address + 1."""

    @property
    @abstractmethod
    def resident_bytes(self) -> int:
        """Physical memory it holds."""

    @abstractmethod
    def translate(self, address: int, access: Access) -> int:
        """The physical address behind a virtual one.

        Raises:
            MemoryFault: the process may not use this address in this way.
        """

    @abstractmethod
    def grow_heap(self, size: int) -> int:
        """Moves the program break, where the heap ends, up by `size` bytes >= 0 (sbrk, OSTEP ch. 14).

        Returns:
            The break as it was: the first of the new bytes. It begins as a multiple of 16.

        Raises:
            OutOfMemory: the heap would meet the stack, or there is no memory behind it; nothing moved.
        """

    def shrink_heap(self, size: int) -> bool:  # noqa: ARG002 - a mechanism that can overrides it
        """Moves the program break down by `size` bytes >= 0, if the mechanism can; says whether it did."""
        return False

    can_map: ClassVar[bool] = True
    """Whether `map_region` can ever succeed."""

    @abstractmethod
    def map_region(self, size: int) -> int:
        """Maps a region apart from the heap (an anonymous, private mmap).

        Args:
            size: bytes, > 0, a multiple of 4096.

        Returns:
            Its address, a multiple of 4096.

        Raises:
            OutOfMemory: there is no room for it, or the mechanism has no such regions; nothing changed.
        """

    @abstractmethod
    def unmap_region(self, address: int) -> None:
        """Takes back a region that `map_region` returned (munmap).

        Raises:
            InvariantError: no region begins there.
        """

    @abstractmethod
    def release(self) -> None:
        """Gives all physical memory back.

        Raises:
            InvariantError: it was released before.
        """
