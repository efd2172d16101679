"""The fluid ideal against schedules worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import fluid
from simulator.table_making import new_table, process_table
from simulator.tables import Totals


def ideal(tickets, owed, cpus=1):
    """Return the columns of a machine whose processes have these tickets and demands."""
    processes = process_table(len(tickets))
    totals = new_table(Totals, 1)
    processes.tickets[:] = tickets
    processes.owed_ns[:] = owed
    totals.processes[0], totals.cpus[0] = len(tickets), cpus
    fluid.share_out(processes, totals)
    return processes, totals


def entitled(processes, totals, service):
    """Return what each has received in the ideal after so much service."""
    fluid.advance_fluid(processes, totals, service)
    return processes.entitled_ns + processes.rate * (service - totals.fluid_at_ns[0])


def test_shares_follow_tickets_and_what_one_leaves_goes_to_the_others():
    """Three to one; when the first has had enough, the second gets everything."""
    processes, totals = ideal([3, 1], [300.0, 1000.0])
    assert entitled(processes, totals, 200).tolist() == [150, 50]
    assert entitled(processes, totals, 400).tolist() == [300, 100]
    assert entitled(processes, totals, 500).tolist() == [300, 200]


def test_nobody_gets_more_than_one_cpu():
    """On two CPUs, a process with nearly all tickets gets one of them, and the others share the second."""
    processes, _ = ideal([98, 1, 1], [1e9] * 3, cpus=2)
    assert processes.rate.tolist() == [0.5, 0.25, 0.25]


def test_without_any_tickets_all_are_alike():
    """Zero tickets for everyone is no reason to let the CPU idle."""
    processes, _ = ideal([0, 0], [10.0, 10.0])
    assert processes.rate.tolist() == [0.5, 0.5]
    processes, _ = ideal([0, 5], [10.0, 10.0])
    assert processes.rate.tolist() == [0.0, 1.0]
    processes, _ = ideal([5, 0, 0], [10.0, 10.0, 10.0], cpus=2)
    assert processes.rate.tolist() == [0.5, 0.25, 0.25]


@given(
    jobs=st.lists(st.tuples(st.integers(0, 1000), st.integers(1, 10**9)), min_size=1, max_size=12),
    cpus=st.integers(1, 4),
    steps=st.lists(st.floats(0.01, 1), max_size=6),
)
def test_what_is_delivered_is_received_and_nobody_gets_more_than_was_asked(jobs, cpus, steps):
    """Served in any number of steps, the ideal hands out all service, and never more than the demand."""
    tickets, owed = zip(*jobs, strict=True)
    processes, totals = ideal(tickets, owed, cpus)
    demand, service = sum(owed), 0.0
    for step in steps:
        service += (demand - service) * step / 2
        got = entitled(processes, totals, service)
        assert got.sum() == pytest.approx(service, rel=1e-9, abs=1)
        assert (got <= np.array(owed) + 1).all()
        assert (
            processes.rate.max(initial=0) <= 1 / min(cpus, max(np.count_nonzero(processes.owed_ns), 1)) + 1e-9
        )
