"""Recorded bursts under paging: which pages they touch first, counted for a whole burst at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from simulator.memory.errors import FaultKind, OutOfMemory
from simulator.memory.paging.pieces import BurstPlan
from simulator.memory.paging.shape import COPY_ON_WRITE, PRESENT
from simulator.memory.trajectory import Failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.charges import Shortage
    from simulator.memory.heap_outcome import HeapFigures, Outcome
    from simulator.memory.paging.used import UsedPages
    from simulator.memory.trajectory import Trajectory


ANY_NUMBER = 1 << 62
"""More frames than any memory has."""
NO_PAGES: NDArray[np.int64] = np.zeros(0, np.int64)


@dataclass(eq=False)
class _Plan:
    """What the blocks of a burst take.

    Attributes:
        faults: int64[events], pages that each event touches first.
        heap: pages of the heap that are touched first and stay.
        mapped: (first, last) pages of the mappings that the burst leaves behind.
        peak: most pages at once that the burst adds.
        left: pages that it has added in the end.
        broke: the event that found no frame, -1 if all did.
        shortage: what stood against that frame.
    """

    faults: NDArray[np.int64]
    heap: NDArray[np.int64]
    mapped: list[tuple[int, int]]
    peak: int
    left: int
    broke: int
    shortage: Shortage | None = None

    @property
    def pages(self) -> NDArray[np.int64]:
        """The pages that stay, ascending."""
        mapped = [np.arange(first, last) for first, last in sorted(self.mapped)]
        return np.concatenate([self.heap, *mapped]) if mapped else self.heap


@dataclass(frozen=True, eq=False)
class _Repeated:
    """A burst that left the pages as they were."""

    trajectory: Trajectory
    version: int
    result: Trajectory
    faults: int
    extra: int


class BurstPages:
    """The pages of one space's bursts.

    A recorded operation is taken to use the whole of every block it allocates, at once. The heap's pages are
    touched once and stay. A block with a mapping of its own has new pages each time, which go when it is
    freed.

    Frames are taken for the most that the burst needs when it begins, and those of blocks that it frees
    itself are given back when it ends: within a burst `resident` is this upper bound. Recorded times
    contain what translations cost on the machine they were recorded on, so that none is added.
    """

    def __init__(self, space: UsedPages) -> None:
        self._space = space
        self._known: WeakKeyDictionary[Burst, _Repeated] = WeakKeyDictionary()
        self._plans: WeakKeyDictionary[Burst, tuple[Trajectory, int, BurstPlan]] = WeakKeyDictionary()
        self._evictions = 0

    def plan(self, burst: Burst, trajectory: Trajectory) -> BurstPlan:
        """Return which piece of a burst uses which pages."""
        last, heap_end = self._plans.get(burst), self._space.heap.last
        if last is None or last[0] is not trajectory or last[1] != heap_end:
            last = self._plans[burst] = (trajectory, heap_end, BurstPlan(self._space, burst, trajectory))
        self._space.future = last[2].future
        return last[2]

    def pieces(self, burst: Burst, trajectory: Trajectory) -> BurstPlan | None:
        """Return the pieces of a burst that begins if pages can be taken from it, None if that is unlikely.

        It is where nobody has lost a page since this process's last burst began, all that was in memory is,
        and there is room for what is new. A burst that is executed whole all the same, and loses pages before
        it ends, goes on as if it had them; the next one misses them.
        """
        space, pager = self._space, self._space.mechanism.pager
        plan = self.plan(burst, trajectory)
        quiet, self._evictions = pager.evictions == self._evictions, pager.evictions
        if not quiet:
            return plan
        entries = space.table.get_many(plan.pages)
        absent = plan.pages[(entries & PRESENT) == 0]
        if not len(absent) and not plan.held:
            return None
        on_disk = bool(entries[(entries & PRESENT) == 0].any()) or any(
            region.file is not None and ((absent >= region.first) & (absent < region.last)).any()
            for region in space.regions_by_page
        )
        needed = (len(absent) * (1 + space.shape.levels) + plan.held) * space.shape.page_size
        return plan if on_disk or needed > pager.room(space) * space.shape.page_size else None

    def touch(self, burst: Burst, trajectory: Trajectory) -> Trajectory:
        """Take the frames of a burst that begins; return its trajectory with the time of its faults."""
        result = self._take(burst, trajectory)
        if self._space.mechanism.pager.swaps:
            self._space.mark(self.plan(burst, trajectory))
        return result

    def _take(self, burst: Burst, trajectory: Trajectory) -> Trajectory:
        space, pager = self._space, self._space.mechanism.pager
        repeated = self.steady(burst, trajectory)
        if repeated is not None:
            last = self._known[burst]
            if pager.shortage(space, last.extra, NO_PAGES) is None:
                self._hold(last.extra, last.faults)
                return repeated
        version = space.version
        plan = self._plan(burst, trajectory, ANY_NUMBER)
        shortage = pager.shortage(space, plan.peak, plan.pages)
        if shortage is not None:
            room = pager.room(space) - space.table.missing_bytes(plan.pages) // space.shape.page_size
            plan = replace(self._plan(burst, trajectory, max(room, 0)), shortage=shortage)
        self._carry_out(plan)
        result = self._lengthened(burst, trajectory, plan)
        if space.version == version and result.failure is None:
            total, extra = int(plan.faults.sum()), plan.peak - plan.left
            self._known[burst] = _Repeated(trajectory, version, result, total, extra)
        return result

    def steady(self, burst: Burst, trajectory: Trajectory) -> Trajectory | None:
        """Return what `touch` will say if it has said so before in the same state; None if it has not."""
        last = self._known.get(burst)
        if last is None or last.trajectory is not trajectory or last.version != self._space.version:
            return None
        return last.result

    def _hold(self, pages: int, faults: int) -> None:
        space = self._space
        space.extra = space.mechanism.pager.take(space, pages)
        space.account.fault(FaultKind.DEMAND_ZERO, faults, space.mechanism.costs)

    def _plan(self, burst: Burst, trajectory: Trajectory, room: int) -> _Plan:
        """Follow the events, page by page in arrays, as far as `room` frames go."""
        space = self._space
        size, heap = space.shape.page_size, space.heap
        events = len(burst.event_bytes) if trajectory.failure is None else trajectory.failure.event
        first = trajectory.outcome.place // size
        last = -(-(trajectory.outcome.place + np.maximum(burst.event_bytes, 0)) // size)
        in_heap_events = np.zeros(len(first), np.bool_)
        in_heap_events[:events] = (trajectory.outcome.place < space.heap_limit)[:events]
        allocated = last[in_heap_events & (burst.event_bytes > 0)]
        # The heap may have been higher within the burst than it is at its end.
        ready = self._ready(max(heap.last, int(allocated.max(initial=0))))
        before = ready.copy()
        faults = np.zeros(len(burst.event_bytes), np.int64)
        live: dict[int, tuple[int, int]] = {}
        level = peak = 0
        broke = -1
        in_heap = in_heap_events.tolist()
        blocks, changes = burst.event_block.tolist(), burst.event_bytes.tolist()
        for event in range(events):
            if changes[event] < 0:
                gone, behind = live.pop(blocks[event], (0, 0))
                level -= behind - gone
                continue
            start, end = int(first[event]), int(last[event])
            touched = end - start
            if in_heap[event]:
                part = ready[start - heap.first : end - heap.first]
                touched -= int(np.count_nonzero(part))
            if level + touched > room:
                broke = event
                break
            if in_heap[event]:
                part[:] = True
            else:
                live[blocks[event]] = (start, end)
            faults[event] = touched
            level += touched
            peak = max(peak, level)
        stays = heap.last - heap.first
        level -= int(np.count_nonzero(ready[stays:]))
        touched_first = np.flatnonzero((ready & ~before)[:stays]) + heap.first
        return _Plan(faults, touched_first, list(live.values()), peak, level, broke)

    def _ready(self, last: int) -> NDArray[np.bool_]:
        """Say of each page of the heap up to `last` - 1 whether it can be written without a fault."""
        heap = self._space.heap
        ready = np.zeros(last - heap.first, np.bool_)
        for page, entries in self._space.table.parts(heap.first, heap.last):
            at = page - heap.first
            ready[at : at + len(entries)] = (entries & (PRESENT | COPY_ON_WRITE)) == PRESENT
        return ready

    def _carry_out(self, plan: _Plan) -> None:
        space, pager = self._space, self._space.mechanism.pager
        entries = space.table.get_many(plan.heap)
        absent = plan.heap[(entries & PRESENT) == 0]
        if len(absent):
            pager.bring_in(space, space.heap, absent)
        for page in plan.heap[(entries & PRESENT) != 0].tolist():
            pager.unshare(space, page)
        stays = len(plan.heap)
        for first, last in plan.mapped:
            region = space.regions_by_page.at(first)
            if region is not None:
                pager.bring_in(space, region, np.arange(first, last))
                stays += last - first
        self._hold(plan.peak - plan.left, int(plan.faults.sum()) - stays)

    def _lengthened(self, burst: Burst, trajectory: Trajectory, plan: _Plan) -> Trajectory:
        """Return the trajectory with the faults' time in it, and its end where no frame was left."""
        if not plan.faults.any() and plan.broke < 0:
            return trajectory
        spent = np.cumsum(plan.faults) * self._space.mechanism.costs.fault_ns
        # A block is touched after it is allocated: its faults delay what comes later.
        offsets = trajectory.offset_ns + np.concatenate([[0], spent[:-1]])
        offsets.flags.writeable = False
        failure, outcome = trajectory.failure, trajectory.outcome
        if plan.broke >= 0:
            at = plan.broke
            failure = Failure(at, int(offsets[at]), self._no_frame(burst, at, plan.shortage))
            outcome = _broken_off(outcome, trajectory.start, at)
        elif failure is not None:
            failure = replace(failure, offset_ns=int(offsets[failure.event]))
        return replace(
            trajectory,
            offset_ns=offsets,
            outcome=outcome,
            peak_bytes=max(trajectory.start_bytes, int(outcome.live.max(initial=0))),
            end_ns=trajectory.end_ns + int(spent[-1]),
            failure=failure,
        )

    def _no_frame(self, burst: Burst, event: int, shortage: Shortage | None) -> OutOfMemory:
        frames = self._space.mechanism.frames
        size, free = int(burst.event_bytes[event]), frames.free_bytes
        what = f"the block of {size} bytes by {burst.op_names[burst.event_op[event]]}"
        limited = shortage is not None and shortage.limit is not None
        why = str(shortage.error) if shortage and limited else "no frame is free to hold all of it"
        error = OutOfMemory(f"{what}: {why}", size, free, free)
        error.shortage = shortage
        return error


def _broken_off(outcome: Outcome, start: HeapFigures, at: int) -> Outcome:
    """Return an outcome in which everything stays from an event on as it was before it."""

    def stays(column: NDArray[np.int64], first: int) -> NDArray[np.int64]:
        before = column[at - 1] if at else first
        return np.concatenate([column[:at], np.full(len(column) - at, before)])

    return outcome._replace(
        live=stays(outcome.live, start.live_bytes),
        held=stays(outcome.held, start.held_bytes),
        free=stays(outcome.free, start.free_bytes),
        largest=stays(outcome.largest, start.largest_free_bytes),
    )
