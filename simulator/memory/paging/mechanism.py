"""Paging for a whole machine: its frames, its TLBs, and the files in its memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from simulator.errors import TimeshareError
from simulator.memory.costs import SECOND_NS
from simulator.memory.mechanism import Mechanism
from simulator.memory.paging.frames import Frames
from simulator.memory.paging.pager import Pager
from simulator.memory.paging.regions import SharedFile
from simulator.memory.paging.shape import FRAME_SHIFT, SMALL_ENTRY_BYTES, Shape
from simulator.memory.paging.space import PagedSpace
from simulator.memory.paging.swap import SwapDevice, SwapShape
from simulator.memory.paging.swapping import SwappingPager
from simulator.memory.paging.tlb import Tlb, TlbShape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.costs import MemoryCosts
    from simulator.memory.paging.mapped import MappedPages
    from simulator.memory.paging.replacement.base import Replacement
    from simulator.memory.paging.residents import Residents

Scope = Literal["global", "local"]
SCOPES: tuple[Scope, ...] = ("global", "local")
ADDRESS_BITS = {1: 32, 2: 32, 3: 39}
"""Usual length of an address by number of levels: the 32-bit x86, RISC-V's Sv39; 48 on the 64-bit x86."""
LONG_ADDRESS_BITS = 48


def usual_address_bits(levels: int) -> int:
    """Return the length of an address that machines with so many levels of page tables have."""
    return ADDRESS_BITS.get(levels, LONG_ADDRESS_BITS)


@dataclass(frozen=True)
class Swapping:
    """How pages are kept elsewhere when memory is short.

    Attributes:
        shape: the disk.
        policy: which page goes.
        random: what the policy draws from.
        scope: whose pages go: "global" for anybody's, or "local" for those of the job that needs a frame.
        window_ns: within which a page must have been used to be of the working set.
    """

    shape: SwapShape
    policy: type[Replacement]
    random: np.random.Generator
    scope: Scope = "global"
    window_ns: int = SECOND_NS


class PagingMechanism(Mechanism):
    """Paging.

    Args:
        memory_bytes: size of physical memory.
        costs: what memory costs in time.
        page_size: bytes of a page, a power of two.
        levels: tables that a translation goes through.
        address_bits: length of a virtual address; None for what is usual with so many levels.
        tlb: what the TLB of each CPU is like; None for 64 entries, 4-way, LRU, tagged.
        cpus: how many CPUs there are.
        random: for a TLB that replaces at random.
        swapping: the disk to swap to and how pages are replaced; None for a machine without.

    Raises:
        TimeshareError: sizes that do not fit together.
    """

    name = "paging"

    def __init__(  # noqa: PLR0913 - the parts of a machine's memory
        self,
        memory_bytes: int,
        costs: MemoryCosts,
        *,
        page_size: int = 4096,
        levels: int = 4,
        address_bits: int | None = None,
        tlb: TlbShape | None = None,
        cpus: int = 1,
        random: np.random.Generator | None = None,
        swapping: Swapping | None = None,
    ) -> None:
        super().__init__(costs)
        bits = usual_address_bits(levels) if address_bits is None else address_bits
        self.shape = Shape(page_size, bits, levels)
        self.frames = Frames(memory_bytes, page_size)
        entry_bits = 8 * self.shape.entry_bytes - 1 - FRAME_SHIFT
        if memory_bytes // page_size > 1 << entry_bits:
            raise TimeshareError(
                f"entries of {SMALL_ENTRY_BYTES} bytes cannot number {memory_bytes // page_size} frames: "
                "make pages or addresses larger"
            )
        usual = TlbShape()
        pages = self.shape.pages
        small = TlbShape(min(usual.entries, pages), min(usual.ways, pages))
        shape = small if tlb is None else tlb
        if shape.entries > pages:
            raise TimeshareError(
                f"a TLB of {shape.entries} entries is larger than the page table: it has {pages}"
            )
        draws = random or np.random.default_rng(0)
        self.tlbs = [Tlb(shape, draws) for _ in range(cpus)]
        self.swapping = swapping
        self._swap: SwapDevice | None = None
        self.pager = Pager(self.frames, costs)
        if swapping is not None:
            self.pager = self._swapping_pager(swapping)
            if swapping.shape.size_bytes // page_size >= 1 << entry_bits:
                slots = swapping.shape.size_bytes // page_size
                raise TimeshareError(
                    f"entries of {SMALL_ENTRY_BYTES} bytes cannot number {slots} swap slots: make pages or "
                    "addresses larger"
                )
        self._files: dict[str, SharedFile] = {}
        self._spaces = 0
        self._last: list[tuple[int, int]] = [(-1, -1)] * cpus

    @property
    def page_bytes(self) -> int:
        """Size of a page."""
        return self.shape.page_size

    @property
    def memory(self) -> Frames:
        """Physical memory."""
        return self.frames

    @property
    def disk(self) -> SwapDevice | None:
        """The swap device."""
        return self._swap

    @property
    def swap_bytes(self) -> int:
        """Room in the swap device."""
        return 0 if self._swap is None else self._swap.shape.size_bytes

    def create(self, layout: Layout, owner: str, control: MemoryControl | None = None) -> PagedSpace:
        """Return a new address space.

        Raises:
            OutOfMemory: there are no frames for its tables and code, or a limit stands against them; or it is
                larger than addresses reach.
        """
        return self._create(layout, owner, None, control)

    def fork(self, space: AddressSpace, owner: str) -> PagedSpace:
        """Return a copy of a space that shares its frames until one of the two writes.

        Raises:
            OutOfMemory: there are no frames for its tables.
        """
        parent = self.own(space, PagedSpace)
        code = parent.regions_by_page.at(parent.code_start >> parent.shape.offset_bits)
        shared = code.file if code is not None else None
        child = self._create(parent.layout, owner, shared, parent.control)
        try:
            self.pager.duplicate(parent, child)
        except BaseException:
            child.release()
            raise
        return child

    def run_on(self, space: AddressSpace, cpu: int, switches: int) -> None:
        """Let a space use its CPU's TLB, flushed if another did meanwhile and the entries have no tags."""
        paged = self.own(space, PagedSpace)
        paged.cpu = max(cpu, 0)
        state = (paged.number, switches)
        if not self.tlbs[paged.cpu].shape.asids and self._last[paged.cpu] != state:
            self.tlbs[paged.cpu].flush()
        self._last[paged.cpu] = state

    def open_file(self, name: str, pages: int, key: str = "") -> SharedFile:
        """Return the file of a name, which somebody may have in memory already.

        Args:
            name: what memory maps call it.
            pages: its size.
            key: by which it is found; the name itself if left out.
        """
        file = self._files.get(key or name)
        if file is None or len(file.frames) != pages:
            file = SharedFile(name, np.full(pages, -1, np.int64))
            self._files[key or name] = file
        return file

    def close_file(self, space: MappedPages, file: SharedFile) -> None:
        """Take a space from a file's users; the last one's going frees its frames."""
        file.users.remove(space)
        if not file.users:
            self.pager.close(file)
            self.frames.release(file.frames[file.frames >= 0])
            self._files = {key: known for key, known in self._files.items() if known is not file}

    def forget_pages(self, number: int, first: int, last: int) -> None:
        """Take pages out of every TLB (a shootdown)."""
        for tlb in self.tlbs:
            tlb.forget(number, first, last)

    def forget_space(self, number: int) -> None:
        """Take a whole space out of every TLB, and out of what the pager keeps."""
        self.pager.forget_space(number)
        self.forget_pages(number, 0, self.shape.pages)

    def reclaim(self, size: int, spaces: Sequence[AddressSpace]) -> int:
        """Take pages of some spaces away, as many as `size` bytes need; nobody waits for it."""
        if not isinstance(self.pager, SwappingPager):
            return 0
        own = [self.own(space, PagedSpace) for space in spaces]
        return self.pager.evict(-(-size // self.shape.page_size), list(own)) * self.shape.page_size

    def check(self) -> None:
        """Balance the books of frames, and of swap slots.

        Raises:
            InvariantError: they do not.
        """
        self.frames.check()
        if isinstance(self.pager, SwappingPager):
            self.pager.check()

    def _swapping_pager(self, swapping: Swapping) -> SwappingPager:
        self._swap = SwapDevice(swapping.shape, self.shape.page_size)

        def policy(residents: Residents) -> Replacement:
            made = swapping.policy(residents.records, swapping.random)
            residents.records.clear_referenced = residents.clear_referenced
            return made

        def now_ns() -> int:
            return self.now_ns()

        return SwappingPager(self.frames, self.costs, self._swap, policy, swapping.scope, now_ns)

    def _create(
        self, layout: Layout, owner: str, code: SharedFile | None, control: MemoryControl | None
    ) -> PagedSpace:
        self._spaces += 1
        return PagedSpace(self, layout, owner, self._spaces - 1, code, control)
