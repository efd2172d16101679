"""Memory runs out: who is killed for it, by which rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from crowded import LAYOUT, MS, PAGE, greedy, paged, reasons, taking

from simulator.hardware import Hardware
from simulator.machine import KILLED, Machine
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.static_relocation import StaticRelocationMechanism
from simulator.oom import KILLERS, Candidate, badness, entitlements, ranked
from simulator.schedulers.registry import make_scheduler


def test_who_holds_most_is_killed_and_who_asked_goes_on() -> None:
    """The hog loses its memory at once, in the middle of a computation, and the other never knows."""
    machine = paged(75)
    hog = machine.spawn("hog", taking((40, 100 * MS, 0)), tickets=1, layout=LAYOUT)
    small = machine.spawn("small", taking((10, MS, 0), (20, MS, 0)), tickets=1, layout=LAYOUT)
    machine.run(200 * MS, window_ns=10 * MS)
    assert hog.ended is not None
    assert hog.ended.code == KILLED
    assert hog.ended.reason.startswith("killed: out of memory: small asked for 80.0 KiB")
    assert small.ended is not None
    assert small.ended.reason == "exited"
    assert machine.memory.used_bytes == 0


def test_a_job_that_is_never_killed_survives_the_largest_appetite() -> None:
    """Under any rule: the others end, or who asked."""
    for killer in KILLERS:
        machine = paged(100, killer=killer)
        control = MemoryControl("safe", oom_score_adj=-1000)
        safe = machine.spawn("safe", taking((50, 30 * MS, 0)), tickets=1, layout=LAYOUT, control=control)
        machine.spawn("small", taking((10, 30 * MS, 0)), tickets=1, layout=LAYOUT)
        machine.spawn("greedy", greedy(5 * MS, 60), tickets=1, layout=LAYOUT)
        machine.run(200 * MS, window_ns=MS)
        assert safe.ended is not None
        assert safe.ended.reason == "exited"
        assert reasons(machine)[2] == "killed"
        # Not even the end of `small` would have made room for 60 pages.
        assert reasons(machine)[1] == "exited"


def test_a_protected_process_that_asks_has_others_killed_for_it_whatever_the_rule() -> None:
    """As vm.oom_kill_allocating_task in Linux, which passes over a task that may not be killed."""
    machine = paged(100, killer="kill-asking")
    machine.spawn("other", taking((60, 30 * MS, 0)), tickets=1, layout=LAYOUT)
    control = MemoryControl("safe", oom_score_adj=-1000)
    machine.spawn("safe", greedy(5 * MS, 50), tickets=1, layout=LAYOUT, control=control)
    machine.run(200 * MS, window_ns=MS)
    assert reasons(machine) == ["killed", "exited"]


def test_memory_oom_group_ends_all_of_a_group_who_asked_included() -> None:
    """One of its processes is chosen, and every one of it is killed at that instant, but for the exempt."""
    machine = paged(300)
    group = MemoryControl("batch", max_bytes=100 * PAGE, oom_group=True, is_group=True)
    claims = [MemoryControl(name, parent=group) for name in "abc"]
    claims[2].oom_score_adj = -1000
    for pages, claim in zip((40, 10, 5), claims, strict=True):
        machine.spawn(claim.name, taking((pages, 90 * MS, 0)), tickets=1, layout=LAYOUT, control=claim)
    late = MemoryControl("d", parent=group)
    machine.spawn("d", greedy(20 * MS, 40), tickets=1, layout=LAYOUT, control=late)
    machine.spawn("outside", taking((50, 90 * MS, 0)), tickets=1, layout=LAYOUT)
    machine.run(1000 * MS, window_ns=MS)
    assert reasons(machine) == ["killed", "killed", "exited", "killed", "exited"]
    ends = {one.ended.at_ns for one in machine.processes if one.ended and one.name in "abd"}
    assert len(ends) == 1
    assert group.oom_kills == 3


def test_ties_go_to_the_youngest_as_in_linux() -> None:
    """Two that deserve it equally: the one that was created last."""
    machine = paged(100)
    for name in ("old", "young"):
        machine.spawn(name, taking((25, 90 * MS, 0)), tickets=1, layout=LAYOUT)
    machine.spawn("greedy", greedy(5 * MS, 40), tickets=1, layout=LAYOUT)
    machine.run(400 * MS, window_ns=MS)
    assert reasons(machine) == ["exited", "killed", "exited"]


def candidate(**changes: Any) -> Candidate:
    """Return a candidate of 1000 pages in memory, 20 of tables, none swapped, unless told otherwise."""
    usual = {"pid": 1, "job": "job", "rss_bytes": 1000 * PAGE, "table_bytes": 20 * PAGE, "swapped_bytes": 0}
    usual |= {"held_bytes": 0, "asked_bytes": 0, "tickets": 1, "entitled_bytes": 1, "oom_score_adj": 0}
    return Candidate(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "total_pages", "points"),
    [
        ({}, 100_000, 1020),
        ({"swapped_bytes": 7 * PAGE}, 100_000, 1027),
        ({"oom_score_adj": 500}, 100_000, 1020 + 50_000),  # half of all there is
        ({"oom_score_adj": -500}, 100_000, 1020 - 50_000),  # may be negative, since Linux 5.9
        ({"oom_score_adj": 1000}, 100_999, 1020 + 100_000),  # totalpages / 1000 is rounded down first
        ({"oom_score_adj": 1000}, 999, 1020),  # on a tiny machine the adjustment comes to nothing
        ({"rss_bytes": 4095, "table_bytes": 4097}, 100_000, 1),
    ],
)
def test_badness_is_the_kernels(changes: dict[str, int], total_pages: int, points: int) -> None:
    """By hand from oom_badness in mm/oom_kill.c: rss + swap + tables + adj * (totalpages / 1000)."""
    assert badness(candidate(**changes), total_pages * PAGE, PAGE) == points


def test_tickets_choose_who_is_furthest_above_its_entitlement_request_included() -> None:
    """Not the largest, and not who is just over while another reaches for more."""
    large = candidate(pid=1, held_bytes=600, entitled_bytes=500, rss_bytes=600)
    small = candidate(pid=2, held_bytes=60, entitled_bytes=40, rss_bytes=30)
    child = candidate(pid=3, held_bytes=60, entitled_bytes=40, rss_bytes=50)
    exempt = candidate(pid=4, held_bytes=900, entitled_bytes=1, oom_score_adj=-1000)
    line = ranked("tickets", [large, small, child, exempt], 1000, PAGE)
    assert [(one.pid, score) for one, score in line] == [(3, 1.5), (2, 1.5), (1, 1.2)]
    asking = replace(large, asked_bytes=200)
    assert ranked("tickets", [asking, small], 1000, PAGE)[0] == (asking, 1.6)


def test_entitlements_are_parts_of_the_tickets_of_those_who_are_alive() -> None:
    """Three to two to one; when one goes, the others share its part."""
    three, two, one = (MemoryControl(str(n), n) for n in (3, 2, 1))
    assert list(entitlements([three, two, one], 600).values()) == [300, 200, 100]
    assert list(entitlements([two, one], 600).values()) == [400, 200]


@pytest.mark.parametrize("mechanism", [BaseAndBoundsMechanism, StaticRelocationMechanism])
def test_where_a_process_is_one_piece_a_newcomer_may_have_others_killed_for_it(mechanism) -> None:
    """One after another, until there is a hole; nobody for one that would not fit an empty machine."""
    machine = Machine(
        make_scheduler("stride", {}),
        Hardware(quantum_ns=50_000),
        mechanism=mechanism(100 * PAGE, MemoryCosts()),
        killer="linux",
    )
    for name, pages in (("a", 30), ("b", 20), ("c", 35)):
        layout = Layout(PAGE, (pages - 2) * PAGE, PAGE)
        machine.spawn(name, taking((0, 90 * MS, 0)), tickets=1, layout=layout)
    large = Layout(PAGE, 58 * PAGE, PAGE)
    machine.spawn("large", taking((0, MS, 0)), tickets=1, layout=large, start_ns=MS)
    huge = Layout(PAGE, 99 * PAGE, PAGE)
    machine.spawn("huge", taking((0, MS, 0)), tickets=1, layout=huge, start_ns=2 * MS)
    machine.run(500 * MS, window_ns=10 * MS)
    # Without c there are 50 pages behind b, without a 30 before it: only then is there a hole for 60.
    assert reasons(machine) == ["killed", "killed", "killed", "exited", "refused"]
    assert [kill.pid for kill in machine.recordings.kills] == [2, 0, 1, 4]
    refusal = machine.recordings.kills[-1].case
    assert refusal.remedies[0][0].size_bytes == 161 * PAGE
