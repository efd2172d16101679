"""What goes wrong with memory: too little of it, or the wrong address."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from simulator.memory.charges import Shortage


class OutOfMemory(TimeshareError):  # noqa: N818 - the field's own name for the condition
    """A request for memory that cannot be met; nothing was allocated.

    Attributes:
        needed: bytes asked for, in one piece.
        free: bytes free where they were asked for, in however many pieces.
        largest: bytes of the largest free piece.
        shortage: what stood against it; None where it was not physical memory that was short.
    """

    shortage: Shortage | None = None

    def __init__(self, message: str, needed: int, free: int, largest: int) -> None:
        # All of them go to the base class, so that the error survives pickling between worker processes.
        super().__init__(message, needed, free, largest)
        self.message = message
        self.needed = needed
        self.free = free
        self.largest = largest

    def __str__(self) -> str:
        return self.message


class HeapRoomSpent(OutOfMemory):
    """A heap that would grow beyond the room that its address space has for it."""


class FaultKind(StrEnum):
    """Why the hardware traps into the kernel on an access.

    The first six are served and the process never knows; the others end it.
    """

    DEMAND_ZERO = "demand-zero"
    """The first touch of a page that is to read as zeros."""
    COPY_ON_WRITE = "copy-on-write"
    """The first write to a page that two processes have shared since a fork."""
    SHARED_PAGE = "shared-page"
    """The first touch of a page of a file that others may have in memory already."""
    STACK_GROWTH = "stack-growth"
    """A touch of the stack below where it ends so far."""
    SWAP_IN = "swap-in"
    """A touch of a page that is in the swap device: a major fault, as a disk must be waited for."""
    FILE_READ = "file-read"
    """A touch of a page of a file that was taken from memory meanwhile: a major fault, too."""
    PROTECTION = "protection"
    """An access of a kind that the region does not allow."""
    OUT_OF_BOUNDS = "out-of-bounds"
    """An address beyond what the process has, or beyond any memory."""


MAJOR = (FaultKind.SWAP_IN, FaultKind.FILE_READ)
"""The kinds of fault for which something is read from disk."""
SERVED = (
    FaultKind.DEMAND_ZERO,
    FaultKind.COPY_ON_WRITE,
    FaultKind.SHARED_PAGE,
    FaultKind.STACK_GROWTH,
    *MAJOR,
)
"""The kinds of fault after which the process goes on."""


class MemoryFault(TimeshareError):  # noqa: N818 - the field's own name for the trap
    """A process used an address it may not use; the operating system ends such a process.

    Attributes:
        reason: what happened, as the process's exit reason tells it.
        address: the virtual address.
        kind: what the hardware objected to.
    """

    def __init__(self, reason: str, address: int, kind: FaultKind = FaultKind.OUT_OF_BOUNDS) -> None:
        super().__init__(reason, address, kind)
        self.reason = reason
        self.address = address
        self.kind = kind

    def __str__(self) -> str:
        return self.reason


class InvalidFree(MemoryFault):
    """free() of an address that malloc() never returned, or that is free already."""


class ProcessAbort(TimeshareError):  # noqa: N818 - the C library's name for what it does
    """A check within a process failed, and it called abort(): its memory, or an assertion, does not hold.

    Attributes:
        reason: what the check found, as the process's exit reason tells it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ForkError(TimeshareError):
    """An address space of this kind cannot be duplicated."""
