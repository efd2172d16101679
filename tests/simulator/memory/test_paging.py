"""Paging: pages come when they are touched, are shared, copied on write, and their tables lie in frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.errors import TimeshareError
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind, MemoryFault, OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import PRESETS, changed
from simulator.memory.heap_outcome import HeapFigures, Outcome
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.memory.paging.shape import DIRTY, REFERENCED, Shape
from simulator.memory.paging.tlb import TlbShape
from simulator.memory.trajectory import Trajectory, TrajectoryCache, run_burst

KIB = 1024
PAGE = 4096
LAYOUT = Layout(2 * PAGE, 64 * PAGE, 8 * PAGE)
COSTS = MemoryCosts()


def paging(memory_bytes: int = 1 << 20, **options) -> PagingMechanism:
    """A machine with pages of 4 KiB unless told otherwise."""
    return PagingMechanism(memory_bytes, COSTS, **options)


def test_a_linear_table_for_32_bits_takes_4_mib() -> None:
    """OSTEP 18.2: 20 bits of page number and 4 bytes an entry are 4 MiB for each process; levels cure it."""
    linear = paging(64 << 20, levels=1).create(LAYOUT, "process")
    two = paging(64 << 20, levels=2).create(LAYOUT, "process")
    assert linear.table.held_bytes == 4 << 20
    assert linear.resident_bytes == (4 << 20) + 2 * PAGE
    # The root, and one page of entries at the bottom; the stack's comes when the stack is touched.
    assert two.table.held_bytes == 2 * PAGE


@pytest.mark.parametrize(
    ("page", "bits", "levels", "split"),
    [
        (4096, 48, 4, (9, 9, 9, 9)),
        (4096, 39, 3, (9, 9, 9)),
        (4096, 32, 2, (10, 10)),
        (2 << 20, 48, 3, (0, 0, 0)),
    ],
)
def test_addresses_are_split_as_real_machines_do(page: int, bits: int, levels: int, split: tuple) -> None:
    """x86-64, RISC-V's Sv39, the 32-bit x86; and huge pages, whose tables are huge here, too."""
    shape = Shape(page, bits, levels)
    assert sum(shape.index_bits) == shape.vpn_bits
    if any(split):
        assert shape.index_bits == split
    assert min(shape.index_bits) >= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page_size": 3000}, "a page of 3000 bytes: it must be a power of two"),
        ({"page_size": 8192, "memory_bytes": 12288}, "no whole number of frames"),
        ({"levels": 9, "address_bits": 20}, "9 levels for 8 bits"),
        (
            {"levels": 1, "address_bits": 16, "tlb": TlbShape(32, 4)},
            "a TLB of 32 entries is larger than the page",
        ),
        ({"page_size": 64, "levels": 2, "memory_bytes": 1 << 30}, "cannot number 16777216 frames"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options: dict, message: str) -> None:
    """One message that says which."""
    with pytest.raises(TimeshareError, match=message):
        paging(**options)


def test_pages_get_frames_when_they_are_touched() -> None:
    """Demand-zero: growing the heap takes nothing; a touch takes a fault and a frame."""
    mechanism = paging()
    space = mechanism.create(LAYOUT, "process")
    start = space.grow_heap(40 * PAGE)
    held = space.resident_bytes
    space.write(start + 5 * PAGE, b"x")
    space.read(start + 9 * PAGE, 1)
    assert space.account.faults[FaultKind.DEMAND_ZERO] == 2
    assert space.resident_bytes == held + 2 * PAGE
    number = start // PAGE
    assert space.table.entry(number + 5) & (REFERENCED | DIRTY) == REFERENCED | DIRTY
    assert space.table.entry(number + 9) & (REFERENCED | DIRTY) == REFERENCED
    assert space.account.kernel_ns == (2 + 2) * COSTS.fault_ns


def test_what_nobody_mapped_is_a_segmentation_fault() -> None:
    """Between the heap's end and the stack there is nothing, and above the address space neither."""
    space = paging().create(LAYOUT, "process")
    end = space.grow_heap(PAGE) + PAGE
    for address in (end, space.stack_top, -1):
        with pytest.raises(MemoryFault, match="segmentation fault: read from"):
            space.read(address, 1)


def test_a_fork_copies_nothing_until_somebody_writes() -> None:
    """Copy-on-write: frames are shared; each writer gets a copy, and the last one has the frame to itself."""
    mechanism = paging()
    parent = mechanism.create(LAYOUT, "process")
    start = parent.grow_heap(8 * PAGE)
    parent.write(start, bytes(range(256)) * 128)
    used = mechanism.memory.used_bytes
    child = mechanism.fork(parent, "process")
    assert mechanism.memory.used_bytes == used + child.table.held_bytes
    assert child.read(start, 32 * KIB) == parent.read(start, 32 * KIB)
    child.write(start, b"C")
    parent.write(start, b"P")
    parent.write(start + PAGE, b"P")
    assert (child.read(start, 1), parent.read(start, 1), child.read(start + PAGE, 1)) == (b"C", b"P", b"\0")
    assert child.account.faults[FaultKind.COPY_ON_WRITE] == 1
    assert parent.account.faults[FaultKind.COPY_ON_WRITE] == 2
    # The child's write copied a page; the parent then found itself alone with the frame.
    assert mechanism.memory.used_bytes == used + child.table.held_bytes + 2 * PAGE
    parent.release()
    assert child.read(start + 2 * PAGE, 256) == bytes(range(256))
    child.release()
    assert mechanism.memory.used_bytes == 0


def test_the_last_user_of_a_shared_frame_writes_without_a_copy() -> None:
    """The child is gone: nothing is copied any more."""
    mechanism = paging()
    parent = mechanism.create(LAYOUT, "process")
    start = parent.grow_heap(PAGE)
    parent.write(start, b"x")
    mechanism.fork(parent, "process").release()
    moved = parent.account.moved_bytes
    parent.access_many(np.array([start, start]), Access.WRITE)
    assert parent.account.faults[FaultKind.COPY_ON_WRITE] == 1
    assert parent.account.moved_bytes == moved


def test_weights_are_in_memory_once() -> None:
    """A file that is only read is the same frames for all, and goes with its last reader."""
    mechanism = paging()
    one, two = mechanism.create(LAYOUT, "one"), mechanism.create(LAYOUT, "two")
    places = [space.map_file("weights", 10 * PAGE + 1) for space in (one, two)]
    used = mechanism.memory.used_bytes
    for space, place in zip((one, two), places, strict=True):
        space.access_many(np.arange(place, place + 10 * PAGE, 512), Access.READ)
    tables = mechanism.memory.used_bytes - used - 10 * PAGE
    assert 0 < tables <= 2 * 3 * PAGE
    assert one.account.faults[FaultKind.SHARED_PAGE] - two.account.faults[FaultKind.SHARED_PAGE] == 0
    assert one.translate(places[0], Access.READ) == two.translate(places[1], Access.READ)
    with pytest.raises(MemoryFault, match="in weights, which allows r alone"):
        one.write(places[0], b"x")
    assert one.resident_bytes - two.resident_bytes == 10 * PAGE
    one.release()
    assert two.resident_bytes == mechanism.memory.used_bytes


def test_a_mapping_gives_its_frames_back() -> None:
    """map_region and unmap_region are what malloc uses for large blocks."""
    mechanism = paging()
    space = mechanism.create(LAYOUT, "process")
    used = mechanism.memory.used_bytes
    region = space.map_region(16 * PAGE)
    assert region % PAGE == 0
    space.access_many(np.arange(region, region + 16 * PAGE, PAGE), Access.WRITE)
    assert mechanism.memory.used_bytes >= used + 16 * PAGE
    other = space.map_region(PAGE)
    assert other + PAGE == region
    space.unmap_region(region)
    assert space.map_region(3 * PAGE) >= region
    with pytest.raises(MemoryFault, match="not mapped"):
        space.read(region, 1)
    assert space.account.faults[FaultKind.DEMAND_ZERO] == 16
    with pytest.raises(OutOfMemory, match="between heap and stack"):
        space.map_region(1 << 50)


def test_a_heap_that_shrinks_gives_whole_pages_back() -> None:
    """The page that the break is in stays."""
    mechanism = paging()
    space = mechanism.create(LAYOUT, "process")
    start = space.grow_heap(8 * PAGE)
    space.write(start, bytes(8 * PAGE))
    held = space.resident_bytes
    assert space.shrink_heap(5 * PAGE - 1)
    assert space.resident_bytes == held - 4 * PAGE
    assert space.grow_heap(5 * PAGE) == start + 3 * PAGE + 1
    assert space.read(start + 4 * PAGE, PAGE) == bytes(PAGE)


def test_no_frame_is_out_of_memory_and_nothing_is_lost() -> None:
    """What was written before stays."""
    mechanism = paging(16 * PAGE)
    space = mechanism.create(LAYOUT, "process")
    start = space.grow_heap(60 * PAGE)
    with pytest.raises(OutOfMemory, match="no frame is free"):
        space.write(start, b"x" * 60 * PAGE)
    assert space.read(start, 8) == b"xxxxxxxx"
    mechanism.memory.check()


@pytest.mark.parametrize("asids", [True, False])
def test_without_tags_a_switch_flushes_the_tlb(*, asids: bool) -> None:
    """OSTEP 19.5: with address space identifiers a process finds its translations again."""
    mechanism = paging(tlb=TlbShape(16, 16, "lru", asids))
    spaces = [mechanism.create(LAYOUT, name) for name in ("one", "two")]
    places = [space.grow_heap(4 * PAGE) for space in spaces]
    for turn in range(10):
        for space, place in zip(spaces, places, strict=True):
            mechanism.run_on(space, 0, turn)
            space.access_many(np.arange(place, place + 4 * PAGE, 1024), Access.READ)
    misses = sum(space.account.tlb_misses for space in spaces)
    assert misses == (8 if asids else 80)
    assert sum(space.account.tlb_hits for space in spaces) == 320 - misses


@given(uses=st.lists(st.tuples(st.integers(0, 39 * PAGE), st.booleans()), max_size=60), forked=st.booleans())
def test_many_accesses_at_once_cost_what_they_cost_one_by_one(
    uses: list[tuple[int, bool]], *, forked: bool
) -> None:
    """Arrays are only quicker: hits, misses, references, faults and the tables agree."""
    spaces = []
    for batch in (True, False):
        mechanism = paging(tlb=TlbShape(8, 2, "lru"))
        space = mechanism.create(LAYOUT, "process")
        start = space.grow_heap(40 * PAGE)
        if forked:
            space.write(start, bytes(20 * PAGE))
            mechanism.fork(space, "child")
        for write in (False, True):
            access = Access.WRITE if write else Access.READ
            own = np.array([start + place for place, writes in uses if writes == write], np.int64)
            if batch:
                space.access_many(own, access)
            else:
                for address in own.tolist():
                    space.resolve(address, access)
                    space.account.data_references += 1
        spaces.append(space)
    assert spaces[0].account == spaces[1].account
    bits = [[space.table.entry(page) & 255 for page in range(50)] for space in spaces]
    assert bits[0] == bits[1]


def burst_of(*events: tuple[int, int], op_ns: int = 1000) -> Burst:
    """A burst of one operation for each (block, bytes)."""
    count = len(events)
    return Burst(
        op_cpu_ns=np.full(count, op_ns, np.int64),
        op_names=[f"op{index}" for index in range(count)],
        event_op=np.arange(count),
        event_after=np.zeros(count, np.bool_),
        event_block=np.array([block for block, _ in events]),
        event_bytes=np.array([size for _, size in events]),
        op_parallel=np.zeros(count, np.bool_),
    )


def test_a_burst_is_longer_by_its_first_touches() -> None:
    """Demand-zero faults delay what comes after them; the second time the pages are there."""
    mechanism = paging(4 << 20)
    space = mechanism.create(Layout(0, 2 << 20, 0), "process")
    heap, cache = Heap(space), TrajectoryCache()
    burst = burst_of(
        (0, 10 * PAGE), (1, 5 * PAGE), (1, -5 * PAGE), (2, 4 * PAGE), (0, -10 * PAGE), (2, -4 * PAGE)
    )
    first = space.touch_burst(burst, cache.run(heap, burst, {}))
    faults = space.account.faults[FaultKind.DEMAND_ZERO]
    assert faults == 16
    assert first.end_ns == burst.cpu_ns + faults * COSTS.fault_ns
    assert first.offset_ns[0] == 0
    assert first.offset_ns[1] == 1000 + 11 * COSTS.fault_ns
    space.end_burst()
    for _ in range(3):
        trajectory = cache.run(heap, burst, {})
        again = space.touch_burst(burst, trajectory)
        assert again.end_ns == burst.cpu_ns
        space.end_burst()
    assert space.account.faults[FaultKind.DEMAND_ZERO] == faults


def mapped(space, burst: Burst) -> Trajectory:
    """What a heap would report that gives every block a mapping of its own."""
    places: dict[int, int] = {}
    addresses = []
    for block, size in zip(burst.event_block.tolist(), burst.event_bytes.tolist(), strict=True):
        if size > 0:
            places[block] = space.map_region(size)
            addresses.append(places[block])
        else:
            addresses.append(places[block])
            space.unmap_region(places.pop(block))
    live, none = np.cumsum(burst.event_bytes), np.zeros(len(addresses), np.int64)
    outcome = Outcome(len(addresses), live, live, none, none, none, np.array(addresses), none, None)
    start = HeapFigures(0, 0, 0, 0)
    return Trajectory(burst.event_offset_ns, outcome, start, int(live.max()), burst.cpu_ns, None)


def test_freed_mappings_give_their_frames_back_and_fault_again() -> None:
    """Large blocks are new pages each time: faults every time, and frames for the peak of the burst."""
    mechanism = paging(4 << 20)
    space = mechanism.create(Layout(0, 2 << 20, 0), "process")
    burst = burst_of(
        (0, 10 * PAGE), (1, 6 * PAGE), (1, -6 * PAGE), (2, 4 * PAGE), (0, -10 * PAGE), (2, -4 * PAGE)
    )
    held = space.resident_bytes
    trajectory = mapped(space, burst)
    for times in (1, 2, 3):
        result = space.touch_burst(burst, trajectory)
        assert result.end_ns == burst.cpu_ns + 20 * COSTS.fault_ns
        assert space.resident_bytes == held + 16 * PAGE
        assert space.account.faults[FaultKind.DEMAND_ZERO] == 20 * times
        mechanism.memory.check()
        space.end_burst()
        assert space.resident_bytes == held
        assert space.steady_burst(burst, trajectory) is result
    space.map_region(PAGE)
    space.access_many(np.array([space.grow_heap(PAGE)]), Access.WRITE)
    assert space.steady_burst(burst, trajectory) is None


def test_frames_above_a_trimmed_break_are_held_for_the_burst_alone() -> None:
    """A heap that gives its top back has it anew with each burst, and at the peak it is there."""
    mechanism = paging(4 << 20)
    space = mechanism.create(Layout(0, 2 << 20, 0), "process")
    config = changed(PRESETS["glibc"], {"mmap_threshold_bytes": None, "trim_threshold_bytes": 8 * PAGE})
    heap, held = Heap(space, config), space.resident_bytes
    burst = burst_of((0, 100 * PAGE), (0, -100 * PAGE))
    for _ in range(3):
        result = space.touch_burst(burst, run_burst(heap, burst, {}))
        faults = (result.end_ns - burst.cpu_ns) // COSTS.fault_ns
        assert 60 < faults <= 101
        assert space.resident_bytes >= held + 100 * PAGE
        mechanism.memory.check()
        space.end_burst()
        assert space.resident_bytes < held + 40 * PAGE


def test_a_mapping_that_a_burst_leaves_stays() -> None:
    """Its pages are the process's until it is unmapped."""
    mechanism = paging(4 << 20)
    space = mechanism.create(Layout(0, 2 << 20, 0), "process")
    burst = burst_of((0, 10 * PAGE), (1, 6 * PAGE), (1, -6 * PAGE))
    trajectory = mapped(space, burst)
    space.touch_burst(burst, trajectory)
    space.end_burst()
    assert space.pages_held == 10
    assert space.account.faults[FaultKind.DEMAND_ZERO] == 16


def test_a_burst_fails_where_no_frame_is_left() -> None:
    """The process runs up to there, and is told what it needed."""
    mechanism = paging(32 * PAGE)
    space = mechanism.create(Layout(0, 2 << 20, 0), "process")
    heap = Heap(space)
    burst = burst_of((0, 10 * PAGE), (1, 40 * PAGE), (1, -40 * PAGE), (0, -10 * PAGE))
    result = space.touch_burst(burst, TrajectoryCache().run(heap, burst, {}))
    assert result.failure is not None
    assert (result.failure.event, result.failure.offset_ns) == (1, 1000 + 11 * COSTS.fault_ns)
    assert isinstance(result.failure.error, OutOfMemory)
    assert "by op1: no frame is free" in result.failure.reason
    assert result.heap_bytes.tolist() == [10 * PAGE] * 4
    space.end_burst()
    mechanism.memory.check()
