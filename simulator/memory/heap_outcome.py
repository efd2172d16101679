"""What a heap tells: how it stands, what events did, and which sizes it refuses outright."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simulator.errors import InvariantError
from simulator.memory.errors import OutOfMemory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.memory.errors import InvalidFree

    Int64s = NDArray[np.int64]

MAX_SIZE = 1 << 61
"""malloc refuses more at once, as C's does above PTRDIFF_MAX, 2**63 - 1; no address space has so much."""

SIZE_T = 1 << 64


class HeapFigures(NamedTuple):
    """How a heap stands.

    Attributes:
        live_bytes: asked for and not freed.
        held_bytes: what the heap has of the address space: up to the program break, and mappings.
        free_bytes: of these, those in free chunks.
        largest_free_bytes: in the largest free chunk.

    What is held and neither live nor free is internal fragmentation: headers, rounding, and rests too small
    to split off. Free bytes beyond the largest chunk are external fragmentation.
    """

    live_bytes: int
    held_bytes: int
    free_bytes: int
    largest_free_bytes: int


class Outcome(NamedTuple):
    """What events did, one element an event; from a failure on, as things were before it.

    Attributes:
        done: events carried out.
        live, held, free, largest: int64[events], the `HeapFigures` after each event.
        extent: int64[events], bytes from the heap's beginning to the program break after each event.
        place, chunk: int64[events], address and bytes, header included, of the block of each event.
        error: why the event `done` failed, None if all were carried out.
    """

    done: int
    live: Int64s
    held: Int64s
    free: Int64s
    largest: Int64s
    extent: Int64s
    place: Int64s
    chunk: Int64s
    error: OutOfMemory | InvalidFree | None


class NameTakenError(InvariantError):
    """An event allocates under the name of a block that is alive, which would be lost.

    Attributes:
        event: which.
    """

    def __init__(self, event: int) -> None:
        super().__init__(f"event {event}: its block is alive already")
        self.event = event


def as_size_t(call: str, size: int) -> int:
    """Return a size as C passes it, if malloc would look for so much."""
    if 0 <= size <= MAX_SIZE:
        return size
    raise too_large(call, size)


def too_large(call: str, size: int) -> OutOfMemory:
    """Return the error of a size that malloc refuses whatever memory there is."""
    converted = size % SIZE_T
    how = f" ({size} as a size_t)" if size < 0 else ""
    asked = "more than a size_t can say" if size >= SIZE_T else f"{converted} bytes{how}"
    return OutOfMemory(f"{call} of {asked}: no object can be that large", converted, 0, 0)
