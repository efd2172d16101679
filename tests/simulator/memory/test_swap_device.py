"""The swap device: its queue, its slots, and Silberschatz's exercise with fewer frames than pages."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swapping import PAGE, check_pages, swapping_memory

from simulator.errors import InvariantError, TimeshareError
from simulator.memory.address_space import Access, Layout
from simulator.memory.errors import FaultKind, OutOfMemory
from simulator.memory.paging.swap import SwapDevice, SwapShape

LATENCY, BANDWIDTH = 100_000, 4096 * 1_000_000
"""A page of 4 KiB takes a microsecond, once it has begun."""


def device(slots: int = 64, cluster: int = 8) -> SwapDevice:
    """A small disk."""
    return SwapDevice(SwapShape(slots * 4096, LATENCY, BANDWIDTH, cluster), 4096)


def test_one_request_is_served_after_another() -> None:
    """Latency and bytes over bandwidth each; who comes while it works waits."""
    disk = device()
    assert disk.read(0, np.array([5])) == 101_000
    assert disk.write(50_000, np.array([9])) == 202_000
    assert disk.read(1_000_000, np.array([7])) == 1_101_000
    assert (disk.requests, disk.busy_ns) == (3, 303_000)
    assert (disk.read_bytes, disk.written_bytes) == (8192, 4096)
    assert [disk.worked_ns(now) for now in (100_000, 202_000, 1_050_000, 2_000_000)][2:] == [252_000, 303_000]
    assert disk.read(5, np.zeros(0, np.int64)) == 5


@pytest.mark.parametrize(
    ("places", "cluster", "requests"),
    [([1, 2, 3], 8, 1), ([1, 2, 4], 8, 2), (range(20), 8, 3), (range(20), 1, 20), ([0, 2, 4, 6], 8, 4)],
)
def test_neighbours_are_one_request(places: list[int], cluster: int, requests: int) -> None:
    """At most `cluster` of them."""
    disk = device(cluster=cluster)
    assert disk.read(0, np.array(places)) == requests * LATENCY + len(places) * 1000
    assert disk.requests == requests


@given(st.lists(st.tuples(st.sampled_from(["take", "share", "release"]), st.integers(0, 40)), max_size=60))
def test_free_and_used_slots_are_all_of_them(steps: list[tuple[str, int]]) -> None:
    """Whatever is taken, shared and released; nobody gets a slot that another has."""
    disk = device(32)
    users: dict[int, int] = {}
    for what, number in steps:
        held = sorted(users)
        if what == "take":
            if number > 32 - len(users):
                with pytest.raises(OutOfMemory, match="no swap slot is free"):
                    disk.allocate(number)
                continue
            slots = disk.allocate(number).tolist()
            assert len(set(slots)) == number
            assert not set(slots) & set(users)
            users |= dict.fromkeys(slots, 1)
        elif held:
            slot = held[number % len(held)]
            if what == "share":
                disk.share(slot, 2)
                users[slot] += 2
            else:
                disk.release(np.array([slot]))
                users[slot] -= 1
                users = {kept: count for kept, count in users.items() if count}
        disk.check()
        assert disk.used_bytes == len(users) * 4096
        assert disk.free_slots * 4096 + disk.used_bytes == disk.size_bytes
        assert all(disk.users(slot) == count for slot, count in users.items())


def test_slots_come_one_behind_the_other() -> None:
    """From where the last search ended, so that what goes together lies together."""
    disk = device(32)
    assert disk.allocate(4).tolist() == [0, 1, 2, 3]
    disk.release(np.array([1, 2]))
    assert disk.allocate(4).tolist() == [4, 5, 6, 7]
    disk.allocate(24)
    assert disk.allocate(2).tolist() == [1, 2]


def test_broken_books_are_found_on_the_spot() -> None:
    """A slot that nobody has can neither be released nor shared."""
    disk = device()
    with pytest.raises(InvariantError, match="released that nobody uses"):
        disk.release(np.array([3]))
    with pytest.raises(InvariantError, match="slot 3 is shared that nobody uses"):
        disk.share(3, 1)
    with pytest.raises(TimeshareError, match="no whole number of pages"):
        SwapDevice(SwapShape(5000), 4096)
    with pytest.raises(ValueError, match="has a size"):
        SwapShape(0)


def addresses_of(seed: int) -> list[int]:
    """A thousand addresses of 16 bits, half of them near the last."""
    rnd = random.Random(seed)  # noqa: S311 - a test case
    addresses, at = [], 0
    for _ in range(1000):
        at = rnd.randrange(65536) if rnd.random() < 0.5 else (at + rnd.randrange(-300, 300)) % 65536
        addresses.append(at)
    return addresses


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("replacement", ["fifo", "lru"])
def test_silberschatz_s_virtual_memory_manager_with_half_the_frames(replacement: str, seed: int) -> None:
    """Designing a virtual memory manager, page replacement: 128 frames, a FIFO TLB of 16, a backing store.

    Every byte is the store's, and faults and TLB hits are those of a program of a few lines.
    """
    rnd = random.Random(seed)  # noqa: S311 - a test case
    store = rnd.randbytes(65536)
    # The page table of one level takes four frames.
    mechanism = swapping_memory(132, 256, replacement, levels=1)
    space = mechanism.create(Layout(0, 65536, 0), "process")
    space.grow_heap(65536)
    space.write(0, store)
    assert mechanism.reclaim(65536, [space]) == 128 * PAGE
    space.tlb.flush()
    before = space.account.faults[FaultKind.SWAP_IN], space.account.tlb_hits
    tlb: list[int] = []
    memory: list[int] = []
    hits = faults = 0
    for address in addresses_of(seed):
        page = address // PAGE
        if page in tlb:
            hits += 1
        else:
            tlb = [*tlb[-15:], page]
        if page not in memory:
            faults += 1
            gone = memory.pop(0) if len(memory) == 128 else None
            tlb = [known for known in tlb if known != gone]
            memory.append(page)
        elif replacement == "lru":
            memory.remove(page)
            memory.append(page)
        assert space.read(address, 1) == store[address : address + 1]
    assert space.account.faults[FaultKind.SWAP_IN] - before[0] == faults
    assert space.account.tlb_hits - before[1] == hits
    check_pages(mechanism, [space])


def test_a_clean_page_is_dropped_and_a_dirty_one_written() -> None:
    """What was not written since it came from its slot is there already."""
    mechanism = swapping_memory(40, 64, levels=2)
    space = mechanism.create(Layout(0, 32 * PAGE, 0), "process")
    start = space.grow_heap(8 * PAGE)
    for page in range(8):
        space.write(start + page * PAGE, bytes([page + 1]))
    mechanism.reclaim(8 * PAGE, [space])
    assert mechanism.disk.written_bytes == 8 * PAGE
    assert [space.read(start + page * PAGE, 1) for page in range(8)] == [
        bytes([page + 1]) for page in range(8)
    ]
    space.write(start, b"new")
    mechanism.reclaim(8 * PAGE, [space])
    assert mechanism.disk.written_bytes == 9 * PAGE
    assert mechanism.disk.used_bytes == 8 * PAGE
    assert space.read(start, 3) == b"new"
    assert space.read(start + 7 * PAGE, 1) == b"\x08"


def test_a_page_that_was_never_written_is_zeros_again() -> None:
    """It needs no room on disk."""
    mechanism = swapping_memory(40, 64, levels=2)
    space = mechanism.create(Layout(0, 32 * PAGE, 0), "process")
    start = space.grow_heap(8 * PAGE)
    space.access_many(np.arange(start, start + 8 * PAGE, PAGE), Access.READ)
    assert mechanism.reclaim(8 * PAGE, [space]) == 8 * PAGE
    assert mechanism.disk.used_bytes == mechanism.disk.busy_ns == 0
    assert space.read(start, 8 * PAGE) == bytes(8 * PAGE)
    assert space.account.major_faults == 0


def test_slots_that_are_only_kept_are_given_up_when_there_are_no_others() -> None:
    """A page in memory needs no slot; nothing is lost when it loses it."""
    mechanism = swapping_memory(24, 8, levels=2)
    space = mechanism.create(Layout(0, 64 * PAGE, 0), "process")
    start = space.grow_heap(20 * PAGE)
    for page in range(8):
        space.write(start + page * PAGE, bytes([page + 1]))
    mechanism.reclaim(8 * PAGE, [space])
    for page in range(8):
        assert space.read(start + page * PAGE, 1) == bytes([page + 1])
    assert mechanism.disk.free_slots == 0
    for page in range(8, 20):
        space.write(start + page * PAGE, bytes([page + 1]))
        check_pages(mechanism, [space])
    assert [space.read(start + page * PAGE, 1)[0] for page in range(20)] == list(range(1, 21))
    check_pages(mechanism, [space])


def test_the_working_set_is_what_was_used_lately_in_memory_or_not() -> None:
    """Denning's W(t, tau), with a window of a second."""
    mechanism = swapping_memory(60, 64, levels=2)
    now = 0
    mechanism.now_ns = lambda: now
    space = mechanism.create(Layout(0, 32 * PAGE, 0), "process")
    start = space.grow_heap(20 * PAGE)
    space.write(start, bytes(range(1, 256)) * 20)
    now = 2_000_000_000
    assert space.working_set_bytes == 0
    space.write(start, b"x" * 4 * PAGE)
    assert space.working_set_bytes == 4 * PAGE
    mechanism.reclaim(60 * PAGE, [space])
    assert (space.working_set_bytes, space.swapped_bytes) == (4 * PAGE, 20 * PAGE)
    now += 900_000_000
    assert space.read(start + 4 * PAGE, 1) != b""
    assert space.working_set_bytes == 5 * PAGE
    now += 200_000_000
    assert space.working_set_bytes == PAGE
