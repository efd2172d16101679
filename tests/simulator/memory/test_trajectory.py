"""Trajectories: a burst's memory events happen on a real heap, and repeating them may be skipped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.errors import InvariantError
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.physical import PhysicalMemory
from simulator.memory.trajectory import TrajectoryCache, run_burst

if TYPE_CHECKING:
    from collections.abc import Sequence

KIB = 1024
MIB = 1024 * KIB

Event = tuple[int, bool, int, int]
"""(operation, at its end, block, bytes), as Burst has them in columns."""


def heap_of(room: int) -> Heap:
    """A heap that may grow to `room` bytes, a multiple of 4 KiB."""
    return Heap(BaseAndBounds(PhysicalMemory(room), Layout(0, room, 0), "process"))


def burst_of(op_cpu_ns: Sequence[int], events: Sequence[Event]) -> Burst:
    """A burst of operations named op 0, op 1, ..."""
    columns = list(zip(*events, strict=True)) or [(), (), (), ()]
    return Burst(
        op_cpu_ns=np.array(op_cpu_ns, dtype=np.int64),
        op_names=[f"op {op}" for op in range(len(op_cpu_ns))],
        event_op=np.array(columns[0], dtype=np.int64),
        event_after=np.array(columns[1], dtype=np.bool_),
        event_block=np.array(columns[2], dtype=np.int64),
        event_bytes=np.array(columns[3], dtype=np.int64),
        op_parallel=np.zeros(len(op_cpu_ns), dtype=np.bool_),
    )


TWO_OPS = burst_of(
    [100, 50],
    [(0, False, 1, 1000), (0, False, 2, 5000), (0, True, 2, -5000), (1, False, 3, 2000), (1, True, 1, -1000)],
)


def test_the_level_is_known_at_every_offset() -> None:
    """Events at exactly an offset have happened; before the first stands the level on entry."""
    heap = heap_of(MIB)
    heap.malloc(7)
    blocks: dict[int, int] = {}
    trajectory = run_burst(heap, TWO_OPS, blocks)
    assert trajectory.failure is None
    assert trajectory.offset_ns.tolist() == [0, 0, 100, 100, 150]
    assert trajectory.heap_bytes.tolist() == [1007, 6007, 1007, 3007, 2007]
    assert (trajectory.start_bytes, trajectory.peak_bytes, trajectory.end_ns) == (7, 6007, 150)
    assert [trajectory.level_at(at) for at in (-1, 0, 99, 100, 149, 150, 9999)] == [
        7,
        6007,
        6007,
        3007,
        3007,
        2007,
        2007,
    ]
    assert list(blocks) == [3]
    assert heap.live_bytes == 2007


@pytest.mark.parametrize(
    ("a", "b", "peak"),
    [(0, 150, 6007), (-5, -1, 7), (100, 100, 6007), (101, 149, 3007), (101, 150, 3007), (150, 200, 3007)],
)
def test_the_peak_of_an_interval_includes_the_level_on_entry(a: int, b: int, peak: int) -> None:
    """A level that an event at the very start of the interval ends is in it still."""
    heap = heap_of(MIB)
    heap.malloc(7)
    assert run_burst(heap, TWO_OPS, {}).peak_between(a, b) == peak


def test_a_burst_frees_blocks_of_an_earlier_one() -> None:
    """Blocks keep their names as long as the process lives."""
    heap = heap_of(MIB)
    blocks: dict[int, int] = {}
    run_burst(heap, burst_of([10], [(0, False, 1, 100), (0, True, 2, 200)]), blocks)
    assert list(blocks) == [1, 2]
    trajectory = run_burst(heap, burst_of([10], [(0, False, 1, -100)]), blocks)
    assert (trajectory.start_bytes, trajectory.heap_bytes.tolist()) == (300, [200])
    assert list(blocks) == [2]


def test_a_malloc_that_fails_ends_the_trajectory_and_names_the_operation() -> None:
    """What came before has happened, what comes after has not."""
    heap = heap_of(256 * KIB)
    blocks: dict[int, int] = {}
    burst = burst_of(
        [10, 20, 5], [(0, False, 1, 100 * KIB), (1, False, 2, 9 * MIB), (2, True, 1, -100 * KIB)]
    )
    trajectory = run_burst(heap, burst, blocks)
    failure = trajectory.failure
    assert failure is not None
    assert (failure.event, failure.offset_ns) == (1, 10)
    assert failure.reason.startswith("malloc of 9.0 MiB by op 1: heap is full: ")
    assert isinstance(failure.error, OutOfMemory)
    assert failure.error.needed == 9 * MIB + 16
    assert trajectory.heap_bytes.tolist() == [100 * KIB] * 3
    assert list(blocks) == [1]
    assert heap.live_bytes == 100 * KIB
    heap.check()


def test_freeing_a_block_that_is_not_alive_is_the_program_s_failure() -> None:
    """Whether it never was, or its address was freed by another call."""
    heap = heap_of(MIB)
    blocks: dict[int, int] = {}
    never = run_burst(heap, burst_of([10], [(0, True, 5, -64)]), blocks).failure
    assert never is not None
    assert never.reason == "free of 64 B by op 0: invalid free: no block 5 is alive"
    assert never.offset_ns == 10
    run_burst(heap, burst_of([10], [(0, False, 1, 64)]), blocks)
    heap.free(blocks[1])
    twice = run_burst(heap, burst_of([10], [(0, False, 1, -64)]), blocks).failure
    assert twice is not None
    assert isinstance(twice.error, InvalidFree)
    assert twice.reason == "free of 64 B by op 0: invalid free of address 0x10: it was freed before"


def test_a_name_is_not_given_twice() -> None:
    """The older block would be lost, so a burst that does it is refused as a defect."""
    burst = burst_of([10], [(0, False, 1, 64), (0, False, 1, 64)])
    with pytest.raises(InvariantError, match="malloc of 64 B by op 0: block 1 is alive already"):
        run_burst(heap_of(MIB), burst, {})


def test_a_burst_without_events_stays_at_its_level() -> None:
    """Pure computing has a trajectory too."""
    heap = heap_of(MIB)
    heap.malloc(50)
    trajectory = run_burst(heap, burst_of([10], []), {})
    assert trajectory.level_at(5) == trajectory.peak_between(0, 10) == trajectory.peak_bytes == 50
    assert trajectory.end_ns == 10


def test_a_trajectory_cannot_be_written_to() -> None:
    """It may be handed out again."""
    with pytest.raises(ValueError, match="read-only"):
        run_burst(heap_of(MIB), TWO_OPS, {}).heap_bytes[0] = 1


ROUND_TRIP = burst_of(
    [100, 50], [(0, False, 1, 3000), (0, True, 2, 500), (1, False, 1, -3000), (1, True, 2, -500)]
)


def test_a_repeated_inference_is_looked_up() -> None:
    """The first run grows the heap, the second finds it grown and is recorded, later ones touch nothing."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks: dict[int, int] = {}
    first = cache.run(heap, ROUND_TRIP, blocks)
    second = cache.run(heap, ROUND_TRIP, blocks)
    before = heap.signature()
    third = cache.run(heap, ROUND_TRIP, blocks)
    assert second is not first
    assert third is second
    assert heap.signature() == before
    assert (heap.mallocs, heap.frees, heap.peak_live_bytes) == (6, 6, 3500)


def test_a_run_looked_up_for_another_heap_counts_there() -> None:
    """A second process in the same state repeats the first one's run, and its own counters and peak move."""
    heap, twin, cache = heap_of(MIB), heap_of(MIB), TrajectoryCache()
    for each in (heap, twin):
        each.free(each.malloc(1))
    recorded = cache.run(heap, ROUND_TRIP, {})
    assert cache.run(twin, ROUND_TRIP, {}) is recorded
    assert (twin.mallocs, twin.frees, twin.peak_live_bytes) == (3, 3, 3500)


def test_a_changed_heap_is_not_mistaken_for_the_old_one() -> None:
    """A block more means another start level and other places; once it is freed, the old run holds again."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks: dict[int, int] = {}
    cache.run(heap, ROUND_TRIP, blocks)
    recorded = cache.run(heap, ROUND_TRIP, blocks)
    extra = heap.malloc(10)
    other = cache.run(heap, ROUND_TRIP, blocks)
    assert other.start_bytes == 10
    heap.free(extra)
    again = cache.run(heap, ROUND_TRIP, blocks)
    assert again is not recorded
    assert again.heap_bytes.tolist() == recorded.heap_bytes.tolist()


def test_equal_heaps_with_other_names_are_not_mistaken_for_each_other() -> None:
    """The burst frees block 1: which one that is, is the whole difference."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks: dict[int, int] = {}
    swap = burst_of([10], [(0, False, 1, -100), (0, True, 1, 100)])
    blocks[1], blocks[2] = heap.malloc(100), heap.malloc(200)
    cache.run(heap, swap, blocks)
    blocks[1], blocks[2] = blocks[2], blocks[1]
    trajectory = cache.run(heap, swap, blocks)
    assert trajectory.heap_bytes.tolist() == [100, 200]


def test_a_run_that_changes_a_block_s_size_is_carried_out_each_time() -> None:
    """Names and addresses are as before, but the heap is not, so that looking up would leave it wrong."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks = {1: heap.malloc(100)}
    regrow = burst_of([10], [(0, False, 1, -100), (0, True, 1, 200)])
    cache.run(heap, regrow, blocks)
    heap.free(blocks[1])
    assert heap.malloc(100) == blocks[1]
    cache.run(heap, regrow, blocks)
    assert heap.live_bytes == 200


def test_a_run_that_renames_a_block_is_carried_out_each_time() -> None:
    """The heap is as before, but the names are not."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks = {1: heap.malloc(100)}
    there = burst_of([10], [(0, False, 1, -100), (0, True, 2, 100)])
    back = burst_of([10], [(0, False, 2, -100), (0, True, 1, 100)])
    for _ in range(3):
        cache.run(heap, there, blocks)
        assert list(blocks) == [2]
        cache.run(heap, back, blocks)
        assert list(blocks) == [1]


def test_a_failed_run_is_tried_again() -> None:
    """The same state may have more room to grow, as the second heap has."""
    small, large, cache = heap_of(64 * KIB), heap_of(MIB), TrajectoryCache()
    burst = burst_of([10], [(0, False, 1, 100 * KIB), (0, True, 1, -100 * KIB)])
    assert small.signature() == large.signature()
    assert cache.run(small, burst, {}).failure is not None
    assert cache.run(small, burst, {}).failure is not None
    assert cache.run(large, burst, {}).failure is None


def test_the_cache_does_not_keep_bursts_alive() -> None:
    """A program may make a new burst for every request."""
    heap, cache = heap_of(MIB), TrajectoryCache()
    blocks: dict[int, int] = {}
    for _ in range(5):
        cache.run(heap, burst_of([1], [(0, False, 1, 10), (0, True, 1, -10)]), blocks)
    assert len(cache._runs) <= 1


@st.composite
def bursts(draw: st.DrawFn) -> Burst:
    """Bursts over a few names and operations; some free what is not alive, some ask for too much."""
    cpu = draw(st.lists(st.integers(0, 20), min_size=1, max_size=4))
    places = st.tuples(st.integers(0, len(cpu) - 1), st.booleans())
    alive: dict[int, int] = {}
    events: list[Event] = []
    for op, after in sorted(draw(st.lists(places, max_size=12))):
        name = draw(st.integers(0, 5))
        if name not in alive and draw(st.integers(0, 9)):
            alive[name] = draw(st.one_of(st.integers(1, 300), st.integers(1, 150 * KIB)))
            events.append((op, after, name, alive[name]))
        else:
            events.append((op, after, name, -alive.pop(name, 1)))
    if draw(st.booleans()):
        last = len(cpu) - 1
        events += [(last, True, name, -size) for name, size in alive.items()]
    return burst_of(cpu, events)


def usable(burst: Burst, blocks: dict[int, int]) -> bool:
    """Whether the burst keeps its contract here: it gives no name that is in use."""
    alive = set(blocks)
    for name, size in zip(burst.event_block.tolist(), burst.event_bytes.tolist(), strict=True):
        if size > 0 and name in alive:
            return False
        (alive.add if size > 0 else alive.discard)(name)
    return True


@given(
    burst=bursts(),
    carried=st.dictionaries(st.integers(0, 5), st.integers(1, 500), max_size=2),
    data=st.data(),
)
def test_a_trajectory_equals_a_naive_replay(
    burst: Burst, carried: dict[int, int], data: st.DataObject
) -> None:
    """Every level and every interval's peak, found by walking through the events one by one."""
    heap = heap_of(256 * KIB)
    blocks = {name: heap.malloc(size) for name, size in carried.items()}
    if not usable(burst, blocks):
        return
    trajectory = run_burst(heap, burst, blocks)
    happened = len(burst.event_op) if trajectory.failure is None else trajectory.failure.event
    sizes = dict(carried)
    steps = []
    for event in range(happened):
        name, size = int(burst.event_block[event]), int(burst.event_bytes[event])
        if size > 0:
            sizes[name] = size
        else:
            del sizes[name]
        op = int(burst.event_op[event])
        ended = op + 1 if burst.event_after[event] else op
        steps.append((int(burst.op_cpu_ns[:ended].sum()), sum(sizes.values())))
    start = sum(carried.values())
    assert sorted(blocks) == sorted(sizes)
    assert heap.live_bytes == sum(sizes.values())
    assert trajectory.heap_bytes[:happened].tolist() == [level for _, level in steps]
    assert trajectory.peak_bytes == heap.peak_live_bytes == max([start, *(level for _, level in steps)])
    a = data.draw(st.integers(-1, 85))
    b = data.draw(st.integers(a, 86))
    assert trajectory.level_at(a) == [start, *(level for at, level in steps if at <= a)][-1]
    on_entry = [start, *(level for at, level in steps if at < a)][-1]
    assert trajectory.peak_between(a, b) == max([on_entry, *(level for at, level in steps if a <= at <= b)])


Action = tuple[str, int]
"""("burst", which), ("malloc", bytes) or ("free", which block of the program's own)."""

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("burst"), st.integers(0, 2)),
        st.tuples(st.just("burst"), st.integers(0, 2)),
        st.tuples(st.just("malloc"), st.integers(1, 2000)),
        st.tuples(st.just("free"), st.integers(0, 9)),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(choice=st.lists(bursts(), min_size=3, max_size=3), actions=ACTIONS)
def test_looking_up_equals_running_again(choice: list[Burst], actions: list[Action]) -> None:
    """One process with the cache, one without, through any mixture of bursts and calls of their own."""
    cached, plain = heap_of(512 * KIB), heap_of(512 * KIB)
    cached_blocks: dict[int, int] = {}
    plain_blocks: dict[int, int] = {}
    own: list[int] = []
    cache = TrajectoryCache()
    for kind, argument in actions:
        if kind == "malloc":
            own.append(cached.malloc(argument))
            assert plain.malloc(argument) == own[-1]
        elif kind == "free" and argument < len(own):
            cached.free(own[argument])
            plain.free(own.pop(argument))
        elif kind == "burst" and usable(choice[argument], plain_blocks):
            mine = cache.run(cached, choice[argument], cached_blocks)
            theirs = run_burst(plain, choice[argument], plain_blocks)
            assert mine.heap_bytes.tolist() == theirs.heap_bytes.tolist()
            assert mine.offset_ns.tolist() == theirs.offset_ns.tolist()
            assert (mine.start_bytes, mine.peak_bytes) == (theirs.start_bytes, theirs.peak_bytes)
            assert (mine.failure is None) == (theirs.failure is None)
            if mine.failure is not None and theirs.failure is not None:
                assert mine.failure.reason == theirs.failure.reason
        assert cached_blocks == plain_blocks
        assert cached.signature() == plain.signature()
        assert [getattr(cached, name) for name in ("live_bytes", "peak_live_bytes", "mallocs", "frees")] == [
            getattr(plain, name) for name in ("live_bytes", "peak_live_bytes", "mallocs", "frees")
        ]
        cached.check()
