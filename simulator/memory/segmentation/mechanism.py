"""Segmentation for a whole machine: where segments come from, and which code is shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.memory.placement import PlacingMechanism
from simulator.memory.segmentation.registers import Segment
from simulator.memory.segmentation.space import SegmentedSpace

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import MemoryCosts


@dataclass(eq=False)
class Code:
    """A code segment in memory.

    Attributes:
        segment: its registers, the same for all.
        users: the spaces that have it; the first of them answers for its memory.
    """

    segment: Segment
    users: list[SegmentedSpace] = field(default_factory=list)

    def joined_by(self, space: SegmentedSpace) -> Code:
        """Add a user; return the code."""
        self.users.append(space)
        return self


class SegmentationMechanism(PlacingMechanism):
    """Segmentation for a whole machine.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time.
        compaction: whether segments are moved together when external fragmentation would refuse one.
        address_bits: length of a virtual address; its top two bits choose the segment.
    """

    name = "segmentation"

    def __init__(
        self, memory_bytes: int, costs: MemoryCosts, *, compaction: bool = False, address_bits: int = 40
    ) -> None:
        super().__init__(memory_bytes, costs, compaction=compaction)
        self.address_bits = address_bits
        self._programs: dict[str, Code] = {}

    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> SegmentedSpace:
        """Return a new address space.

        Raises:
            OutOfMemory: there is no hole for its code or its stack, or a segment exceeds its addresses; or a
                limit stands against it.
        """
        return SegmentedSpace(self, layout, owner, control=control)

    def fork(self, space: AddressSpace, owner: str) -> SegmentedSpace:
        """Return a copy of a space; the code is shared."""
        return self.own(space, SegmentedSpace).fork(owner)

    def load_code(self, space: SegmentedSpace, layout: Layout, owner: str) -> Code | None:
        """Return the code of a space's program, which is in memory already if somebody else runs it."""
        if layout.code_bytes == 0:
            return None
        code = self._programs.get(layout.program)
        if code is None or code.segment.size != layout.code_bytes:
            segment = Segment("code", 0, 0, allows="rx")
            label = f"code of {layout.program}" if layout.program else owner
            segment.base = self.placement.allocate(layout.code_bytes, label, space, segment.moved_to)
            segment.size = layout.code_bytes
            code = Code(segment)
            if layout.program:
                self._programs[layout.program] = code
        return code.joined_by(space)

    def unload_code(self, space: SegmentedSpace, code: Code) -> None:
        """Take a space from the users of its code; the last one's going frees it."""
        code.users.remove(space)
        if not code.users:
            self.placement.release(code.segment.base)
            for name in [name for name, known in self._programs.items() if known is code]:
                del self._programs[name]
