"""CPU quotas of groups (cpu.max) under CFS and EEVDF, against the arithmetic of periods."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.groups import Group, Quota

MS = 1_000_000
SECOND = 1000 * MS
LINUX = ["cfs", "eevdf"]
TICK_NS = 4 * MS
SLICE_NS = 5 * MS
KEPT_NS = MS


def machine_of(tools, scheduler, groups, jobs, **options):
    """Return a machine with a process for each (group, steps)."""
    machine = tools.machine_with(scheduler, groups=groups, slices=None, **options)
    for number, (group, steps) in enumerate(jobs):
        machine.spawn(str(number), tools.computing(*steps), tickets=1024, layout=tools.layout, group=group)
    return machine


def hogs(*groups):
    """Return an endless job for each name of a group."""
    return [(group, [(1 << 60, 0)]) for group in groups]


def received(machine, jobs, duration_ns):
    """Return by group how much of a CPU its own processes received."""
    got = {}
    for pid, (group, _) in enumerate(jobs):
        cpu_ns = int(machine.dispatcher.state.processes.cpu_ns[pid])
        got[group] = got.get(group, 0.0) + cpu_ns / duration_ns
    return got


def limited(quota_ms, period_ms=100, **more):
    """Return a group with a quota."""
    return Group(cpu_max=Quota(quota_ms * MS, period_ms * MS), **more)


@pytest.mark.parametrize("scheduler", LINUX)
def test_20_ms_in_each_100_are_a_fifth_of_a_cpu(tools, scheduler):
    """The CPU idles for the rest, and is not said to be wasted."""
    jobs = hogs("a", "a")
    machine = machine_of(tools, scheduler, {"a": limited(20)}, jobs)
    machine.run(10 * SECOND, window_ns=SECOND)
    assert received(machine, jobs, 10 * SECOND) == pytest.approx({"a": 0.2})
    cpus = machine.dispatcher.state.cpus
    assert (cpus.idle_ns[0], cpus.wasted_ns[0]) == (8 * SECOND, 0)


@pytest.mark.parametrize("scheduler", LINUX)
def test_what_a_group_may_not_use_goes_to_the_others(tools, scheduler):
    """A fifth by the quota although its weight is half."""
    jobs = hogs("a", "a", "root")
    machine = machine_of(tools, scheduler, {"a": limited(20)}, jobs)
    machine.run(10 * SECOND, window_ns=SECOND)
    assert received(machine, jobs, 10 * SECOND) == pytest.approx({"a": 0.2, "root": 0.8}, abs=0.001)


@pytest.mark.parametrize("scheduler", LINUX)
@pytest.mark.parametrize("quota_ms", [30, 100, 150])
def test_a_quota_holds_for_all_cpus_together(tools, scheduler, quota_ms):
    """Four processes on two CPUs get the quota, within what one period may be overdrawn by."""
    jobs = hogs("a", "a", "a", "a")
    machine = machine_of(tools, scheduler, {"a": limited(quota_ms)}, jobs, cpus=2)
    machine.run(10 * SECOND, window_ns=SECOND)
    got = received(machine, jobs, 10 * SECOND)["a"]
    assert got == pytest.approx(quota_ms / 100, abs=2 * TICK_NS / (10 * SECOND))


@pytest.mark.parametrize("scheduler", LINUX)
def test_the_tighter_of_nested_quotas_holds(tools, scheduler):
    """The parent's 30 ms hold for both children, of which one may have 10 alone."""
    groups = {"a": limited(30), "b": limited(10, of="a"), "c": Group(of="a")}
    jobs = hogs("b", "c")
    machine = machine_of(tools, scheduler, groups, jobs)
    machine.run(10 * SECOND, window_ns=SECOND)
    assert received(machine, jobs, 10 * SECOND) == pytest.approx({"b": 0.1, "c": 0.2}, abs=0.001)


@pytest.mark.parametrize("scheduler", LINUX)
def test_what_was_not_used_is_lost(tools, scheduler):
    """After half a second of sleep there is one quota to use, not six; 1 ms was kept, a tick overdrawn."""
    sleeper = [("a", [(5 * MS, 500 * MS), (200 * MS, 0)])]
    machine = machine_of(tools, scheduler, {"a": limited(20)}, sleeper)
    machine.run(SECOND, window_ns=100 * MS)
    got = np.diff(np.stack(machine.recordings.cpu_ns)[:, 0], prepend=0) // MS
    assert got[0] == 5
    assert got[1:5].tolist() == [0] * 4
    assert 20 <= got[5] <= 20 + 5
    assert got[6:9].tolist() == [20] * 3


@pytest.mark.parametrize("scheduler", LINUX)
def test_cpu_stat_counts_periods_and_throttling(tools, scheduler):
    """Ten periods end throttled, in the last of which nobody waits; those of sleep are not counted."""
    busy_then_asleep = [("a", [(200 * MS, 5 * SECOND), (10 * MS, 0)])]
    machine = machine_of(tools, scheduler, {"a": limited(20)}, busy_then_asleep)
    machine.run(5 * SECOND, window_ns=SECOND)
    stat = machine.dispatcher.policy.throttling()[1]
    assert stat.throttled_periods == 10
    # Two more pass before the timer stops: one in which nothing was used, and the one that shows it.
    assert stat.periods == 12
    assert stat.throttled_ns == 9 * 80 * MS


@pytest.mark.parametrize("scheduler", LINUX)
def test_throttling_in_progress_is_counted_to_the_end(tools, scheduler):
    """What has been held back for 40 ms when the run ends has been so for 40 ms."""
    machine = machine_of(tools, scheduler, {"a": limited(20)}, hogs("a"))
    machine.run(60 * MS, window_ns=SECOND)
    stat = machine.dispatcher.policy.throttling()[1]
    assert (stat.periods, stat.throttled_ns) == (0, 40 * MS)


@pytest.mark.parametrize("scheduler", LINUX)
def test_a_group_that_is_throttled_on_all_cpus_preempts_nobody(tools, scheduler):
    """A process that wakes in it waits for the next period, whatever its lag."""
    jobs = [*hogs("a", "root"), ("a", [(MS, 250 * MS), (MS, 0)])]
    machine = machine_of(tools, scheduler, {"a": limited(20)}, jobs)
    machine.run(400 * MS, window_ns=SECOND)
    slices = [row for part in machine.recordings.slices for row in part if row["pid"] == 2]
    # It wakes a little after 250 ms, when the group has long used its 20 ms.
    assert [int(row["start_ns"]) // (100 * MS) for row in slices] == [0, 3]


def test_what_one_cpu_gives_back_is_handed_to_another(tools):
    """A process blocks with 5 ms at hand; a CPU that ran out gets 4 of them 5 ms later."""
    groups = {"a": limited(60)}
    machine = tools.machine_with("eevdf", groups=groups, slices=None, cpus=2)
    for name, affinity, steps in (
        ("hog", 1, [(1 << 60, 0)]),
        # It takes 5 ms at a time on the other CPU and blocks just after it took the last ones.
        ("blocks", 2, [(25 * MS + 1, 10 * SECOND)]),
    ):
        machine.spawn(
            name, tools.computing(*steps), tickets=1024, layout=tools.layout, group="a", affinity=affinity
        )
    machine.run(100 * MS, window_ns=SECOND)
    assert machine.dispatcher.state.processes.cpu_ns[1] == 25 * MS + 1
    used = int(machine.dispatcher.state.processes.cpu_ns[:2].sum())
    assert 60 * MS - KEPT_NS <= used <= 60 * MS + TICK_NS


step = st.tuples(st.integers(1, 60 * MS), st.integers(0, 60 * MS))
steps = st.lists(step, min_size=1, max_size=8)


@pytest.mark.parametrize("scheduler", LINUX)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(steps, min_size=1, max_size=6), cpus=st.integers(1, 3), quota_ms=st.integers(1, 100))
def test_no_group_ever_uses_more_than_its_quotas(tools, scheduler, jobs, cpus, quota_ms):
    """By the end of any period it has used at most so many quotas, a tick on each CPU, and what was kept."""
    machine = machine_of(
        tools, scheduler, {"a": limited(quota_ms)}, [("a", steps) for steps in jobs], cpus=cpus
    )
    machine.run(2 * SECOND, window_ns=100 * MS)
    used = np.stack(machine.recordings.cpu_ns).sum(axis=1)
    quotas = np.arange(1, len(used) + 1) * quota_ms * MS
    assert (used <= quotas + cpus * TICK_NS).all()
    each = np.diff(used, prepend=0)
    assert (each <= quota_ms * MS + cpus * (TICK_NS + SLICE_NS)).all()
