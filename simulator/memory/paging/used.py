"""The pages of an address space as they are used: by touches, by bursts, lately, and in the future."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.memory.address_space import Access
from simulator.memory.errors import FaultKind
from simulator.memory.paging.bursts import BurstPages
from simulator.memory.paging.foresight import FAR, Cycle, ForesightError
from simulator.memory.paging.mapped import MappedPages
from simulator.memory.paging.shape import DIRTY, EXECUTABLE, FRAME_SHIFT, PRESENT, REFERENCED, WRITABLE
from simulator.memory.paging.swapping import SwappingPager

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.address_space import Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.paging.mechanism import PagingMechanism
    from simulator.memory.paging.pieces import BurstPlan
    from simulator.memory.paging.regions import SharedFile
    from simulator.memory.trajectory import Trajectory

NEEDS = {Access.READ: PRESENT, Access.WRITE: PRESENT | WRITABLE, Access.EXECUTE: PRESENT | EXECUTABLE}
"""The bits of an entry without which the hardware traps."""


@dataclass
class _Repeated:
    """A burst that the kernel repeats, and how many beginnings of it have been noted."""

    plan: BurstPlan
    begun: Callable[[], int]
    interrupt: Callable[[], None]
    noted: int = 0


class UsedPages(MappedPages):
    """An address space whose pages are used, and faulted in if need be.

    Attributes:
        future: its uses of pages to come, as far as they are known.
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
        self.future: Cycle | None = None
        self._repeated: _Repeated | None = None
        super().__init__(mechanism, layout, owner, number, code, control)
        self._bursts = BurstPages(self)

    def touch(self, address: int, size: int, access: Access) -> None:
        """Have the pages of a range in memory.

        Raises:
            OutOfMemory: no frame is free for one of them.
        """
        first, last = address // self.shape.page_size, -(-(address + size) // self.shape.page_size)
        self._touch(np.arange(first, last), access)

    def touch_pages(self, pages: NDArray[np.int64], access: Access) -> None:
        """Use pages, ascending and valid, each once.

        Raises:
            OutOfMemory: no frame is free for one of them.
        """
        for part in self.mechanism.pager.portions(pages):
            self._touch(part, access)

    def touch_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory:
        """Use every block that a burst allocates, whole; the faults make it longer."""
        return self._bursts.touch(burst, trajectory)

    def steady_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory | None:
        """What `touch_burst` is sure to say: known once a run has left the pages as they were."""
        return self._bursts.steady(burst, trajectory)

    def pieces(self, burst: Burst, trajectory: Trajectory) -> BurstPlan | None:
        """The pieces of a burst that begins while memory is short; None if nothing is, or can be, on disk."""
        return self._bursts.pieces(burst, trajectory) if self.mechanism.pager.swaps else None

    def repeat_burst(
        self, burst: Burst, trajectory: Trajectory, begun: Callable[[], int], interrupt: Callable[[], None]
    ) -> None:
        """Learn that the kernel repeats a burst; each time its pages count as used."""
        if self.mechanism.pager.swaps:
            self._repeated = _Repeated(self._bursts.plan(burst, trajectory), begun, interrupt)

    def end_repetition(self) -> None:
        """Learn that it repeats nothing any more."""
        self.note_repetition()
        self._repeated = None

    def note_repetition(self) -> None:
        """Let the repetitions since the last call count as uses of their pages."""
        repeated = self._repeated
        if repeated is not None and repeated.begun() > repeated.noted:
            repeated.noted = repeated.begun()
            self.mark(repeated.plan)

    def mark(self, plan: BurstPlan) -> None:
        """Let the pages of a burst that are in memory count as used."""
        entries = self.table.get_many(plan.pages)
        uses = entries[plan.where]
        self.mechanism.pager.used(uses[(uses & PRESENT) != 0], write=False)
        here = (entries & PRESENT) != 0
        self._set_bits(plan.pages[here], entries[here], Access.READ)
        entries = self.table.get_many(plan.written)
        here = (entries & PRESENT) != 0
        self._set_bits(plan.written[here], entries[here], Access.WRITE)
        self.mechanism.pager.written(entries[here])

    def lose(self) -> None:
        """Hear that pages were taken away: a burst that is repeated is steady no more."""
        if self._repeated is not None:
            repeated, self._repeated = self._repeated, None
            repeated.interrupt()

    def foresee(self, addresses: NDArray[np.int64]) -> None:
        """Learn what the program will use over and over: the first and the last use of a page in a row."""
        pages = np.asarray(addresses) >> self.shape.offset_bits
        edges = np.flatnonzero(np.diff(pages) != 0)
        places = np.unique(np.concatenate([[0], edges, edges + 1, [max(len(pages) - 1, 0)]]))
        self.future = Cycle(pages[places], places, len(pages), self.mechanism.costs.reference_ns)

    def next_uses(self, pages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the process's CPU time until each page is used next.

        Raises:
            ForesightError: it uses memory by itself, and nobody has said how.
        """
        if self.future is None and self.account.accesses:
            raise ForesightError(
                f"replacement opt needs the future, and that of a process of '{self.owner}' is not known; "
                "it is of vision jobs and of sequential memory walks"
            )
        return np.full(len(pages), FAR) if self.future is None else self.future.distances(pages)

    @property
    def working_set_bytes(self) -> int | None:
        """Pages used within the window, in memory or not; a file's are of who has had it longest."""
        swapping, pager = self.mechanism.swapping, self.mechanism.pager
        if swapping is None or not isinstance(pager, SwappingPager):
            return None
        since = max(self.mechanism.now_ns() - swapping.window_ns, 0)
        return pager.working_set(self, since) * self.shape.page_size

    @property
    def swapped_bytes(self) -> int:
        """Pages in the swap device that are not in memory."""
        pager = self.mechanism.pager
        if not isinstance(pager, SwappingPager):
            return 0
        return pager.swap.kept(self.number) * self.shape.page_size

    def hold(self, frames: int) -> None:
        """Hold so many frames for blocks without a region of their own, until the burst ends or changes it.

        Raises:
            OutOfMemory: there are not enough.
        """
        more = frames - len(self.extra)
        if more > 0:
            self.extra = np.concatenate([self.extra, self.mechanism.pager.take(self, more)])
            self.account.fault(FaultKind.DEMAND_ZERO, more, self.mechanism.costs)
        elif more < 0:
            self.mechanism.frames.release(self.extra[more:])
            self.extra = self.extra[:more]

    def _touch(self, pages: NDArray[np.int64], access: Access) -> int:
        """Use pages, ascending and valid, each once; return how many faulted."""
        pager = self.mechanism.pager
        entries = self.table.get_many(pages)
        absent = pages[(entries & PRESENT) == 0]
        shared = pages[(entries & NEEDS[access]) == PRESENT] if access is Access.WRITE else pages[:0]
        if len(absent) or len(shared):
            with ExitStack() as pins:
                # None of them may go while the others come.
                pins.enter_context(pager.pinned(entries[(entries & PRESENT) != 0] >> FRAME_SHIFT))
                for region in self.regions_by_page:
                    own = absent[(absent >= region.first) & (absent < region.last)]
                    if len(own):
                        pager.bring_in(self, region, own)
                        pins.enter_context(pager.pinned(self.table.get_many(own) >> FRAME_SHIFT))
                for page in shared.tolist():
                    pager.unshare(self, page)
                    pins.enter_context(pager.pinned(np.array([self.table.entry(page) >> FRAME_SHIFT])))
            entries = self.table.get_many(pages)
        self._set_bits(pages, entries, access)
        pager.used(entries, write=access is Access.WRITE)
        return len(absent) + len(shared)

    def _set_bits(self, pages: NDArray[np.int64], entries: NDArray[np.int64], access: Access) -> None:
        self.table.set_many(pages, entries | REFERENCED | (DIRTY if access is Access.WRITE else 0))
