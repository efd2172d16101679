"""The free list: which parts of a range of addresses are free (OSTEP ch. 17, "Free-Space Management")."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from simulator.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class FreeList:
    """Free extents of [start, end) in address order, placed by first fit.

    An allocation takes the front of the first extent that is large enough and leaves the rest free
    (splitting). A release merges with both free neighbours at once (coalescing), so no two free extents
    ever touch. The list knows only what is free: whoever allocates remembers the sizes it was given.

    Allocating costs one step per extent passed over, releasing a binary search.

    Attributes:
        start: first address of the range.
        end: first address behind the range.
    """

    __slots__ = ("_sizes", "_starts", "end", "start")

    def __init__(self, start: int, size: int) -> None:
        if size < 0:
            raise InvariantError(f"a free list over {size} bytes")
        self.start = start
        self.end = start + size
        self._starts: list[int] = [start] if size else []
        self._sizes: list[int] = [size] if size else []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The free extents as (address, size), in address order."""
        return zip(self._starts, self._sizes, strict=True)

    def __len__(self) -> int:
        """Number of free extents."""
        return len(self._starts)

    @property
    def total_free(self) -> int:
        """Free bytes in all extents."""
        return sum(self._sizes)

    @property
    def largest(self) -> int:
        """Bytes of the largest free extent, 0 if there is none."""
        return max(self._sizes, default=0)

    @property
    def tail(self) -> int:
        """Bytes of the free extent that ends where the range ends, 0 if the last byte is in use."""
        if self._starts and self._starts[-1] + self._sizes[-1] == self.end:
            return self._sizes[-1]
        return 0

    def signature(self) -> tuple[int, int, tuple[int, ...], tuple[int, ...]]:
        """The whole state, hashable: free lists with equal signatures behave alike from now on."""
        return self.start, self.end, tuple(self._starts), tuple(self._sizes)

    def allocate(self, size: int) -> int | None:
        """Takes `size` bytes from the front of the first extent that holds them.

        Returns:
            The address, or None if no extent is large enough.
        """
        if size <= 0:
            raise InvariantError(f"allocation of {size} bytes from a free list")
        sizes = self._sizes
        for index, extent in enumerate(sizes):
            if extent >= size:
                address = self._starts[index]
                if extent == size:
                    del self._starts[index], sizes[index]
                else:
                    self._starts[index] = address + size
                    sizes[index] = extent - size
                return address
        return None

    def release(self, address: int, size: int) -> None:
        """Gives [address, address + size) back and merges it with the free extents it touches.

        Raises:
            InvariantError: a part of it is free already or lies outside the range.
        """
        starts, sizes = self._starts, self._sizes
        end = address + size
        if size <= 0 or address < self.start or end > self.end:
            raise InvariantError(f"release of {size} bytes at {address:#x}, outside {self._range()}")
        index = bisect_left(starts, address)
        touches_next = False
        if index < len(starts):
            if starts[index] < end:
                raise InvariantError(f"release of {size} bytes at {address:#x}, in part free already")
            touches_next = starts[index] == end
        if index:
            before = starts[index - 1] + sizes[index - 1]
            if before > address:
                raise InvariantError(f"release of {size} bytes at {address:#x}, in part free already")
            if before == address:
                if touches_next:
                    size += sizes[index]
                    del starts[index], sizes[index]
                sizes[index - 1] += size
                return
        if touches_next:
            starts[index] = address
            sizes[index] += size
        else:
            starts.insert(index, address)
            sizes.insert(index, size)

    def extend(self, size: int) -> None:
        """Moves the end of the range up by `size` bytes, which are free."""
        address = self.end
        self.end += size
        self.release(address, size)

    def check(self, used: Iterable[tuple[int, int]]) -> None:
        """Holds the list against the (address, size) of everything in use.

        Raises:
            InvariantError: used and free pieces overlap or leave a gap, or two free extents touch.
        """
        pieces = [(address, size, "used") for address, size in used]
        pieces += [(address, size, "free") for address, size in self]
        expected, previous = self.start, "used"
        for address, size, kind in sorted(pieces):
            if size <= 0 or address != expected:
                raise InvariantError(
                    f"{kind} piece of {size} bytes at {address:#x}: the pieces before it end at {expected:#x}"
                )
            if kind == previous == "free":
                raise InvariantError(f"two free extents touch at {address:#x}")
            expected, previous = address + size, kind
        if expected != self.end:
            raise InvariantError(f"the pieces end at {expected:#x}, the range is {self._range()}")

    def _range(self) -> str:
        return f"[{self.start:#x}, {self.end:#x})"
