"""Lottery scheduling against its mathematics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.streams import Streams


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tickets=st.lists(st.integers(1, 1000), min_size=2, max_size=8), seed=st.integers(0, 2**32))
def test_wins_stay_within_the_binomial_bound(tools, tickets, seed):
    """In n draws a share p wins n p times, give or take five standard deviations of sqrt(n p (1 - p))."""
    draws = 1000
    machine = tools.busy_machine(tickets, "lottery", seed=seed)
    machine.run(draws * 10 * tools.ms, window_ns=1 << 40)
    wins = machine.dispatcher.state.processes.dispatches[: len(tickets)]
    share = np.array(tickets) / sum(tickets)
    assert (np.abs(wins - draws * share) <= 5 * np.sqrt(draws * share * (1 - share)) + 1).all()


def test_the_relative_error_shrinks_with_the_square_root_of_time(tools):
    """A hundred times the draws leave a tenth of the relative error (Waldspurger and Weihl, section 2)."""
    errors = []
    for draws in (100, 10_000):
        relative = []
        for seed in range(40):
            machine = tools.busy_machine(
                [1, 1], "lottery", seed=seed, quantum_ns=1000, slices=0, engine="compiled"
            )
            machine.run(draws * 1000, window_ns=1 << 40)
            relative.append(machine.dispatcher.state.processes.dispatches[0] / draws - 0.5)
        errors.append(np.std(relative))
    # The ratio of two estimates of a standard deviation from 40 samples: well within a factor of two.
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.6)


def test_the_wait_for_the_first_win_is_geometric(tools):
    """A client with 1 of 20 tickets waits 19 quanta on average, and as widely spread."""
    waits = []
    for seed in range(300):
        machine = tools.busy_machine([19, 1], "lottery", seed=seed, quantum_ns=1000, slices=0)
        machine.run(400 * 1000, window_ns=1 << 40)
        waits.append(machine.dispatcher.state.processes.first_run_ns[1] / 1000)
    # Standard errors of mean and deviation of 300 geometric samples are about 1.13 and 1.6.
    assert np.mean(waits) == pytest.approx(19, abs=4 * 1.13)
    assert np.std(waits) == pytest.approx(19.49, abs=4 * 1.6)


def test_a_process_without_tickets_never_wins_against_one_with(tools):
    """Zero tickets run only when no waiting process has any."""
    machine = tools.machine_with("lottery")
    machine.spawn("none", tools.computing((1 << 60, 0)), tickets=0, layout=tools.layout)
    machine.spawn("some", tools.computing((100 * tools.ms, 0)), tickets=5, layout=tools.layout)
    machine.run(300 * tools.ms, window_ns=tools.ms)
    assert machine.processes[1].ended.at_ns == 100 * tools.ms


def test_other_streams_do_not_move_when_the_draws_do():
    """A named stream depends on seed, replication and its own name alone."""
    first = Streams(1).named("arrivals gate").random(4).tolist()
    again = Streams(1)
    again.named("scheduler").random(100)
    assert again.named("arrivals gate").random(4).tolist() == first
    assert Streams(1, 1).named("arrivals gate").random(4).tolist() != first
    assert Streams(2).named("arrivals gate").random(4).tolist() != first
