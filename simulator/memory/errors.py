"""What goes wrong with memory: too little of it, or the wrong address."""

from __future__ import annotations

from simulator.errors import TimeshareError


class OutOfMemory(TimeshareError):  # noqa: N818 - the field's own name for the condition
    """A request for memory that cannot be met; nothing was allocated.

    Attributes:
        needed: bytes asked for, in one piece.
        free: bytes free where they were asked for, in however many pieces.
        largest: bytes of the largest free piece.
    """

    def __init__(self, message: str, needed: int, free: int, largest: int) -> None:
        # All of them go to the base class, so that the error survives pickling between worker processes.
        super().__init__(message, needed, free, largest)
        self.message = message
        self.needed = needed
        self.free = free
        self.largest = largest

    def __str__(self) -> str:
        return self.message


class MemoryFault(TimeshareError):  # noqa: N818 - the field's own name for the trap
    """A process used an address it may not use; the operating system ends such a process.

    Attributes:
        reason: what happened, as the process's exit reason tells it.
        address: the virtual address.
    """

    def __init__(self, reason: str, address: int) -> None:
        super().__init__(reason, address)
        self.reason = reason
        self.address = address

    def __str__(self) -> str:
        return self.reason


class InvalidFree(MemoryFault):
    """free() of an address that malloc() never returned, or that is free already."""
