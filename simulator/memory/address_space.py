"""What every address space offers, whatever mechanism translates its addresses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np

from simulator.errors import InvariantError, TimeshareError
from simulator.memory.control import MemoryControl
from simulator.memory.costs import LINE_BYTES, Account
from simulator.memory.errors import MemoryFault
from simulator.memory.presence import Presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from simulator.memory.storage import Storage


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
        program: name of the program, by which mechanisms that can share its code between processes; "" for
            a program that nobody else runs.

    Raises:
        TimeshareError: a size is negative, or all are zero.
    """

    code_bytes: int
    heap_bytes: int
    stack_bytes: int
    program: str = ""

    def __post_init__(self) -> None:
        sizes = (self.code_bytes, self.heap_bytes, self.stack_bytes)
        if min(sizes) < 0 or max(sizes) == 0:
            raise TimeshareError(
                f"an address space of {sizes[0]} code, {sizes[1]} heap and {sizes[2]} stack bytes: "
                "none may be negative, and one at least must be positive"
            )


class Region(NamedTuple):
    """A part of an address space that a program may use, or that is held without being of use.

    Attributes:
        name: "code", "heap", "stack", "mapped", the name of a shared file, or "unused".
        start: its first virtual address.
        size: its bytes.
        resident_bytes: those of them that physical memory holds for it.
        allows: "r", "w" and "x" for what the hardware lets the process do there.
    """

    name: str
    start: int
    size: int
    resident_bytes: int
    allows: str


UNUSED = "unused"
"""Name of a region that is held in physical memory and that the program never asked for."""


class AddressSpace(Presence, ABC):
    """A process's view of memory, and the hardware and tables behind it: the MMU's contract.

    A virtual address and a kind of access go in; a physical address or a fault comes out, and what it took
    is counted. `translate` is the hardware; `resolve` adds the kernel, which serves the faults that it can.
    What may be absent from memory, and what the kernel asks about that, is in `Presence`.

    Life cycle: the constructor takes the physical memory that the mechanism needs from the start and
    raises `OutOfMemory` if it is not to be had; `release` gives everything back, once, and from then on
    every translation faults.

    Attributes:
        account: what its accesses have taken.
        control: what its job may have of memory.
    """

    can_map: ClassVar[bool] = True
    """Whether `map_region` can ever succeed."""

    def __init__(self, control: MemoryControl | None = None) -> None:
        super().__init__()
        self.account = Account()
        self.control = MemoryControl("") if control is None else control

    @property
    @abstractmethod
    def virtual_bytes(self) -> int:
        """Size of the address space: its highest valid address + 1."""

    @property
    @abstractmethod
    def resident_bytes(self) -> int:
        """Physical memory it holds."""

    @property
    @abstractmethod
    def code_start(self) -> int:
        """Address of the first byte of the code."""

    @property
    @abstractmethod
    def stack_top(self) -> int:
        """Address behind the last byte of the stack, which grows down from there."""

    @property
    @abstractmethod
    def storage(self) -> Storage:
        """The bytes that physical addresses stand for."""

    @abstractmethod
    def translate(self, address: int, access: Access) -> int:
        """The physical address behind a virtual one.

        Raises:
            MemoryFault: the process may not use this address in this way, or not yet.
        """

    @abstractmethod
    def reach(self, address: int) -> int:
        """How many bytes from a valid `address` on lie one behind the other in physical memory, > 0."""

    @abstractmethod
    def regions(self) -> list[Region]:
        """What the space consists of, in address order."""

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

    def map_file(self, name: str, size: int) -> int | None:  # noqa: ARG002 - a mechanism that can overrides it
        """Maps a file that is only read, sharing it with whoever maps a file of that name.

        Returns:
            The address; None where the mechanism cannot share, so that the file is to be read into the heap.

        Raises:
            OutOfMemory: there is no room for it; nothing changed.
        """
        return None

    def serve(self, fault: MemoryFault, access: Access) -> None:  # noqa: ARG002 - see above
        """The kernel's answer to a fault: it makes the access possible, or raises the fault.

        Raises:
            MemoryFault: it is the process's mistake.
            OutOfMemory: there is no memory to serve it with.
        """
        raise fault

    def resolve(self, address: int, access: Access) -> int:
        """The physical address behind a virtual one, with the kernel's help if need be.

        Raises:
            MemoryFault, OutOfMemory: as `serve`.
        """
        try:
            return self.translate(address, access)
        except MemoryFault as fault:
            self.serve(fault, access)
        return self.translate(address, access)

    def read(self, address: int, size: int, access: Access = Access.READ) -> bytes:
        """Return the bytes at a virtual address.

        Raises:
            MemoryFault, OutOfMemory: as `resolve`.
        """
        return b"".join(
            self.storage.read(physical, length) for physical, length in self._pieces(address, size, access)
        )

    def write(self, address: int, data: bytes) -> None:
        """Put bytes at a virtual address; up to a fault, they are written.

        Raises:
            MemoryFault, OutOfMemory: as `resolve`.
        """
        done = 0
        for physical, length in self._pieces(address, len(data), Access.WRITE):
            self.storage.write(physical, data[done : done + length])
            done += length

    def copy(self, source: int, to: int, size: int) -> None:
        """Copy bytes to a place that does not overlap theirs (memcpy); up to a fault, they are copied.

        Raises:
            MemoryFault, OutOfMemory: as `resolve`.
        """
        while size > 0:
            # Writing first: it may give a shared page another frame, where the source may lie, too.
            target, origin = self.resolve(to, Access.WRITE), self.resolve(source, Access.READ)
            length = min(size, self.reach(source), self.reach(to))
            self.storage.copy(origin, target, length)
            self.account.data_references += 2 * -(-length // LINE_BYTES)
            source, to, size = source + length, to + length, size - length

    def clear(self, address: int, size: int) -> None:
        """Set bytes to zero (memset); up to a fault, they are.

        Raises:
            MemoryFault, OutOfMemory: as `resolve`.
        """
        for physical, length in self._pieces(address, size, Access.WRITE):
            self.storage.clear(physical, length)

    def access_many(self, addresses: NDArray[np.int64], access: Access) -> None:
        """Use one address after another, as `resolve` on each; what the bytes are does not matter.

        Raises:
            MemoryFault, OutOfMemory: as `resolve`, for the first address that has one.
        """
        for address in np.asarray(addresses).tolist():
            self.resolve(address, access)
            self.account.data_references += 1

    def touch(self, address: int, size: int, access: Access) -> None:
        """Have a range in memory, as by a use of each of its pages, without counting the accesses.

        Raises:
            OutOfMemory: there is no memory for it.
        """

    def access_some(self, addresses: NDArray[np.int64], access: Access) -> int:
        """As `access_many`, up to the first use that has to wait for a disk; return how many were used.

        Raises:
            MemoryFault, OutOfMemory: as `access_many`.
        """
        self.access_many(addresses, access)
        return len(addresses)

    @property
    def rss_bytes(self) -> int:
        """What it has in memory, tables aside, as Linux counts it: what is shared counts in full."""
        return self.resident_bytes - self.table_bytes

    @property
    def table_bytes(self) -> int:
        """Physical memory that the tables for translating its addresses take, part of what it holds."""
        return 0

    @property
    def internal_fragmentation_bytes(self) -> int:
        """Physical memory held that is no part of code, heap, stack or mappings (OSTEP ch. 15 and 16)."""
        return sum(region.resident_bytes for region in self.regions() if region.name == UNUSED)

    def _pieces(self, address: int, size: int, access: Access) -> Iterator[tuple[int, int]]:
        """Yield the physical pieces behind a range, as far as it can be used; then raise its fault."""
        if size < 0:
            raise InvariantError(f"an access to {size} bytes")
        while size > 0:
            physical = self.resolve(address, access)
            length = min(size, self.reach(address))
            self.account.data_references += -(-length // LINE_BYTES)
            yield physical, length
            address += length
            size -= length
