"""Hierarchical stride scheduling against TM-528."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from simulator.errors import TimeshareError
from simulator.schedulers.hierarchical_stride import HierarchicalStride, scaled
from simulator.schedulers.registry import make_scheduler


def picks(policy, tickets, quanta):
    """Return who got each of so many quanta."""
    policy.attach(len(tickets), 1000)
    policy.affinity[:] = -1
    for pid, amount in enumerate(tickets):
        policy.retune(pid, amount)
        policy.enter(pid)
    order = []
    for _ in range(quanta):
        order.append(policy.pick(0))
        policy.charge(order[-1], 1000)
    return np.array(order)


def absolute_error(order, tickets):
    """Return the most quanta by which anyone was ever off its share."""
    received = np.cumsum(order[:, None] == np.arange(len(tickets)), axis=0)
    entitled = np.arange(1, len(order) + 1)[:, None] * np.array(tickets) / sum(tickets)
    return np.abs(received - entitled).max()


def test_the_absolute_error_is_logarithmic_where_that_of_stride_is_linear():
    """One client with 100 tickets and 100 with 1: stride is 50 quanta off, the tree less than lg 101."""
    tickets = [100] + [1] * 100
    tree = picks(make_scheduler("hierarchical-stride", {}), tickets, 1000)
    plain = picks(make_scheduler("stride", {}), tickets, 1000)
    assert absolute_error(tree, tickets) < math.log2(101)
    assert absolute_error(plain, tickets) == pytest.approx(50, abs=1)


def test_after_each_round_everyone_has_exactly_its_tickets_worth():
    """Nothing drifts: after any number of rounds all leads are 0."""
    tickets = [7, 3, 0, 11, 13, 1, 2]
    policy = HierarchicalStride()
    order = picks(policy, tickets, 37 * 200)
    assert np.bincount(order, minlength=7).tolist() == [200 * amount for amount in tickets]
    assert not policy.lead.any()


def test_growing_the_tree_keeps_what_everyone_is_owed():
    """The order goes on as if there had been room from the start."""
    orders = []
    for grows in (False, True):
        policy = HierarchicalStride()
        tickets = [5, 3, 2, 7]
        first = picks(policy, tickets, 9).tolist()
        if grows:
            policy.grow(32)
            policy.affinity[4:] = -1
        second = []
        for _ in range(25):
            second.append(policy.pick(0))
            policy.charge(second[-1], 1000)
        orders.append(first + second)
    assert orders[0] == orders[1]


def test_sleeping_earns_nothing(tools):
    """A process that slept gets its share from when it wakes, not the CPU for itself."""
    machine = tools.machine_with("hierarchical-stride")
    sleeper = tools.computing((tools.ms, 1000 * tools.ms), (1 << 60, 0))
    machine.spawn("sleeper", sleeper, tickets=1, layout=tools.layout)
    machine.spawn("worker", tools.computing((1 << 60, 0)), tickets=1, layout=tools.layout)
    machine.run(2001 * tools.ms, window_ns=tools.ms)
    assert machine.dispatcher.state.processes.cpu_ns[0] / tools.ms == pytest.approx(500, abs=11)


def test_a_pinned_process_runs_where_it_may(tools):
    """Two on CPU 0 alone share it; the third has CPU 1."""
    machine = tools.machine_with("hierarchical-stride", cpus=2)
    for name, affinity in (("a", 1), ("b", 1), ("c", None)):
        machine.spawn(name, tools.computing((1 << 60, 0)), tickets=1, layout=tools.layout, affinity=affinity)
    machine.run(1000 * tools.ms, window_ns=1 << 40)
    received = machine.dispatcher.state.processes.cpu_ns[:3] / tools.ms
    assert received.tolist() == pytest.approx([500, 500, 1000], abs=11)


def test_tickets_that_would_overflow_are_refused():
    """Leads are 64-bit numbers, and the message says what fits."""
    policy = HierarchicalStride()
    policy.attach(2, 10_000_000)
    policy.retune(0, 1 << 50)
    policy.refill(np.random.default_rng(0))
    policy.enter(0)
    assert policy.draw_at[0] == len(policy.draws)
    with pytest.raises(TimeshareError, match="takes 115292150460 tickets in all"):
        policy.refill(np.random.default_rng(0))


def test_too_many_tickets_stop_a_machine_before_anyone_runs(tools):
    """Each fits alone, the two do not."""
    machine = tools.busy_machine([1 << 36, 1 << 36], "hierarchical-stride")
    with pytest.raises(TimeshareError, match="takes 115292150460 tickets in all"):
        machine.run(1000 * tools.ms, window_ns=1 << 40)


@given(
    value=st.integers(-(1 << 60), 1 << 60),
    times=st.integers(0, 1 << 60),
    over=st.integers(1, (1 << 61) - 1),
)
def test_a_lead_is_scaled_without_rounding_twice_or_overflowing(value, times, over):
    """What 64 bits hold of the result is exact, however large the product."""
    exact = value * times // over
    assume(abs(exact) < 1 << 62)
    assert scaled(value, times, over) == exact
