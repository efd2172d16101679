"""All that can be done with memory that is too small, in any order: no byte is lost, the books balance."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from swapping import PAGE, check_pages, swapping_memory

from simulator.memory.address_space import Access, Layout
from simulator.memory.errors import OutOfMemory
from simulator.memory.paging.replacement.registry import POLICIES

PICK = st.integers(0, 1000)
MOST_SPACES = 4


class Memory(RuleBasedStateMachine):
    """Several address spaces in few frames beside a small disk, each with a model of what it holds."""

    replacement = "lru"
    scope = "global"

    def __init__(self) -> None:
        super().__init__()
        self.mechanism = swapping_memory(28, 24, self.replacement, scope=self.scope)
        self.now = 0
        self.mechanism.now_ns = lambda: self.now
        self.spaces: list[Any] = []
        self.models: list[dict[int, int]] = []
        self.maps: list[list[int]] = []
        self.files: list[list[int]] = []

    def some(self, pick: int) -> int:
        """Pick a space."""
        return pick % len(self.spaces)

    @precondition(lambda self: len(self.spaces) < MOST_SPACES)
    @rule()
    def create(self) -> None:
        """A process begins."""
        try:
            space = self.mechanism.create(Layout(PAGE, 16 * PAGE, PAGE), f"p{self.now}")
        except OutOfMemory:
            return
        self.spaces.append(space)
        self.models.append({})
        self.maps.append([])
        self.files.append([])

    @precondition(lambda self: 0 < len(self.spaces) < MOST_SPACES)
    @rule(pick=PICK)
    def fork(self, pick: int) -> None:
        """A process has a child; the two have the same bytes."""
        at = self.some(pick)
        try:
            child = self.mechanism.fork(self.spaces[at], "child")
        except OutOfMemory:
            return
        self.spaces.append(child)
        self.models.append(dict(self.models[at]))
        self.maps.append(list(self.maps[at]))
        self.files.append(list(self.files[at]))

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, pages=st.integers(1, 6))
    def grow(self, pick: int, pages: int) -> None:
        """The heap grows."""
        at = self.some(pick)
        try:
            start = self.spaces[at].grow_heap(pages * PAGE)
        except OutOfMemory:
            return
        self.models[at] |= dict.fromkeys(range(start, start + pages * PAGE, PAGE // 2), 0)

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, pages=st.integers(1, 4))
    def shrink(self, pick: int, pages: int) -> None:
        """And shrinks."""
        at = self.some(pick)
        space = self.spaces[at]
        size = min(pages * PAGE, space.heap.end - space.heap.start)
        space.shrink_heap(size)
        end = space.heap.end
        known = self.models[at].items()
        self.models[at] = {place: value for place, value in known if place < end or place >= space.heap_limit}

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, pages=st.integers(1, 3))
    def map(self, pick: int, pages: int) -> None:
        """A mapping comes."""
        at = self.some(pick)
        try:
            start = self.spaces[at].map_region(pages * PAGE)
        except OutOfMemory:
            return
        self.maps[at].append(start)
        self.models[at] |= dict.fromkeys(range(start, start + pages * PAGE, PAGE // 2), 0)

    @precondition(lambda self: any(self.maps))
    @rule(pick=PICK, which=PICK)
    def unmap(self, pick: int, which: int) -> None:
        """And goes."""
        at = self.some(pick)
        if not self.maps[at]:
            return
        start = self.maps[at].pop(which % len(self.maps[at]))
        region = self.spaces[at].regions_by_page.at(start // PAGE)
        for place in range(start, region.last * PAGE, PAGE // 2):
            del self.models[at][place]
        self.spaces[at].unmap_region(start)

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, name=st.sampled_from(["weights", "labels"]))
    def map_file(self, pick: int, name: str) -> None:
        """A file is mapped that others may have, too."""
        at = self.some(pick)
        try:
            self.files[at].append(self.spaces[at].map_file(name, 3 * PAGE))
        except OutOfMemory:
            return

    @precondition(lambda self: any(self.models))
    @rule(pick=PICK, where=PICK, value=st.integers(1, 255))
    def write(self, pick: int, where: int, value: int) -> None:
        """A byte is written."""
        at = self.some(pick)
        places = list(self.models[at])
        if not places:
            return
        place = places[where % len(places)]
        try:
            self.spaces[at].write(place, bytes([value]))
        except OutOfMemory:
            return
        self.models[at][place] = value

    @precondition(lambda self: any(self.models))
    @rule(pick=PICK, source=PICK, to=PICK)
    def copy(self, pick: int, source: int, to: int) -> None:
        """A byte is copied from one page to another."""
        at = self.some(pick)
        places = list(self.models[at])
        if not places:
            return
        here, there = places[source % len(places)], places[to % len(places)]
        try:
            self.spaces[at].copy(here, there, 1)
        except OutOfMemory:
            return
        self.models[at][there] = self.models[at][here]

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK)
    def read_all(self, pick: int) -> None:
        """Whatever a process has ever written is what it reads."""
        at = self.some(pick)
        for place, value in self.models[at].items():
            try:
                assert self.spaces[at].read(place, 1) == bytes([value])
            except OutOfMemory:
                return

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, writes=st.booleans())
    def use_many(self, pick: int, *, writes: bool) -> None:
        """Many addresses are used at once, what they hold stays."""
        at = self.some(pick)
        places = np.array(list(self.models[at]), np.int64)
        try:
            self.spaces[at].access_many(places, Access.WRITE if writes else Access.READ)
            for start in self.files[at]:
                self.spaces[at].access_many(np.arange(start, start + 3 * PAGE, 64), Access.READ)
        except OutOfMemory:
            return

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, writes=st.booleans())
    def touch(self, pick: int, *, writes: bool) -> None:
        """A burst uses the whole heap, its code and its files, some pages at a time."""
        space = self.spaces[self.some(pick)]
        try:
            space.touch_pages(
                np.arange(space.heap.first, space.heap.last), Access.WRITE if writes else Access.READ
            )
            read = [region for region in space.regions_by_page if region.file is not None]
            pages = np.concatenate([np.arange(region.first, region.last) for region in read])
            space.touch_pages(pages, Access.READ)
        except OutOfMemory:
            return

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, frames=st.integers(0, 6))
    def hold(self, pick: int, frames: int) -> None:
        """A burst holds frames for blocks without a region."""
        try:
            self.spaces[self.some(pick)].hold(frames)
        except OutOfMemory:
            return

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK, pages=st.integers(1, 10))
    def reclaim(self, pick: int, pages: int) -> None:
        """Somebody must give memory back, and what it gives is what is said."""
        before = self.mechanism.memory.free_bytes
        freed = self.mechanism.reclaim(pages * PAGE, [self.spaces[self.some(pick)]])
        # A page shared since a fork is gone from all that have it.
        assert self.mechanism.memory.free_bytes - before == freed <= pages * PAGE

    @precondition(lambda self: self.spaces)
    @rule(pick=PICK)
    def release(self, pick: int) -> None:
        """A process ends."""
        at = self.some(pick)
        self.spaces[at].release()
        for rows in (self.spaces, self.models, self.maps, self.files):
            del rows[at]

    @rule(step=st.integers(0, 10_000_000))
    def pass_time(self, step: int) -> None:
        """Time passes."""
        self.now += step

    @invariant()
    def books_balance(self) -> None:
        """Frames, slots, page tables and the reverse map agree."""
        check_pages(self.mechanism, self.spaces)

    def teardown(self) -> None:
        """At the end everything is free."""
        for space in self.spaces:
            space.release()
        assert self.mechanism.memory.used_bytes == 0
        assert self.mechanism.disk.used_bytes == 0
        self.mechanism.check()


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "opt"])
@pytest.mark.parametrize("scope", ["global", "local"])
def test_nothing_is_lost_and_the_books_balance(name: str, scope: str) -> None:
    """Whatever the policy; but the optimum must be told the future, which has no place here."""

    class OfPolicy(Memory):
        replacement = name

    OfPolicy.scope = scope
    run_state_machine_as_test(
        OfPolicy,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        ),
    )
