"""Groups with weights under CFS and EEVDF, against the shares that their weights give."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.dispatcher import PolicyError
from simulator.groups import Group, GroupError, Quota
from simulator.schedulers.registry import make_scheduler, scheduler_names

SECOND = 10**9
LINUX = ["cfs", "eevdf"]
PRESETS = [
    ("cfs", {"preset": "linux-6.5"}),
    ("cfs", {"preset": "ostep"}),
    ("eevdf", {"preset": "linux-6.6"}),
    ("eevdf", {"preset": "linux-6.15"}),
]


def machine_of(tools, scheduler, groups, jobs, *, policy=None, **options):
    """Return a machine with a process for each (group, tickets, steps)."""
    machine = tools.machine_with(scheduler, policy, groups=groups, slices=None, **options)
    for number, (group, tickets, steps) in enumerate(jobs):
        machine.spawn(str(number), tools.computing(*steps), tickets=tickets, layout=tools.layout, group=group)
    return machine


def hogs(*groups):
    """Return an endless job of nice 0 for each name of a group."""
    return [(group, 1024, [(1 << 60, 0)]) for group in groups]


def run(tools, scheduler, groups, jobs, *, duration_ns=10 * SECOND, **options):
    """Run jobs and return each group's own part of the CPU time that one CPU has."""
    machine = machine_of(tools, scheduler, groups, jobs, **options)
    machine.run(duration_ns, window_ns=1 << 40)
    received = machine.dispatcher.state.processes.cpu_ns
    got = {}
    for pid, (group, _, _) in enumerate(jobs):
        got[group] = got.get(group, 0.0) + received[pid] / duration_ns
    return got


THREE_TO_ONE = {"a": Group(weight=300), "b": Group(weight=100)}


@pytest.mark.parametrize(("scheduler", "policy"), PRESETS)
@pytest.mark.parametrize("jobs", [hogs("a", "b", "b", "b"), hogs("a", "a", "a", "a", "b")])
def test_groups_share_by_weight_however_many_processes_they_have(tools, scheduler, policy, jobs):
    """Three to one within a tick and a slice of ten seconds, with one process in either group."""
    got = run(tools, scheduler, THREE_TO_ONE, jobs, policy=policy)
    assert got == pytest.approx({"a": 0.75, "b": 0.25}, abs=0.0013 if policy["preset"] != "ostep" else 0.005)


@pytest.mark.parametrize("scheduler", LINUX)
def test_a_group_shares_what_it_gets_among_the_groups_in_it(tools, scheduler):
    """Three quarters, of which one third goes to c and two thirds to d."""
    groups = {**THREE_TO_ONE, "c": Group(weight=50, of="a"), "d": Group(weight=100, of="a")}
    got = run(tools, scheduler, groups, hogs("c", "c", "d", "b"))
    assert got == pytest.approx({"c": 0.25, "d": 0.5, "b": 0.25}, abs=0.0013)


@pytest.mark.parametrize("scheduler", LINUX)
def test_within_a_group_tickets_are_the_weight(tools, scheduler):
    """Half for the group, of which three quarters go to the process with three quarters of its tickets."""
    groups = {"a": Group(), "b": Group()}
    jobs = [("a", 3072, [(1 << 60, 0)]), ("a", 1024, [(1 << 60, 0)]), *hogs("b")]
    machine = machine_of(tools, scheduler, groups, jobs)
    machine.run(10 * SECOND, window_ns=1 << 40)
    received = machine.dispatcher.state.processes.cpu_ns[:3] / (10 * SECOND)
    assert received == pytest.approx([0.375, 0.125, 0.5], abs=0.002)


@pytest.mark.parametrize("scheduler", LINUX)
def test_a_group_of_weight_100_is_as_much_as_a_process_of_nice_0(tools, scheduler):
    """Processes of no group stand next to the groups."""
    got = run(tools, scheduler, {"a": Group()}, hogs("a", "a", "a", "root"))
    assert got == pytest.approx({"a": 0.5, "root": 0.5}, abs=0.0013)


@pytest.mark.parametrize("scheduler", LINUX)
def test_what_an_idle_group_leaves_goes_to_the_others_by_weight(tools, scheduler):
    """While the third group sleeps, the first two have three quarters and a quarter of everything."""
    groups = {**THREE_TO_ONE, "c": Group(weight=400)}
    asleep = [("c", 1024, [(SECOND, 8 * SECOND), (SECOND, 0)])]
    got = run(tools, scheduler, groups, [*hogs("a", "b", "b"), *asleep])
    # It has half of the CPU for its first two seconds, and sleeps for the other eight.
    assert got == pytest.approx({"a": 0.675, "b": 0.225, "c": 0.1}, abs=0.002)


@pytest.mark.parametrize("scheduler", LINUX)
@pytest.mark.parametrize("cpus", [2, 4])
def test_shares_hold_on_several_cpus(tools, scheduler, cpus):
    """A group's weight is spread over the CPUs by its load on each."""
    got = run(tools, scheduler, THREE_TO_ONE, hogs(*"aaabbb"), cpus=cpus)
    assert got == pytest.approx({"a": 0.75 * cpus, "b": 0.25 * cpus}, rel=0.01)


step = st.tuples(st.integers(1, 40_000_000), st.integers(0, 40_000_000))
steps = st.lists(step, min_size=1, max_size=6)


@pytest.mark.parametrize(("scheduler", "policy"), PRESETS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(st.tuples(st.integers(1, 3000), steps), min_size=1, max_size=6), deep=st.booleans())
def test_one_group_of_all_is_the_same_as_none(tools, scheduler, policy, jobs, deep):
    """On one CPU every slice is the same to the nanosecond, and so it is with a group in a group."""
    groups = {"all": Group(weight=37), "in": Group(weight=1000, of="all")}
    histories = []
    for named in ("root", "in" if deep else "all"):
        placed = [(named, tickets, steps) for tickets, steps in jobs]
        machine = machine_of(tools, scheduler, groups, placed, policy=policy, context_switch_ns=3000)
        machine.run(SECOND, window_ns=1 << 40)
        histories.append([part.tolist() for part in machine.recordings.slices])
    assert histories[0] == histories[1]


def test_other_policies_refuse_groups(tools):
    """Who would ignore them says so."""
    for scheduler in scheduler_names():
        if not make_scheduler(scheduler, {}).honours_groups:
            with pytest.raises(PolicyError, match=f"'{scheduler}' cannot share the CPU between groups"):
                tools.machine_with(scheduler, groups=THREE_TO_ONE)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": Group(weight=0)}, "group a: a weight is from 1 to 10000, not 0"),
        ({"a": Group(of="b")}, r"group a: unknown group b \(known: root, a\)"),
        ({"a": Group(of="b"), "b": Group(of="a")}, "group a: .* in a circle"),
        ({"root": Group()}, "group root: root is the group of all"),
        (
            {"a": Group(cpu_max=Quota(201_000_000))},
            "group a: 201ms in each 100ms is more than the 2 CPUs have",
        ),
        ({"a": Group(cpu_max=Quota(500_000))}, "group a: a quota is 1ms or more, not 0.5ms"),
        ({"a": Group(cpu_max=Quota(1_000_000, 2 * SECOND))}, "group a: a period is from 1ms to 1s"),
    ],
)
def test_groups_that_cannot_be_are_refused(tools, groups, message):
    """One sentence says which and why."""
    with pytest.raises(GroupError, match=message):
        tools.machine_with("cfs", groups=groups, cpus=2)


def test_a_process_of_an_unknown_group_is_refused(tools):
    """The message says which groups there are."""
    with pytest.raises(GroupError, match=r"unknown group c \(known: root, a, b\)"):
        machine_of(tools, "eevdf", THREE_TO_ONE, hogs("c"))


GROUPS = {
    "a": Group(weight=300, cpu_max=Quota(3_000_000, 10_000_000)),
    "b": Group(weight=50),
    "c": Group(weight=200, of="a"),
    "d": Group(weight=100, of="b", cpu_max=Quota(1_000_000, 2_000_000)),
}
job = st.tuples(st.sampled_from(["root", *GROUPS]), st.integers(0, 3000), steps)


def history(tools, scheduler, jobs, *, cpus, engine="interpreted", ticks_ns=0):
    """Run jobs in groups with quotas and return everything that was recorded."""
    machine = machine_of(
        tools, scheduler, GROUPS, jobs, cpus=cpus, engine=engine, context_switch_ns=900, tick_cost_ns=200
    )

    def tick():
        while True:
            yield machine.clock.timeout(ticks_ns)

    if ticks_ns:
        machine.clock.process(tick())
    machine.run(SECOND, window_ns=SECOND // 10)
    state = machine.dispatcher.state
    return (
        [column[: len(jobs)].tolist() for column in state.processes],
        [column.tolist() for column in state.cpus],
        [part.tolist() for part in machine.recordings.slices],
        machine.dispatcher.policy.throttling(),
    )


@pytest.mark.parametrize("scheduler", LINUX)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(job, min_size=1, max_size=7),
    cpus=st.integers(1, 3),
    ticks_ns=st.integers(50_000, 9 * 10**6),
)
def test_stepping_and_spans_agree_with_groups(tools, scheduler, jobs, cpus, ticks_ns):
    """Cutting every span into pieces changes nothing, alarms included."""
    whole = history(tools, scheduler, jobs, cpus=cpus)
    assert history(tools, scheduler, jobs, cpus=cpus, ticks_ns=ticks_ns) == whole


@pytest.mark.parametrize("scheduler", LINUX)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(job, min_size=1, max_size=7), cpus=st.integers(1, 3))
def test_compiled_and_interpreted_agree_with_groups(tools, scheduler, jobs, cpus):
    """The machine code is the same rule."""
    slow = history(tools, scheduler, jobs, cpus=cpus)
    assert history(tools, scheduler, jobs, cpus=cpus, engine="compiled") == slow


@pytest.mark.parametrize("scheduler", LINUX)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(job, min_size=1, max_size=7), cpus=st.integers(1, 3))
def test_everybody_gets_done_whatever_the_groups(tools, scheduler, jobs, cpus):
    """Each process receives exactly what it asked for, and at the end all queues are empty."""
    machine = machine_of(tools, scheduler, GROUPS, jobs, cpus=cpus)
    machine.run(60 * SECOND, window_ns=1 << 40)
    asked = [sum(compute for compute, _ in steps) for _, _, steps in jobs]
    assert machine.dispatcher.state.processes.cpu_ns[: len(jobs)].tolist() == asked
    policy = machine.dispatcher.policy
    for column in ("waiting", "running", "load", "processes", "active", "group_load"):
        assert not getattr(policy, column).any(), column
