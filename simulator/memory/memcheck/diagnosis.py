"""What is found: kinds of errors, and all that is known of one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from simulator.code_position import Trace


class ErrorKind(StrEnum):
    """What a program does wrong with memory (OSTEP chapter 14); then what becomes of blocks never freed."""

    INVALID_READ = "invalid-read"
    """A read of what is no object: beside a block, below the stack, through a null pointer."""
    INVALID_WRITE = "invalid-write"
    """A write there."""
    USE_AFTER_FREE = "use-after-free"
    """A read of or a write to a block that has been freed."""
    UNINITIALISED_READ = "uninitialised-read"
    """A read of bytes that nobody has written since they were allocated."""
    INVALID_FREE = "invalid-free"
    """A free of an address that malloc did not return."""
    DOUBLE_FREE = "double-free"
    """A free of a block that has been freed."""
    DEFINITELY_LOST = "definitely-lost"
    """A block to which no pointer is left."""
    INDIRECTLY_LOST = "indirectly-lost"
    """A block to which only lost blocks have pointers."""
    POSSIBLY_LOST = "possibly-lost"
    """A block into the middle of which there is a pointer, and none to its beginning."""
    STILL_REACHABLE = "still-reachable"
    """A block that the program could still have freed."""


LEAKS = (
    ErrorKind.DEFINITELY_LOST,
    ErrorKind.INDIRECTLY_LOST,
    ErrorKind.POSSIBLY_LOST,
    ErrorKind.STILL_REACHABLE,
)
"""The categories of valgrind's leak report, worst first."""


class BlockRecord(NamedTuple):
    """A block as it was when something was found about it.

    Attributes:
        address, size: where it was, as the program knew it.
        allocated: where in the program.
        freed: where in the program, None if it was alive.
    """

    address: int
    size: int
    allocated: Trace
    freed: Trace | None


@dataclass
class Diagnosis:
    """One thing that was found, however often it happened at the same place.

    Attributes:
        kind: what it is.
        detail: in words: "invalid write of 8 bytes at 0x1058, 0 bytes after a block of 40 bytes".
        trace: where the program was; of a leak, where the block was allocated.
        address: the first address that it is about.
        size: bytes that it is about; of a leak all bytes lost with that trace.
        block: the block that it is about, or lies next to; None if it is none.
        count: how often; of a leak, the number of blocks.
    """

    kind: ErrorKind
    detail: str
    trace: Trace
    address: int
    size: int
    block: BlockRecord | None = None
    count: int = 1


def of_bytes(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count:,} byte{'' if count == 1 else 's'}"
