"""A paged address space as the hardware and a faulting program see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.address_space import Access
from simulator.memory.errors import FaultKind, MemoryFault
from simulator.memory.paging.bursts import BurstPages
from simulator.memory.paging.mapped import MappedPages
from simulator.memory.paging.shape import DIRTY, EXECUTABLE, FRAME_SHIFT, PRESENT, REFERENCED, WRITABLE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.mechanism import PagingMechanism
    from simulator.memory.paging.regions import SharedFile
    from simulator.memory.paging.tlb import Tlb
    from simulator.memory.trajectory import Trajectory

NEEDS = {Access.READ: PRESENT, Access.WRITE: PRESENT | WRITABLE, Access.EXECUTE: PRESENT | EXECUTABLE}
"""The bits of an entry without which the hardware traps."""
LETTERS = {Access.READ: "r", Access.WRITE: "w", Access.EXECUTE: "x"}


class PagedSpace(MappedPages):
    """Translation by TLB and page table, and the page fault handler.

    Attributes:
        cpu: the CPU whose TLB it uses.
    """

    def __init__(
        self,
        mechanism: PagingMechanism,
        layout: Layout,
        owner: str,
        number: int,
        code: SharedFile | None = None,
        control: MemoryControl | None = None,
    ) -> None:
        self.cpu = 0
        super().__init__(mechanism, layout, owner, number, code, control)
        self._bursts = BurstPages(self)

    @property
    def tlb(self) -> Tlb:
        """The TLB of the CPU that it executes on."""
        return self.mechanism.tlbs[self.cpu]

    def translate(self, address: int, access: Access) -> int:
        """The hardware's way: the TLB, and the page table in memory if it does not know.

        Raises:
            MemoryFault: the page is not present, or its entry does not allow the access.
        """
        page = self._page_of(address, access)
        self.account.accesses += 1
        if self.tlb.use(self.number, page):
            self.account.tlb_hits += 1
            entry = self.table.entry(page)
        else:
            self.account.tlb_misses += 1
            entry, references = self.table.walk(page)
            self.account.references += references
        if entry & NEEDS[access] != NEEDS[access]:
            raise MemoryFault(f"page fault: {access.value} address {address:#x}", address)
        bits = REFERENCED | (DIRTY if access is Access.WRITE else 0)
        if entry & bits != bits:
            self.table.set(page, entry | bits)
        return (entry >> FRAME_SHIFT) * self.shape.page_size | address & (self.shape.page_size - 1)

    def resolve(self, address: int, access: Access) -> int:
        """The physical address, with the kernel's help if need be.

        After a fault that is served the access is made again, which looks the page up a second time.
        """
        try:
            return self.translate(address, access)
        except MemoryFault as fault:
            self.serve(fault, access)
        page = self._page_of(address, access)
        entry, references = self.table.walk(page)
        self.account.references += references
        bits = REFERENCED | (DIRTY if access is Access.WRITE else 0)
        self.table.set(page, entry | bits)
        return (entry >> FRAME_SHIFT) * self.shape.page_size | address & (self.shape.page_size - 1)

    def serve(self, fault: MemoryFault, access: Access) -> None:
        """The page fault handler.

        Raises:
            MemoryFault: no region has the page, or its region does not allow the access.
            OutOfMemory: no frame is free.
        """
        page = fault.address >> self.shape.offset_bits
        region = self.regions_by_page.at(page)
        what = f"segmentation fault: {access.value} address {fault.address:#x}"
        if region is None:
            self.tlb.forget(self.number, page, page + 1)
            raise MemoryFault(f"{what}, which is not mapped", fault.address, FaultKind.OUT_OF_BOUNDS)
        if LETTERS[access] not in region.allows:
            allows = f"in {region.name}, which allows {region.allows} alone"
            raise MemoryFault(f"{what}, {allows}", fault.address, FaultKind.PROTECTION)
        if self.table.entry(page) & PRESENT:
            self.mechanism.pager.unshare(self, page)
        else:
            self.mechanism.pager.bring_in(self, region, np.array([page]))

    def reach(self, address: int) -> int:
        """All bytes up to the end of the page."""
        return self.shape.page_size - (address & (self.shape.page_size - 1))

    def access_many(self, addresses: NDArray[np.int64], access: Access) -> None:
        """Use one address after another: as `resolve` on each, in arrays."""
        pages = np.asarray(addresses) >> self.shape.offset_bits
        wrong = np.flatnonzero(~self.regions_by_page.valid(pages, LETTERS[access]))
        if len(wrong):
            self.access_many(addresses[: wrong[0]], access)
            self.resolve(int(addresses[wrong[0]]), access)
            raise InvariantError("an access that no region allows was served")
        if not len(pages):
            return
        # Only the first of several accesses to one page after another can change what the TLB knows.
        runs = pages[np.flatnonzero(np.diff(pages, prepend=pages[0] - 1))]
        misses = self.tlb.use_many(self.number, runs.tolist())
        faulted = self._touch(np.unique(runs), access)
        account = self.account
        account.accesses += len(pages)
        account.data_references += len(pages)
        account.tlb_misses += misses if self.tlb.shape.entries else len(pages)
        account.tlb_hits += len(pages) - misses if self.tlb.shape.entries else 0
        walks = (misses if self.tlb.shape.entries else len(pages)) + faulted
        account.references += walks * self.shape.levels

    def touch(self, address: int, size: int, access: Access) -> None:
        """Have the pages of a range in memory.

        Raises:
            OutOfMemory: no frame is free for one of them.
        """
        first, last = address // self.shape.page_size, -(-(address + size) // self.shape.page_size)
        self._touch(np.arange(first, last), access)

    def touch_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory:
        """Use every block that a burst allocates, whole; the faults make it longer."""
        return self._bursts.touch(burst, trajectory)

    def steady_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory | None:
        """What `touch_burst` is sure to say: known once a run has left the pages as they were."""
        return self._bursts.steady(burst, trajectory)

    def _touch(self, pages: NDArray[np.int64], access: Access) -> int:
        """Use pages, ascending and valid, each once; return how many faulted."""
        entries = self.table.get_many(pages)
        absent = pages[(entries & PRESENT) == 0]
        for region in self.regions_by_page:
            own = absent[(absent >= region.first) & (absent < region.last)]
            if len(own):
                self.mechanism.pager.bring_in(self, region, own)
        shared = pages[(entries & NEEDS[access]) == PRESENT] if access is Access.WRITE else pages[:0]
        for page in shared.tolist():
            self.mechanism.pager.unshare(self, page)
        bits = REFERENCED | (DIRTY if access is Access.WRITE else 0)
        self.table.set_many(pages, self.table.get_many(pages) | bits)
        return len(absent) + len(shared)

    def _page_of(self, address: int, access: Access) -> int:
        if self.number < 0 or not 0 <= address < self.top:
            raise MemoryFault(
                f"segmentation fault: {access.value} address {address:#x} outside the address space of "
                f"{self.shape.address_bits} bits",
                address,
            )
        return address >> self.shape.offset_bits
