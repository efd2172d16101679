"""A paged address space as the hardware and a faulting program see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.address_space import Access
from simulator.memory.costs import LINE_BYTES
from simulator.memory.errors import FaultKind, MemoryFault
from simulator.memory.paging.shape import (
    COPY_ON_WRITE,
    DIRTY,
    FRAME_SHIFT,
    PRESENT,
    REFERENCED,
)
from simulator.memory.paging.used import NEEDS, UsedPages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.mechanism import PagingMechanism
    from simulator.memory.paging.regions import SharedFile
    from simulator.memory.paging.tlb import Tlb

LETTERS = {Access.READ: "r", Access.WRITE: "w", Access.EXECUTE: "x"}


class PagedSpace(UsedPages):
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
        self._use(page, entry, access)
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
        self._use(page, entry, access)
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

    def may_wait(self, addresses: NDArray[np.int64]) -> bool:
        """Say whether pages of the addresses, or between two, may be on disk, or send others there."""
        if not self.mechanism.pager.swaps or not len(addresses):
            return False
        low, high = int(addresses.min()), int(addresses.max())
        if high - low < len(addresses) * self.shape.page_size:
            addresses = np.arange(low, high + self.shape.page_size, self.shape.page_size)
        return not self._all_fits(addresses)

    def step_bytes(self, address: int, size: int) -> int:
        """Up to the end of the page, where there is a disk to wait for."""
        return min(size, self.reach(address)) if self.mechanism.pager.swaps else size

    def access_many(self, addresses: NDArray[np.int64], access: Access) -> None:
        """Use one address after another: as `resolve` on each, in arrays."""
        done = 0
        while done < len(addresses):
            done += self.access_some(addresses[done:], access)

    def access_some(self, addresses: NDArray[np.int64], access: Access) -> int:
        """As `access_many`, up to the first use that has to wait for a disk; return how many were used."""
        if self.mechanism.pager.swaps and not self._all_fits(addresses):
            return self._one_by_one(addresses, access)
        self._all_at_once(addresses, access)
        if self.future is not None:
            self.future.advance(len(addresses))
        return len(addresses)

    def _all_at_once(self, addresses: NDArray[np.int64], access: Access) -> None:
        """Use addresses none of which takes a page away."""
        pages = np.asarray(addresses) >> self.shape.offset_bits
        wrong = np.flatnonzero(~self.regions_by_page.valid(pages, LETTERS[access]))
        if len(wrong):
            self._all_at_once(addresses[: wrong[0]], access)
            self.resolve(int(addresses[wrong[0]]), access)
            raise InvariantError("an access that no region allows was served")
        if not len(pages):
            return
        # Only the first of several accesses to one page after another can change what the TLB knows.
        runs = pages[np.flatnonzero(np.diff(pages, prepend=pages[0] - 1))]
        misses = self.tlb.use_many(self.number, runs.tolist())
        faulted = self._touch(np.unique(runs), access)
        if self.mechanism.pager.swaps:
            # The same once more, in the order of use.
            self.mechanism.pager.used(self.table.get_any(runs), write=access is Access.WRITE)
        account = self.account
        account.accesses += len(pages)
        account.data_references += len(pages)
        account.tlb_misses += misses if self.tlb.shape.entries else len(pages)
        account.tlb_hits += len(pages) - misses if self.tlb.shape.entries else 0
        walks = (misses if self.tlb.shape.entries else len(pages)) + faulted
        account.references += walks * self.shape.levels

    def copy(self, source: int, to: int, size: int) -> None:
        """Copy bytes; the page that is written stays in memory while the other one is brought in."""
        while size > 0:
            target = self.resolve(to, Access.WRITE)
            length = min(size, self.reach(source), self.reach(to))
            with self.mechanism.pager.pinned(np.array([target // self.shape.page_size])):
                origin = self.resolve(source, Access.READ)
            self.storage.copy(origin, target, length)
            self.account.data_references += 2 * -(-length // LINE_BYTES)
            source, to, size = source + length, to + length, size - length

    def _use(self, page: int, entry: int, access: Access) -> None:
        """Set the bits that the hardware sets at a use."""
        bits = REFERENCED | (DIRTY if access is Access.WRITE else 0)
        if entry & bits != bits:
            self.table.set(page, entry | bits)
        if self.mechanism.pager.swaps:
            self.mechanism.pager.used(np.array([entry]), write=access is Access.WRITE)

    def _all_fits(self, addresses: NDArray[np.int64]) -> bool:
        """Say whether addresses can be used without taking a page away or waiting for a disk."""
        pages = np.unique(np.asarray(addresses) >> self.shape.offset_bits)
        entries = self.table.get_many(pages[(pages >= 0) & (pages < self.shape.pages)])
        if (((entries & PRESENT) == 0) & (entries != 0)).any():
            return False
        absent = int(np.count_nonzero(entries == 0))
        files = [region for region in self.regions_by_page if region.file is not None]
        dropped = any((region.file.dropped >= 0).any() for region in files if region.file is not None)
        room = self.mechanism.frames.free_bytes // self.shape.page_size
        # Each page may need a copy, and tables of its own.
        if absent == 0 and not (entries & COPY_ON_WRITE).any():
            return True
        return not dropped and len(pages) * (1 + self.shape.levels) < room

    def _one_by_one(self, addresses: NDArray[np.int64], access: Access) -> int:
        """Use addresses page by page until one has to wait for the disk; return how many were used."""
        pages = np.asarray(addresses) >> self.shape.offset_bits
        starts = np.flatnonzero(np.diff(pages, prepend=pages[0] - 1))
        ends = np.append(starts[1:], len(pages))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self.resolve(int(addresses[start]), access)
            rest = end - start - 1
            if rest:
                self.account.accesses += rest
                hits = rest if self.tlb.use(self.number, int(pages[start])) else 0
                self.account.tlb_hits += hits
                self.account.tlb_misses += rest - hits
                self.account.references += (rest - hits) * self.shape.levels
            self.account.data_references += end - start
            if self.future is not None:
                self.future.advance(end - start)
            if self.disk_done_ns:
                return int(end)
        return len(addresses)

    def _page_of(self, address: int, access: Access) -> int:
        if self.number < 0 or not 0 <= address < self.top:
            raise MemoryFault(
                f"segmentation fault: {access.value} address {address:#x} outside the address space of "
                f"{self.shape.address_bits} bits",
                address,
            )
        return address >> self.shape.offset_bits
