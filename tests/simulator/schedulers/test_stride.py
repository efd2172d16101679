"""Stride scheduling against the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def quanta(machine):
    """Return float64[slices, processes]: quanta received by each process after each slice."""
    pids = np.concatenate([part["pid"] for part in machine.recordings.slices])
    return np.cumsum(np.eye(len(machine.processes))[pids], axis=0)


def test_three_two_one_is_scheduled_as_in_the_paper(tools):
    """TM-528, figure 3: A A B A B C in shares, A B A A B C in order."""
    machine = tools.busy_machine([3, 2, 1])
    machine.run(12 * 10 * tools.ms, window_ns=tools.ms)
    assert tools.order_of(machine) == "ABAABC" * 2


def test_the_textbooks_example_comes_out_in_its_order(tools):
    """OSTEP chapter 9: tickets 100, 50 and 250, all starting at pass 0."""
    machine = tools.busy_machine([100, 50, 250], "stride", policy={"initial_pass": "zero"})
    machine.run(8 * 10 * tools.ms, window_ns=tools.ms)
    assert tools.order_of(machine) == "ABCCCACC"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tickets=st.lists(st.integers(1, 1000), min_size=2, max_size=8), length=st.integers(1, 400))
def test_no_pair_is_ever_more_than_a_quantum_from_its_ratio(tools, tickets, length):
    """The pairwise error is at most one quantum, however long the run (TM-528, section 2.4)."""
    machine = tools.busy_machine(tickets)
    machine.run(length * 10 * tools.ms, window_ns=1 << 40)
    got = quanta(machine)
    for one in range(len(tickets)):
        for other in range(one):
            both = got[:, one] + got[:, other]
            due = both * tickets[one] / (tickets[one] + tickets[other])
            assert np.abs(got[:, one] - due).max() <= 1 + 1e-9


def test_the_error_does_not_grow_over_a_hundred_thousand_quanta(tools):
    """No rounding accumulates: shares with awkward ratios stay within a quantum."""
    machine = tools.busy_machine([7, 11, 13], quantum_ns=1000, slices=0, engine="compiled")
    machine.run(100_000 * 1000, window_ns=1 << 40)
    got = machine.dispatcher.state.processes.cpu_ns[:3] / 1000
    assert got == pytest.approx(np.array([7, 11, 13]) / 31 * 100_000, abs=1.01)


def test_sleeping_earns_nothing(tools):
    """A process that slept gets its share from when it wakes, not the CPU for itself."""
    machine = tools.machine_with("stride")
    machine.spawn(
        "sleeper", tools.computing((tools.ms, 1000 * tools.ms), (1 << 60, 0)), tickets=1, layout=tools.layout
    )
    machine.spawn("worker", tools.computing((1 << 60, 0)), tickets=1, layout=tools.layout)
    machine.run(2001 * tools.ms, window_ns=tools.ms)
    received = machine.dispatcher.state.processes.cpu_ns[0] / tools.ms
    assert received == pytest.approx(500, abs=11)


def test_a_process_without_tickets_runs_only_when_nobody_else_wants_to(tools):
    """Zero tickets is no claim, but an idle CPU takes anyone."""
    machine = tools.machine_with("stride")
    machine.spawn("none", tools.computing((1 << 60, 0)), tickets=0, layout=tools.layout)
    machine.spawn("some", tools.computing((100 * tools.ms, 0)), tickets=1, layout=tools.layout)
    machine.run(300 * tools.ms, window_ns=tools.ms)
    assert machine.processes[1].ended.at_ns == 100 * tools.ms
    assert machine.dispatcher.state.processes.cpu_ns[0] == 200 * tools.ms
