"""The shape of virtual addresses and page tables, and what stands in a page table entry."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Entries = NDArray[np.int32] | NDArray[np.int64]

PRESENT = 1
WRITABLE = 2
EXECUTABLE = 4
COPY_ON_WRITE = 8
"""The page is another process's too since a fork; the kernel's bit, the hardware does not look at it."""
REFERENCED = 32
DIRTY = 64
"""The bits of an entry (OSTEP fig. 18.5, at the x86's places where it has them)."""
FRAME_SHIFT = 8
"""An entry holds the frame's number above the bits.

One that is not present and not 0 is of a page in the swap device, and holds the slot's number + 1 there.
"""

SMALL_ENTRY_BYTES, ENTRY_BYTES = 4, 8
SMALL_ADDRESS_BITS = 32
"""Up to this length of address an entry takes 4 bytes, as on the 32-bit x86; above, 8."""


@dataclass(frozen=True)
class Shape:
    """How a virtual address is taken apart.

    Attributes:
        page_size: bytes of a page and of a frame, a power of two.
        address_bits: length of a virtual address.
        levels: how many tables a translation goes through; 1 is a linear page table.

    Raises:
        TimeshareError: a page size that is no power of two, or sizes that do not fit together.
    """

    page_size: int
    address_bits: int
    levels: int

    def __post_init__(self) -> None:
        if self.page_size < 1 or self.page_size & (self.page_size - 1):
            raise TimeshareError(f"a page of {self.page_size} bytes: it must be a power of two")
        if self.vpn_bits < self.levels or self.levels < 1:
            raise TimeshareError(
                f"{self.levels} levels for {max(self.vpn_bits, 0)} bits of virtual page number: each level "
                "takes one bit at least"
            )

    @property
    def offset_bits(self) -> int:
        """Bits of the offset within a page."""
        return self.page_size.bit_length() - 1

    @property
    def vpn_bits(self) -> int:
        """Bits of the virtual page number."""
        return self.address_bits - self.offset_bits

    @property
    def pages(self) -> int:
        """Pages in an address space."""
        return 1 << self.vpn_bits

    @property
    def entry_bytes(self) -> int:
        """Bytes of a page table entry."""
        return SMALL_ENTRY_BYTES if self.address_bits <= SMALL_ADDRESS_BITS else ENTRY_BYTES

    @cached_property
    def index_bits(self) -> tuple[int, ...]:
        """Bits of the index at each level, from the root to the leaves.

        A table below the root fills one page (OSTEP ch. 20) where the bits suffice; the root takes the rest.
        """
        full = max((self.page_size // self.entry_bytes).bit_length() - 1, 1)
        bits: list[int] = []
        left = self.vpn_bits
        for below in range(self.levels - 1, 0, -1):
            # Every level above needs a bit, too.
            own = min(full, left - below)
            bits.insert(0, own)
            left -= own
        return (left, *bits)

    @cached_property
    def shifts(self) -> tuple[int, ...]:
        """How far a page number is shifted to get the index at each level."""
        return tuple(sum(self.index_bits[level + 1 :]) for level in range(self.levels))

    def table_bytes(self, level: int) -> int:
        """Return the bytes of a table at a level, at least a page."""
        return max(self.entry_bytes << self.index_bits[level], self.page_size)
