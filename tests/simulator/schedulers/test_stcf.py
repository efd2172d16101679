"""Shortest time to completion first, as in OSTEP chapter 7."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def run(tools, jobs, cpus=1, scheduler="stcf"):
    """Run jobs of (start_ms, length_ms[, affinity]) and return when each finishes, in ms."""
    machine = tools.machine_with(scheduler, cpus=cpus)
    for number, (start, length, *affinity) in enumerate(jobs):
        machine.spawn(
            str(number),
            tools.computing((length * tools.ms, 0)),
            tickets=1,
            layout=tools.layout,
            start_ns=start * tools.ms,
            **({"affinity": affinity[0]} if affinity else {}),
        )
    machine.run(10_000 * tools.ms, window_ns=1 << 40)
    return [process.ended.at_ns / tools.ms for process in machine.processes]


def test_a_shorter_job_takes_the_cpu_from_a_longer_one(tools):
    """OSTEP figure 7.5: jobs of 10 that come at 10 finish at 20 and 30, the one of 100 at 120."""
    assert run(tools, [(0, 100), (10, 10), (10, 10)]) == [120, 20, 30]


def test_a_job_with_less_left_than_the_newcomer_goes_on(tools):
    """What counts is the time left, not the length: 5 are left of 100 when 10 come."""
    assert run(tools, [(0, 100), (95, 10)]) == [100, 110]


def test_of_two_cpus_the_one_with_the_most_left_is_taken(tools):
    """The job of 50 goes on, that of 100 makes way, wherever it runs."""
    assert run(tools, [(0, 50), (0, 100), (10, 10)], cpus=2) == [50, 110, 20]
    assert run(tools, [(0, 100), (0, 50), (10, 10)], cpus=2) == [110, 50, 20]


def test_nobody_makes_way_while_a_cpu_is_idle(tools):
    """A newcomer goes to the idle CPU."""
    assert run(tools, [(0, 100), (10, 10)], cpus=2) == [100, 20]


def test_two_newcomers_and_one_idle_cpu_cost_one_job_its_cpu(tools):
    """One goes to the idle CPU, the other takes that of the job with more left."""
    assert run(tools, [(0, 100), (10, 20), (10, 30)], cpus=2) == [120, 30, 40]
    assert run(tools, [(0, 100), (10, 30), (10, 20)], cpus=2) == [120, 40, 30]


def test_a_pinned_newcomer_takes_a_cpu_where_it_may_run(tools):
    """CPU 1 is idle, but the newcomer may use CPU 0 alone."""
    assert run(tools, [(0, 100), (10, 10, 1)], cpus=2)[1] == 20


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=6))
def test_no_other_policy_has_a_shorter_mean_turnaround(tools, jobs):
    """On one CPU the rule is optimal."""
    best = sum(run(tools, jobs))
    for scheduler in ("fifo", "sjf", "round-robin"):
        assert best <= sum(run(tools, jobs, scheduler=scheduler)) + 1e-6


@pytest.mark.parametrize("cpus", [1, 2, 3])
def test_at_every_moment_the_jobs_with_the_least_left_run(tools, cpus):
    """Of jobs that come one by one, each shorter, the last ones always run."""
    jobs = [(10 * number, 1000 - 100 * number) for number in range(6)]
    ends = run(tools, jobs, cpus=cpus)
    assert ends[-1] == 50 + 500
    assert ends == sorted(ends, reverse=True)
