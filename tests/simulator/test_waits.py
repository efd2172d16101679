"""Waits for a CPU, each in its bucket, and CPUs that idle while processes wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.waits import bucket_ends_ns, note_waste, wait_bucket


@given(st.integers(0, 1 << 51))
def test_every_wait_lies_within_the_ends_of_its_bucket(wait_ns):
    """And every bucket but the first few, which hold single nanoseconds, is at most a quarter wide."""
    ends, bucket = bucket_ends_ns(), int(wait_bucket(wait_ns))
    assert ends[bucket] <= wait_ns < ends[bucket + 1]
    assert ends[bucket + 1] - ends[bucket] <= max(1, 0.26 * (wait_ns + 1))


def test_no_wait_has_a_bucket_of_its_own():
    """Whoever got a CPU at once is told from whoever waited a nanosecond."""
    assert wait_bucket(0) == 0
    assert wait_bucket(1) > 0


def test_the_longest_time_there_is_has_a_bucket():
    """Nothing falls off the end of the histogram."""
    assert wait_bucket((1 << 63) - 2) < 256


@pytest.mark.parametrize("engine", ["interpreted", "compiled"])
def test_every_dispatch_is_in_the_histogram(tools, engine):
    """Two equal jobs under round robin: each waits a quantum each time, the second at first too."""
    machine = tools.busy_machine([1, 1], "round-robin", engine=engine)
    machine.run(100 * tools.ms, window_ns=100 * tools.ms)
    processes = machine.dispatcher.state.processes
    assert processes.waits[:2].sum(axis=1).tolist() == processes.dispatches[:2].tolist()
    quantum = int(wait_bucket(10 * tools.ms))
    assert processes.waits[:2, [0, quantum]].tolist() == [[1, 4], [0, 5]]


def test_a_machine_whose_policy_leaves_no_one_waiting_wastes_nothing(tools):
    """One queue for all CPUs: a CPU idles only when nobody waits."""
    machine = tools.machine_with("round-robin", cpus=2)
    for name in "AB":
        machine.spawn(name, tools.computing((15 * tools.ms, 9 * tools.ms)), tickets=1, layout=tools.layout)
    machine.run(30 * tools.ms, window_ns=30 * tools.ms)
    cpus = machine.dispatcher.state.cpus
    assert cpus.idle_ns.sum() > 0
    assert cpus.wasted_ns.tolist() == [0, 0]


def test_a_cpu_that_idles_while_a_process_waits_is_written_down(tools):
    """A policy that gives work to the first CPU alone wastes the second for as long as two want to run."""
    machine = tools.machine_with("round-robin", cpus=2)
    policy = machine.dispatcher.policy
    take = policy.pick
    policy.pick = lambda cpu: take(cpu) if cpu == 0 else -1
    for name in "ABC":
        machine.spawn(name, tools.computing((10 * tools.ms, 0)), tickets=1, layout=tools.layout)
    machine.run(50 * tools.ms, window_ns=50 * tools.ms)
    cpus = machine.dispatcher.state.cpus
    assert cpus.idle_ns.tolist() == [20 * tools.ms, 50 * tools.ms]
    assert cpus.wasted_ns.tolist() == [0, 20 * tools.ms]


def test_a_process_pinned_to_a_busy_cpu_makes_no_other_cpu_wasteful(tools):
    """Only a CPU on which the waiting process may run counts."""
    dispatcher = tools.busy_machine([1, 1], "round-robin", cpus=2).dispatcher
    policy, state = dispatcher.policy, dispatcher.state
    state.cpus.pid[:] = [0, -1]
    state.processes.queued[:2] = [0, 1]
    state.processes.affinity[1] = 0b01
    note_waste(policy, state.processes, state.cpus, state.totals, 5)
    assert state.cpus.wasted_ns.tolist() == [0, 0]
    state.processes.affinity[1] = 0b11
    note_waste(policy, state.processes, state.cpus, state.totals, 5)
    assert state.cpus.wasted_ns.tolist() == [0, 5]


def test_a_process_that_the_policy_holds_back_wastes_no_cpu(tools):
    """The idle CPU is as the policy wants it."""
    dispatcher = tools.busy_machine([1], "round-robin").dispatcher
    policy, state = dispatcher.policy, dispatcher.state
    state.processes.queued[0] = policy.held[0] = 1
    note_waste(policy, state.processes, state.cpus, state.totals, 5)
    assert state.cpus.wasted_ns.tolist() == [0]
