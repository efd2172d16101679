"""What a burst does to the heap: its memory events carried out in order, once, for later look-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.heap_outcome import HeapFigures, NameTakenError

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.heap import Heap
    from simulator.memory.heap_outcome import Outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """The memory event at which a burst cannot go on.

    Attributes:
        event: its index among the burst's events.
        offset_ns: CPU time into the burst at which it happens.
        error: what the process gets to see; its text names the operation and says what failed.
    """

    event: int
    offset_ns: int
    error: OutOfMemory | InvalidFree

    @property
    def reason(self) -> str:
        """The error's text, for the process's exit reason."""
        return str(self.error)


@dataclass(frozen=True, eq=False, slots=True)
class Trajectory:
    """How the heap stands over a burst's CPU time.

    Attributes:
        offset_ns: int64[events], CPU time into the burst of each event, non-decreasing.
        outcome: what each event did; from a failure on, as things were before it.
        start: how the heap stood before the first event.
        peak_bytes: the most live bytes, the start included.
        end_ns: CPU time of the whole burst.
        failure: where and why the burst cannot go on, None if all events happened.
    """

    offset_ns: NDArray[np.int64]
    outcome: Outcome
    start: HeapFigures
    peak_bytes: int
    end_ns: int
    failure: Failure | None

    @property
    def heap_bytes(self) -> NDArray[np.int64]:
        """int64[events], live bytes after each event."""
        return self.outcome.live

    @property
    def start_bytes(self) -> int:
        """Live bytes before the first event."""
        return self.start.live_bytes

    def level_at(self, offset_ns: int) -> int:
        """Live bytes at a CPU offset; events at exactly that offset have happened."""
        return self.figures_at(offset_ns).live_bytes

    def figures_at(self, offset_ns: int) -> HeapFigures:
        """How the heap stands at a CPU offset; events at exactly that offset have happened."""
        events = int(np.searchsorted(self.offset_ns, offset_ns, side="right"))
        if events == 0:
            return self.start
        outcome = self.outcome
        return HeapFigures(
            *(
                int(column[events - 1])
                for column in (outcome.live, outcome.held, outcome.free, outcome.largest)
            )
        )

    def peak_between(self, a_ns: int, b_ns: int) -> int:
        """Highest level in the closed interval [a_ns, b_ns].

        The level on entry, before the events at exactly a_ns, is in it, and so is every level passed
        through by several events at one offset.
        """
        first = int(np.searchsorted(self.offset_ns, a_ns, side="left"))
        last = int(np.searchsorted(self.offset_ns, b_ns, side="right"))
        entry = self._level_after(first)
        return max(entry, int(self.heap_bytes[first:last].max())) if last > first else entry

    def _level_after(self, events: int) -> int:
        return int(self.heap_bytes[events - 1]) if events else self.start_bytes


def run_burst(heap: Heap, burst: Burst, blocks: dict[int, int]) -> Trajectory:
    """Carries out a burst's memory events on the heap.

    Args:
        heap: the process's heap.
        burst: the events.
        blocks: name -> address of the process's live blocks, updated: a burst may free blocks of earlier
            bursts and leave blocks of its own.

    Returns:
        The trajectory. If an event fails, those before it have happened and no later one has.

    Raises:
        InvariantError: the burst allocates a block under the name of a live one, which its contract rules
            out.
    """
    start, (names, numbers) = heap.figures, burst.numbered_blocks
    before = np.array([blocks.get(name, 0) for name in names.tolist()], np.int64)
    addresses = before.copy()
    try:
        outcome = heap.run(numbers, burst.event_bytes, addresses)
    except NameTakenError as error:
        name = burst.event_block[error.event]
        raise InvariantError(f"{_describe(burst, error.event)}: block {name} is alive already") from error
    if heap.log is not None:
        heap.log.note_burst(heap, burst, outcome)
    for at in np.flatnonzero(addresses != before).tolist():
        if addresses[at]:
            blocks[int(names[at])] = int(addresses[at])
        else:
            del blocks[int(names[at])]
    failure = None if outcome.error is None else _failure(burst, outcome.done, outcome.error)
    peak = max(start.live_bytes, int(outcome.live.max(initial=0)))
    return Trajectory(burst.event_offset_ns, outcome, start, peak, burst.cpu_ns, failure)


def _failure(burst: Burst, event: int, error: OutOfMemory | InvalidFree) -> Failure:
    why = str(error)
    if isinstance(error, InvalidFree) and error.address == 0:
        why = f"invalid free: no block {burst.event_block[event]} is alive"
    reason = f"{_describe(burst, event)}: {why}"
    seen: OutOfMemory | InvalidFree
    if isinstance(error, OutOfMemory):
        seen = OutOfMemory(reason, error.needed, error.free, error.largest)
    else:
        seen = InvalidFree(reason, error.address)
    seen.__cause__ = error
    return Failure(event, int(burst.event_offset_ns[event]), seen)


def _describe(burst: Burst, event: int) -> str:
    size = int(burst.event_bytes[event])
    call = "malloc" if size > 0 else "free"
    return f"{call} of {format_bytes(abs(size))} by {burst.op_names[burst.event_op[event]]}"


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """A run that left heap and blocks as they were, and what it did in between.

    Attributes:
        heap: the heap's signature.
        blocks: name -> address of the blocks alive.
        trajectory: the heap's level in the run.
        mallocs, frees: how many there were.
    """

    heap: Hashable
    blocks: dict[int, int]
    trajectory: Trajectory
    mallocs: int
    frees: int


class TrajectoryCache:
    """Runs a process's bursts, and skips the work where a run is sure to repeat the last one.

    A burst's trajectory follows from the heap's blocks, free and allocated, and from the names of the
    blocks alive. If a run of the same `Burst` object started from the same state and led back to it, as
    inferences do once the heap has grown to its size, this run does the same again: the recorded
    trajectory is returned and only the heap's counters move. The last such run of each burst is kept. Runs
    that failed are not, since there may be room for the next one; nor are those of a heap on record, which is
    to show every run.
    """

    def __init__(self) -> None:
        self._runs: WeakKeyDictionary[Burst, Run] = WeakKeyDictionary()

    def repetition(self, heap: Heap, burst: Burst, blocks: dict[int, int]) -> Run | None:
        """Return the run that this one is sure to repeat, None if there is none."""
        last = self._runs.get(burst)
        return last if last is not None and last.heap == heap.signature() and last.blocks == blocks else None

    def run(self, heap: Heap, burst: Burst, blocks: dict[int, int]) -> Trajectory:
        """As `run_burst`, with the same outcome to the byte."""
        last = self.repetition(heap, burst, blocks)
        if last is not None:
            heap.count_replay(last.mallocs, last.frees, last.trajectory.peak_bytes)
            return last.trajectory
        before, blocks_before = heap.signature(), dict(blocks)
        mallocs, frees = heap.mallocs, heap.frees
        trajectory = run_burst(heap, burst, blocks)
        may_keep = trajectory.failure is None and not heap.on_record
        if may_keep and heap.signature() == before and blocks == blocks_before:
            self._runs[burst] = Run(
                before, blocks_before, trajectory, heap.mallocs - mallocs, heap.frees - frees
            )
        return trajectory
