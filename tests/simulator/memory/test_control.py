"""Who is charged for memory: limits of jobs and of groups around them, under every mechanism."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from simulator.errors import InvariantError
from simulator.memory.address_space import Access, Layout
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import HeapRoomSpent, OutOfMemory
from simulator.memory.one_program import OneProgramMechanism
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.memory.segmentation.mechanism import SegmentationMechanism

PAGE = 4096
KIB = 1024


def tree(**limits: int) -> dict[str, MemoryControl]:
    """Return jobs a and b in the group inner, c beside it in outer, d outside; limits are in pages."""
    outer = MemoryControl("outer", is_group=True)
    inner = MemoryControl("inner", parent=outer, is_group=True)
    jobs = {"a": inner, "b": inner, "c": outer, "d": None}
    claims = {name: MemoryControl(name, parent=parent) for name, parent in jobs.items()}
    claims |= {"inner": inner, "outer": outer}
    for name, pages in limits.items():
        claims[name].max_bytes = pages * PAGE
    return claims


def test_a_charge_counts_in_every_group_around_it() -> None:
    """And comes off all of them again; the most that was is remembered."""
    claims = tree()
    claims["a"].charge(5 * PAGE)
    claims["c"].charge(2 * PAGE)
    assert [claims[name].used_bytes // PAGE for name in ("a", "inner", "outer", "b")] == [5, 5, 7, 0]
    claims["a"].uncharge(4 * PAGE)
    assert [claims[name].used_bytes // PAGE for name in ("a", "inner", "outer")] == [1, 1, 3]
    assert [claims[name].peak_bytes // PAGE for name in ("a", "inner", "outer")] == [5, 5, 7]
    with pytest.raises(InvariantError, match="8192 bytes are uncharged of a"):
        claims["a"].uncharge(2 * PAGE)


def test_the_innermost_limit_that_would_be_exceeded_is_the_one_that_is_hit() -> None:
    """To the byte: what just fits is no hit."""
    claims = tree(a=4, inner=6, outer=6)
    assert claims["a"].limit_hit(4 * PAGE) is None
    assert claims["a"].limit_hit(4 * PAGE + 1) is claims["a"]
    claims["b"].charge(3 * PAGE)
    assert claims["a"].limit_hit(4 * PAGE) is claims["inner"]
    assert claims["c"].limit_hit(4 * PAGE) is claims["outer"]
    assert claims["a"].headroom_bytes() == 3 * PAGE
    assert claims["d"].headroom_bytes() is None


def test_a_refused_charge_names_the_limit_and_leaves_everything_as_it_was() -> None:
    """Four pages of tables, one of code, and three more may be had, not four."""
    mechanism = PagingMechanism(64 * PAGE, MemoryCosts())
    control = tree(inner=8)["a"]
    space = mechanism.create(Layout(PAGE, 1 << 20, 0), "a", control)
    start = space.grow_heap(16 * PAGE)
    with pytest.raises(
        OutOfMemory, match=r"memory\.max of group inner: needs 16.0 KiB; 12.0 KiB are left of"
    ):
        space.touch(start, 4 * PAGE, Access.WRITE)
    assert control.used_bytes == space.resident_bytes == 5 * PAGE
    space.touch(start, 3 * PAGE, Access.WRITE)
    with pytest.raises(OutOfMemory) as caught:
        space.touch(start + 3 * PAGE, PAGE, Access.WRITE)
    shortage = caught.value.shortage
    assert shortage is not None
    assert shortage.limit is control.parent
    assert shortage.lacking == ((control.parent, PAGE),)
    mechanism.memory.check()


@pytest.mark.parametrize("kind", [BaseAndBoundsMechanism, SegmentationMechanism, OneProgramMechanism])
def test_where_a_process_is_one_piece_the_whole_of_it_counts(kind) -> None:
    """A limit below it is a refusal at the start; one at it is none."""
    layout = Layout(64 * KIB, 0, 16 * KIB)
    for pages, fits in ((19, False), (20, True)):
        mechanism = kind(1 << 20, MemoryCosts())
        control = tree(outer=pages)["c"]
        if fits:
            space = mechanism.create(layout, "c", control)
            mechanism.run_on(space, 0, 1)
            assert control.used_bytes == mechanism.memory.used_bytes == 80 * KIB
            space.release()
        else:
            with pytest.raises(OutOfMemory, match=r"memory\.max of group outer"):
                mechanism.create(layout, "c", control)
        assert control.used_bytes == mechanism.memory.used_bytes == 0
        mechanism.memory.check()


def test_a_segment_that_grows_is_charged_and_compaction_moves_no_charge() -> None:
    """What has to move to grow counts twice while it is copied; others move under their own names."""
    mechanism = SegmentationMechanism(1 << 20, MemoryCosts(), compaction=True)
    claims = tree(a=40)
    gone = mechanism.create(Layout(0, 0, 300 * KIB), "d", claims["d"])
    gone.write(gone.stack_top - 250 * KIB, b"deep")
    space = mechanism.create(Layout(0, 1 << 18, 4 * KIB), "a", claims["a"])
    space.grow_heap(100 * KIB)
    other = mechanism.create(Layout(0, 1 << 20, 4 * KIB), "b", claims["b"])
    gone.release()
    other.grow_heap(800 * KIB)
    assert mechanism.compactions == 1
    assert claims["a"].used_bytes == 104 * KIB
    with pytest.raises(OutOfMemory, match=r"memory\.max of a: needs 164.0 KiB; 56.0 KiB are left of 160.0"):
        space.grow_heap(64 * KIB)
    with pytest.raises(HeapRoomSpent, match="would exceed its room"):
        space.grow_heap(200 * KIB)
    mechanism.memory.check()


def test_a_file_in_memory_is_charged_to_who_touched_it_first_until_nobody_has_it() -> None:
    """As the kernel charges its page cache, also when that job is gone."""
    mechanism = PagingMechanism(64 * PAGE, MemoryCosts())
    claims = tree()
    first = mechanism.create(Layout(0, 0, PAGE), "a", claims["a"])
    second = mechanism.create(Layout(0, 0, PAGE), "d", claims["d"])
    for space in (first, second):
        start = space.map_file("weights", 10 * PAGE)
        space.touch(start, 10 * PAGE, Access.READ)
    tables = second.table_bytes
    assert (claims["a"].used_bytes, claims["d"].used_bytes) == (10 * PAGE + first.table_bytes, tables)
    assert first.rss_bytes == second.rss_bytes == 10 * PAGE
    first.release()
    assert (claims["a"].used_bytes, claims["d"].used_bytes) == (10 * PAGE, tables)
    second.release()
    assert mechanism.memory.used_bytes == claims["outer"].used_bytes == 0


def test_what_can_be_kept_elsewhere_makes_room_under_a_limit() -> None:
    """A shortage is looked at again as long as something was freed; only then is the request refused."""
    mechanism = PagingMechanism(64 * PAGE, MemoryCosts())
    control = tree(a=20)["a"]
    space = mechanism.create(Layout(PAGE, 1 << 20, 0), "a", control)
    start = space.grow_heap(100 * PAGE)
    space.touch(start, 15 * PAGE, Access.WRITE)
    asked: list[int] = []

    def relieve(shortage) -> bool:
        asked.append(shortage.excess_bytes // PAGE)
        first = start // PAGE + len(asked) - 1
        space.drop(first, first + 1)
        return len(asked) < 5

    mechanism.memory.charges.relieve = relieve
    space.touch(start + 15 * PAGE, 3 * PAGE, Access.WRITE)
    assert asked == [3, 2, 1]
    assert control.used_bytes == 20 * PAGE
    with pytest.raises(OutOfMemory, match=r"memory\.max of a"):
        space.touch(start + 50 * PAGE, 9 * PAGE, Access.WRITE)
    assert control.maxes == 3 + 2
    mechanism.memory.check()


class Charging(RuleBasedStateMachine):
    """Processes of jobs in groups come, fork, take memory, give some back and go; the books balance."""

    spaces = Bundle("spaces")

    def __init__(self) -> None:
        super().__init__()
        self.mechanism = PagingMechanism(120 * PAGE, MemoryCosts())
        self.claims = tree(a=30, inner=50, outer=70)
        self.alive: list = []

    def _try(self, make):
        before = {name: one.used_bytes for name, one in self.claims.items()}
        try:
            return make()
        except OutOfMemory as error:
            shortage = error.shortage
            assert shortage is not None
            # It was refused for a reason, and nothing but tables may have been made on the way.
            assert all(lacking > 0 for _, lacking in shortage.lacking)
            assert all(one.used_bytes >= before[name] for name, one in self.claims.items())
            return None

    @rule(target=spaces, job=st.sampled_from("abcd"), program=st.sampled_from(["", "model"]))
    def create(self, job, program):
        """A process starts; programs of a name share their code."""
        layout = Layout(3 * PAGE, 1 << 20, PAGE, program)
        space = self._try(lambda: self.mechanism.create(layout, job, self.claims[job]))
        if space is not None:
            space.grow_heap(40 * PAGE)
            self.alive.append(space)
        return space

    @rule(target=spaces, parent=spaces)
    def fork(self, parent):
        """A child shares its parent's pages, charged once, to the same job."""
        if parent is None or parent not in self.alive:
            return None
        child = self._try(lambda: self.mechanism.fork(parent, parent.owner))
        if child is not None:
            assert child.control is parent.control
            self.alive.append(child)
        return child

    @rule(space=spaces, first=st.integers(0, 39), count=st.integers(1, 25))
    def touch(self, space, first, count):
        """Pages are written, new ones and shared ones."""
        if space in self.alive:
            start = space.heap.start
            pages = np.arange(first, min(first + count, 40))
            self._try(lambda: space.access_many(start + pages * PAGE, Access.WRITE))

    @rule(space=spaces)
    def map_and_unmap(self, space):
        """A file that is shared is read, a mapping made and taken back."""
        if space in self.alive:
            self._try(lambda: space.touch(space.map_file("file", 6 * PAGE), 6 * PAGE, Access.READ))
            address = space.map_region(2 * PAGE)
            self._try(lambda: space.touch(address, 2 * PAGE, Access.WRITE))
            space.unmap_region(address)

    @rule(space=consumes(spaces))
    def end(self, space):
        """A process goes with all that it has."""
        if space in self.alive:
            self.alive.remove(space)
            space.release()

    @invariant()
    def balanced(self) -> None:
        """What the jobs are charged is what is handed out, and no limit is exceeded."""
        self.mechanism.memory.check()
        jobs = [self.claims[name] for name in "abcd"]
        assert sum(one.used_bytes for one in jobs) == self.mechanism.memory.used_bytes
        for one in self.claims.values():
            assert one.max_bytes is None or one.used_bytes <= one.max_bytes
            assert one.used_bytes <= one.peak_bytes

    def teardown(self) -> None:
        """When all have gone, nothing is charged."""
        for space in self.alive:
            space.release()
        assert [one.used_bytes for one in self.claims.values()] == [0] * 6


TestCharging = Charging.TestCase
TestCharging.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
