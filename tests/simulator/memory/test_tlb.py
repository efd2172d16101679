"""The TLB against the plainest models of it, and Silberschatz's exercise of a virtual memory manager."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import TimeshareError
from simulator.memory.address_space import Access, Layout
from simulator.memory.errors import FaultKind
from simulator.memory.paging.tlb import Tlb, TlbShape


def a_tlb(**shape) -> Tlb:
    """A TLB with draws of its own."""
    return Tlb(TlbShape(**shape), np.random.default_rng(1))


@given(
    st.sampled_from([(1, 1), (4, 1), (4, 2), (8, 8), (6, 3)]),
    st.sampled_from(["fifo", "lru"]),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 15)), max_size=80),
)
def test_fifo_and_lru_are_lists_from_which_the_first_goes(
    size: tuple[int, int], policy: str, uses: list[tuple[int, int]]
) -> None:
    """Each set is a list; LRU moves what is used to its end."""
    entries, ways = size
    tlb = a_tlb(entries=entries, ways=ways, policy=policy)
    model: list[list[tuple[int, int]]] = [[] for _ in range(entries // ways)]
    for space, page in uses:
        own, key = model[page % len(model)], (space, page)
        assert tlb.use(space, page) == (key in own)
        if key in own:
            if policy == "lru":
                own.remove(key)
                own.append(key)
        else:
            if len(own) == ways:
                own.pop(0)
            own.append(key)
    assert len(tlb) == sum(len(own) for own in model)
    assert all(key in tlb for own in model for key in own)


def test_random_replacement_fills_all_ways_and_evicts_by_chance() -> None:
    """Under a loop one page too long LRU never hits, and random sometimes does (OSTEP 19.4)."""
    loop = list(range(5)) * 200
    assert a_tlb(entries=4, ways=4, policy="lru").use_many(0, loop) == len(loop)
    assert 200 < a_tlb(entries=4, ways=4, policy="random").use_many(0, loop) < 700


def test_an_address_space_is_told_from_another_by_its_tag() -> None:
    """The same page of two spaces has two entries, and one can be taken out alone."""
    tlb = a_tlb(entries=8, ways=4)
    assert not tlb.use(1, 3)
    assert not tlb.use(2, 3)
    tlb.forget(1, 0, 1000)
    assert (1, 3) not in tlb
    assert tlb.use(2, 3)
    tlb.forget(2, 3, 4)
    assert len(tlb) == 0


def test_no_tlb_knows_nothing() -> None:
    """Zero entries is a machine without one."""
    tlb = a_tlb(entries=0)
    assert tlb.use_many(0, [1, 1, 1]) == 3
    tlb.forget(0, 1, 2)
    tlb.flush()
    assert (0, 1) not in tlb


@pytest.mark.parametrize(("entries", "ways"), [(64, 0), (64, 3), (4, 8), (-1, 1)])
def test_entries_are_a_multiple_of_the_ways(entries: int, ways: int) -> None:
    """Sets of different size are no hardware."""
    with pytest.raises(TimeshareError, match="must be a multiple of the ways"):
        TlbShape(entries, ways)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("batch", [True, False])
def test_silberschatz_s_virtual_memory_manager(mechanism_of, seed: int, *, batch: bool) -> None:
    """Designing a virtual memory manager: 256 pages of 256 bytes, frames in order of need, a FIFO TLB of 16.

    As many frames as pages; faults, hits and each page's frame agree with a program of a few lines.
    """
    rnd = random.Random(seed)  # noqa: S311 - a test case
    addresses, at = [], 0
    for _ in range(1000):
        at = rnd.randrange(65536) if rnd.random() < 0.5 else (at + rnd.randrange(-300, 300)) % 65536
        addresses.append(at)

    tlb: list[int] = []
    frame_of: dict[int, int] = {}
    hits = 0
    for address in addresses:
        page = address >> 8
        if page in tlb:
            hits += 1
        else:
            if len(tlb) == 16:
                tlb.pop(0)
            tlb.append(page)
        frame_of.setdefault(page, len(frame_of))

    shape = TlbShape(entries=16, ways=16, policy="fifo")
    options = {"page_size": 256, "levels": 1, "address_bits": 16, "tlb": shape}
    space = mechanism_of("paging", 260 * 256, **options).create(Layout(0, 65536, 0), "process")
    space.grow_heap(65536)
    if batch:
        space.access_many(np.array(addresses), Access.READ)
    else:
        for address in addresses:
            physical = space.resolve(address, Access.READ)
            # The page table takes the first four frames.
            assert physical == (frame_of[address >> 8] + 4) * 256 + address % 256
    assert space.account.tlb_hits == hits
    assert space.account.accesses == 1000
    assert space.account.faults[FaultKind.DEMAND_ZERO] == len(frame_of)
    assert space.account.references == 1000 - hits + len(frame_of)
