"""The segmentation hardware: a pair of registers for each segment, chosen by the top bits of the address.

OSTEP ch. 16: the explicit approach, segments that grow down, and protection bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.memory.address_space import Access
from simulator.memory.errors import FaultKind, MemoryFault

if TYPE_CHECKING:
    from collections.abc import Mapping

LETTERS = {Access.READ: "r", Access.WRITE: "w", Access.EXECUTE: "x"}
"""The protection bit that allows each kind of access."""


@dataclass(eq=False)
class Segment:
    """A segment as its registers describe it; several processes may have the same.

    Attributes:
        name: "code", "heap" or "stack".
        base: physical address of its lowest byte.
        size: bytes.
        grows_down: the segment's last byte, not its first, is where its addresses are counted from.
        allows: letters of "rwx": what may be done there.
    """

    name: str
    base: int
    size: int
    grows_down: bool = False
    allows: str = "rw"

    def moved_to(self, base: int) -> None:
        """Learn that the segment has been moved, while the processes that have it were stopped."""
        self.base = base


class SegmentTable:
    """The registers of one process.

    Args:
        address_bits: length of a virtual address.
        selector_bits: how many of its top bits choose the segment; the others are the offset in it.
        segments: the segment of each number that has one.
    """

    def __init__(self, address_bits: int, selector_bits: int, segments: Mapping[int, Segment]) -> None:
        self.offset_bits = address_bits - selector_bits
        self.address_bits = address_bits
        self.segments = dict(segments)

    def find(self, address: int) -> tuple[Segment | None, int]:
        """Return the segment that an address is in, and how far from where its addresses are counted from.

        In a segment that grows down the distance is negative.
        """
        if not 0 <= address < 1 << self.address_bits:
            return None, 0
        number, offset = address >> self.offset_bits, address & ((1 << self.offset_bits) - 1)
        segment = self.segments.get(number)
        if segment is not None and segment.grows_down:
            offset -= 1 << self.offset_bits
        return segment, offset

    def translate(self, address: int, access: Access) -> int:
        """Return the physical address behind a virtual one.

        Raises:
            MemoryFault: there is no such segment, or it ends before, or does not allow the access.
        """
        segment, offset = self.find(address)
        what = f"segmentation fault: {access.value} address {address:#x}"
        if segment is None:
            raise MemoryFault(f"{what}, where there is no segment", address, FaultKind.OUT_OF_BOUNDS)
        if not (-segment.size <= offset < 0 if segment.grows_down else offset < segment.size):
            ends = f"outside the {segment.name} segment of {segment.size:#x} bytes"
            raise MemoryFault(f"{what}, {ends}", address, FaultKind.OUT_OF_BOUNDS)
        if LETTERS[access] not in segment.allows:
            allows = f"in the {segment.name} segment, which allows {segment.allows} alone"
            raise MemoryFault(f"{what}, {allows}", address, FaultKind.PROTECTION)
        return segment.base + offset + (segment.size if segment.grows_down else 0)

    def start_of(self, number: int) -> int:
        """Return the lowest virtual address of a segment."""
        segment = self.segments[number]
        if segment.grows_down:
            return ((number + 1) << self.offset_bits) - segment.size
        return number << self.offset_bits
