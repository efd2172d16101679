"""What a burst does to the heap: its memory events carried out in order, once, for later look-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from simulator.errors import InvariantError
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.heap import Heap


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
    """The live bytes of the heap over a burst's CPU time.

    Attributes:
        offset_ns: int64[events], CPU time into the burst of each event, non-decreasing.
        heap_bytes: int64[events], live bytes after each event; from a failure on, the level before it.
        event_address: int64[events], where the block of each event lies; 0 from a failure on.
        start_bytes: live bytes before the first event.
        peak_bytes: highest level, the start included.
        end_ns: CPU time of the whole burst.
        failure: where and why the burst cannot go on, None if all events happened.
    """

    offset_ns: NDArray[np.int64]
    heap_bytes: NDArray[np.int64]
    event_address: NDArray[np.int64]
    start_bytes: int
    peak_bytes: int
    end_ns: int
    failure: Failure | None

    def level_at(self, offset_ns: int) -> int:
        """Live bytes at a CPU offset; events at exactly that offset have happened."""
        return self._level_after(int(np.searchsorted(self.offset_ns, offset_ns, side="right")))

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
    start = heap.live_bytes
    levels: list[int] = []
    places: list[int] = []
    failure = None
    try:
        for name, size in zip(burst.event_block.tolist(), burst.event_bytes.tolist(), strict=True):
            if size > 0:
                if name in blocks:
                    raise InvariantError(f"{_describe(burst, len(levels))}: block {name} is alive already")
                blocks[name] = heap.malloc(size)
                places.append(blocks[name])
            else:
                places.append(_free(heap, blocks, name))
            levels.append(heap.live_bytes)
    except (OutOfMemory, InvalidFree) as error:
        failure = _failure(burst, len(levels), error)
        places += [0] * (len(burst.event_bytes) - len(places))
        levels += [heap.live_bytes] * (len(burst.event_bytes) - len(levels))
    heap_bytes = np.array(levels, dtype=np.int64)
    heap_bytes.flags.writeable = False
    peak = max(start, max(levels, default=start))
    addresses = np.array(places, dtype=np.int64)
    return Trajectory(burst.event_offset_ns, heap_bytes, addresses, start, peak, burst.cpu_ns, failure)


def _free(heap: Heap, blocks: dict[int, int], name: int) -> int:
    if name not in blocks:
        raise InvalidFree(f"invalid free: no block {name} is alive", 0)
    heap.free(blocks[name])
    return blocks.pop(name)


def _failure(burst: Burst, event: int, error: OutOfMemory | InvalidFree) -> Failure:
    reason = f"{_describe(burst, event)}: {error}"
    seen: OutOfMemory | InvalidFree
    if isinstance(error, OutOfMemory):
        seen = OutOfMemory(reason, error.needed, error.free, error.largest)
    else:
        seen = InvalidFree(reason, error.address)
    return Failure(event, int(burst.event_offset_ns[event]), seen)


def _describe(burst: Burst, event: int) -> str:
    size = int(burst.event_bytes[event])
    call = "malloc" if size > 0 else "free"
    return f"{call} of {format_bytes(abs(size))} by {burst.op_names[burst.event_op[event]]}"


@dataclass(frozen=True, eq=False, slots=True)
class _Run:
    """A run that left heap and blocks as they were, and what it did in between."""

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
    that failed are not, since there may be room for the next one.
    """

    def __init__(self) -> None:
        self._runs: WeakKeyDictionary[Burst, _Run] = WeakKeyDictionary()

    def run(self, heap: Heap, burst: Burst, blocks: dict[int, int]) -> Trajectory:
        """As `run_burst`, with the same outcome to the byte."""
        before, blocks_before = heap.signature(), dict(blocks)
        last = self._runs.get(burst)
        if last is not None and last.heap == before and last.blocks == blocks_before:
            heap.count_replay(last.mallocs, last.frees, last.trajectory.peak_bytes)
            return last.trajectory
        mallocs, frees = heap.mallocs, heap.frees
        trajectory = run_burst(heap, burst, blocks)
        if trajectory.failure is None and heap.signature() == before and blocks == blocks_before:
            self._runs[burst] = _Run(
                before, blocks_before, trajectory, heap.mallocs - mallocs, heap.frees - frees
            )
        return trajectory
