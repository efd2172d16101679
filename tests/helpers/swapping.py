"""Machines' memories with a swap device, small enough to reason about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism, Swapping
from simulator.memory.paging.replacement.registry import POLICIES
from simulator.memory.paging.swap import SwapShape
from simulator.memory.paging.tlb import TlbShape

if TYPE_CHECKING:
    from simulator.memory.paging.space import PagedSpace

PAGE = 256
DISK = {"latency_ns": 100_000, "bandwidth": 500_000_000, "cluster": 8}


def swapping_memory(
    frames: int,
    slots: int,
    replacement: str = "lru",
    *,
    page_size: int = PAGE,
    scope: Any = "global",
    disk: dict[str, int] | None = None,
    **options: Any,
) -> PagingMechanism:
    """Return paged memory of so many frames beside a disk of so many slots.

    Addresses have 16 bits and page tables two levels unless told otherwise.
    """
    shape = SwapShape(slots * page_size, **{**DISK, **(disk or {})})
    swapping = Swapping(shape, POLICIES[replacement], np.random.default_rng(1), scope)
    shape_of_tables = {"levels": 2, "address_bits": 16, "tlb": TlbShape(16, 16, "fifo")}
    return PagingMechanism(
        frames * page_size,
        MemoryCosts(),
        page_size=page_size,
        swapping=swapping,
        **{**shape_of_tables, **options},
    )


def check_pages(mechanism: PagingMechanism, spaces: list[PagedSpace]) -> None:
    """Hold page tables, frames, slots and the reverse map against each other."""
    from simulator.memory.paging.shape import DIRTY, FRAME_SHIFT, PRESENT, REFERENCED  # noqa: PLC0415

    mechanism.check()
    residents, disk = mechanism.pager.residents, mechanism.disk
    records, size = residents.records, mechanism.shape.page_size
    users: dict[int, int] = {}
    slots: dict[int, int] = {}
    for space in spaces:
        held = 0
        for region in space.regions_by_page:
            for page in range(region.first, region.last):
                entry = space.table.entry(page)
                if entry & PRESENT:
                    frame = entry >> FRAME_SHIFT
                    assert not entry & DIRTY or records.dirty[frame]
                    assert not entry & REFERENCED or records.referenced[frame]
                    if region.file is None:
                        held += 1
                        users[frame] = users.get(frame, 0) + 1
                        assert (space.number, page) in residents.users(frame)
                    else:
                        assert region.file.frames[page - region.first] == frame
                elif entry:
                    slots[(entry >> FRAME_SHIFT) - 1] = slots.get((entry >> FRAME_SHIFT) - 1, 0) + 1
        assert held == space.pages_held
        assert residents.space_of(space.number) is space
    storage = mechanism.frames.storage
    for frame, count in users.items():
        assert mechanism.frames.users(frame) == count
        slot = int(residents.slot[frame])
        if slot >= 0:
            slots[slot] = slots.get(slot, 0) + 1
        if not records.dirty[frame]:
            kept = bytes(size) if slot < 0 else disk.storage.read(slot * size, size)
            assert storage.read(frame * size, size) == kept
    assert all(disk.users(slot) == count for slot, count in slots.items())
    assert disk.used_bytes == len(slots) * size
    tables = sum(space.table.held_bytes for space in spaces)
    files = {
        id(region.file): region.file for space in spaces for region in space.regions_by_page if region.file
    }
    in_files = sum(file.pages_held for file in files.values())
    extra = sum(len(space.extra) for space in spaces)
    assert mechanism.frames.used_bytes == tables + (len(users) + in_files + extra) * size
