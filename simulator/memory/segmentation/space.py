"""Segmentation: code, heap and stack each placed on their own (OSTEP ch. 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.errors import InvariantError
from simulator.memory.address_space import Access, AddressSpace, Region
from simulator.memory.errors import FaultKind, HeapRoomSpent, MemoryFault, OutOfMemory
from simulator.memory.format import format_bytes, round_up
from simulator.memory.segmentation.registers import Segment, SegmentTable

if TYPE_CHECKING:
    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.segmentation.mechanism import Code, SegmentationMechanism
    from simulator.memory.storage import Storage

CODE, HEAP, STACK = 0, 1, 3
"""The segments' numbers, as the VAX had them: the top two bits of an address."""
SELECTOR_BITS = 2
FIRST_STACK_BYTES = 16 * 1024
"""The stack begins with this much and grows when it is touched below."""
STACK_UNIT = 4096


class SegmentedSpace(AddressSpace):
    """An address space of three segments; what lies between them takes no memory.

    The code may be another process's too, if it runs the same program. The heap grows in place where the
    memory behind it is free, and is moved to a larger hole otherwise. The stack grows when a process
    touches it below its end.
    """

    can_map = False

    def __init__(
        self,
        mechanism: SegmentationMechanism,
        layout: Layout,
        owner: str,
        code: Code | None = None,
        control: MemoryControl | None = None,
    ) -> None:
        """Places code and stack; the heap begins empty.

        Args:
            mechanism: where the segments come from.
            layout: what they have to hold.
            owner: whose they are, for memory maps.
            code: the code of a process that this one is a copy of.
            control: who is charged for them.

        Raises:
            OutOfMemory: there is no hole for them, or a segment would be larger than its addresses.
        """
        super().__init__(control)
        self.layout = layout
        self._mechanism = mechanism
        self._memory = mechanism.memory
        self._owner = owner
        self._released = False
        room = 1 << (mechanism.address_bits - SELECTOR_BITS)
        largest = max(layout.code_bytes, layout.heap_bytes, layout.stack_bytes)
        if largest > room:
            raise OutOfMemory(
                f"a segment of {format_bytes(largest)}: with addresses of {mechanism.address_bits} bits a "
                f"segment has at most {format_bytes(room)}",
                largest,
                room,
                room,
            )
        heap = Segment("heap", 0, 0)
        stack = Segment("stack", 0, 0, grows_down=True)
        self.table = SegmentTable(mechanism.address_bits, SELECTOR_BITS, {HEAP: heap, STACK: stack})
        self._code = mechanism.load_code(self, layout, owner) if code is None else code.joined_by(self)
        if self._code is not None:
            self.table.segments[CODE] = self._code.segment
        try:
            self._resize(stack, min(layout.stack_bytes, FIRST_STACK_BYTES))
        except OutOfMemory:
            self.release()
            raise

    @property
    def virtual_bytes(self) -> int:
        """Bytes of all segments, as they are now."""
        return sum(segment.size for segment in self.table.segments.values())

    @property
    def resident_bytes(self) -> int:
        """Physical memory held; shared code counts with the process that has had it longest."""
        return sum(region.resident_bytes for region in self.regions())

    @property
    def rss_bytes(self) -> int:
        """All of its segments are in memory."""
        return self.virtual_bytes

    @property
    def code_start(self) -> int:
        """The code segment begins at 0."""
        return 0

    @property
    def stack_top(self) -> int:
        """The stack's segment is the topmost."""
        return 1 << self.table.address_bits

    @property
    def storage(self) -> Storage:
        """Physical memory."""
        return self._memory.storage

    def translate(self, address: int, access: Access) -> int:
        """The physical address behind a virtual one.

        Raises:
            MemoryFault: there is no such segment, or it ends before, or does not allow the access.
        """
        physical = self.table.translate(address, access)
        self.account.accesses += 1
        return physical

    def reach(self, address: int) -> int:
        """All bytes up to the end of the segment."""
        segment, offset = self.table.find(address)
        if segment is None:
            return 1
        return max(-offset if segment.grows_down else segment.size - offset, 1)

    def regions(self) -> list[Region]:
        """The segments, in address order."""
        answers = self._code is not None and self._code.users[:1] == [self]
        rows = []
        for number, segment in sorted(self.table.segments.items()):
            held = segment.size if number != CODE or answers else 0
            rows.append(Region(segment.name, self.table.start_of(number), segment.size, held, segment.allows))
        return [row for row in rows if row.size > 0]

    def serve(self, fault: MemoryFault, access: Access) -> None:  # noqa: ARG002 - the contract's signature
        """Let the stack grow down to the address, as far as it has room.

        Raises:
            MemoryFault: the address is not in the stack's room.
            OutOfMemory: there is no hole for a larger stack.
        """
        segment, offset = self.table.find(fault.address)
        if segment is None or not segment.grows_down or not 0 < -offset <= self.layout.stack_bytes:
            raise fault
        if fault.kind is not FaultKind.OUT_OF_BOUNDS or self._released:
            raise fault
        wanted = max(round_up(-offset, STACK_UNIT), 2 * segment.size)
        self._resize(segment, min(wanted, self.layout.stack_bytes))
        self.account.fault(FaultKind.STACK_GROWTH, 1, self._mechanism.costs)

    def grow_heap(self, size: int) -> int:
        """Moves the program break up, and with it the end of the heap's segment.

        Raises:
            OutOfMemory: the heap's room is used up, or there is no hole for a larger segment.
        """
        heap = self.table.segments[HEAP]
        start = HEAP << self.table.offset_bits
        if size < 0:
            raise InvariantError(f"the heap grows by {size} bytes")
        room = (0 if self._released else self.layout.heap_bytes) - heap.size
        if size > max(room, 0):
            raise HeapRoomSpent(
                f"growing the heap by {format_bytes(size)} would exceed its room: "
                f"{format_bytes(max(room, 0))} are left",
                size,
                max(room, 0),
                max(room, 0),
            )
        before = heap.size
        self._resize(heap, heap.size + size)
        return start + before

    def shrink_heap(self, size: int) -> bool:
        """Moves the program break down and gives the memory back.

        Raises:
            InvariantError: by less than nothing, or below where the heap began.
        """
        heap = self.table.segments[HEAP]
        if not 0 <= size <= heap.size:
            raise InvariantError(f"the heap shrinks by {size} bytes")
        if size and size == heap.size:
            self._mechanism.placement.release(heap.base)
        elif size:
            self._memory.shrink(heap.base, size)
        heap.size -= size
        return True

    def map_region(self, size: int) -> int:
        """There is no fourth segment.

        Raises:
            OutOfMemory: always.
        """
        raise OutOfMemory("a process has code, heap and stack here, and no mappings", size, 0, 0)

    def unmap_region(self, address: int) -> None:
        """There are no regions to take back.

        Raises:
            InvariantError: always.
        """
        raise InvariantError(f"no region is mapped at {address:#x}")

    def fork(self, owner: str) -> SegmentedSpace:
        """Return a copy of the space: the code shared, heap and stack copied.

        Raises:
            OutOfMemory: there is no room for the copies.
        """
        child = SegmentedSpace(self._mechanism, self.layout, owner, self._code, self.control)
        try:
            for number in (HEAP, STACK):
                mine, copy = self.table.segments[number], child.table.segments[number]
                child._resize(copy, mine.size)
                if mine.size:
                    self.storage.copy(mine.base, copy.base, mine.size)
                    self.account.copied(mine.size, self._mechanism.costs)
        except OutOfMemory:
            child.release()
            raise
        return child

    def release(self) -> None:
        """Gives all segments back; shared code when its last process is gone.

        Raises:
            InvariantError: it was released before.
        """
        if self._released:
            raise InvariantError("an address space is released twice")
        self._released = True
        if self._code is not None:
            self._mechanism.unload_code(self, self._code)
        for number in (HEAP, STACK):
            segment = self.table.segments[number]
            if segment.size:
                self._mechanism.placement.release(segment.base)
                segment.size = 0
        self.table.segments.clear()
        self.table.segments[HEAP] = Segment("heap", 0, 0)

    def _resize(self, segment: Segment, size: int) -> None:
        """Give a segment a larger size, in place or elsewhere; a stack's bytes stay at its upper end."""
        placement, more = self._mechanism.placement, size - segment.size
        if more == 0:
            return
        if segment.size == 0:
            segment.base = placement.allocate(size, self._owner, self, segment.moved_to)
        elif segment.grows_down or not self._memory.extend(segment.base, more):
            try:
                base = placement.allocate(size, self._owner, self, segment.moved_to)
            except OutOfMemory as error:
                # Compaction on the way may have left the hole right behind the segment.
                if segment.grows_down or not self._memory.extend(segment.base, more):
                    raise OutOfMemory(f"a larger {segment.name} segment {error}", *error.args[1:]) from error
            else:
                self._move(segment, base, base + more if segment.grows_down else base)
        segment.size = size

    def _move(self, segment: Segment, base: int, to: int) -> None:
        """Move a segment's bytes to `to` in the piece at `base`, which is its piece from now on."""
        self.storage.copy(segment.base, to, segment.size)
        self.account.copied(segment.size, self._mechanism.costs)
        self._mechanism.placement.release(segment.base)
        segment.base = base
