"""The fluid ideal against schedules worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import fluid
from simulator.groups import NO_TERMS, Terms
from simulator.table_making import process_table, totals_table


def ideal(tickets, owed, cpus=1):
    """Return the columns of a machine whose processes have these tickets and demands."""
    processes = process_table(len(tickets))
    totals = totals_table(cpus, NO_TERMS)
    processes.tickets[:] = tickets
    processes.owed_ns[:] = owed
    totals.processes[0] = len(tickets)
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


def in_groups(terms, jobs, cpus=1):
    """Return rates of jobs of (group, tickets), all with demand, in groups of these terms."""
    processes = process_table(len(jobs))
    totals = totals_table(cpus, [*NO_TERMS, *(Terms(*own) for own in terms)])
    processes.group[:], processes.tickets[:] = np.array(jobs).T
    processes.owed_ns[:] = 1e9
    totals.processes[0] = len(jobs)
    fluid.share_out(processes, totals)
    return pytest.approx(processes.rate.tolist())


def test_groups_share_first_and_processes_what_their_group_is_given():
    """Three to one between the groups, whoever is in them; a process of the root is a third party."""
    terms = [(0, 300, 0, 0), (0, 100, 0, 0)]
    assert in_groups(terms, [(1, 1), (2, 1), (2, 1), (2, 2)]) == [0.75, 0.0625, 0.0625, 0.125]
    assert in_groups(terms, [(1, 1), (2, 1), (0, 400)]) == [0.375, 0.125, 0.5]


def test_a_quota_caps_a_group_and_the_rest_goes_to_the_others():
    """A fifth instead of a half; the others share four fifths by weight."""
    terms = [(0, 100, 20, 100), (0, 30, 0, 0), (0, 70, 0, 0)]
    assert in_groups(terms, [(1, 1), (1, 3), (2, 1), (3, 1)]) == [0.05, 0.15, 0.24, 0.56]


def test_quotas_cap_groups_within_groups():
    """The parent has half of the CPU; one child a tenth by its quota, the other the rest of the half."""
    terms = [(0, 100, 0, 0), (0, 100, 0, 0), (1, 500, 10, 100), (1, 1, 0, 0)]
    assert in_groups(terms, [(3, 1), (4, 1), (2, 1)]) == [0.1, 0.4, 0.5]


def test_a_group_with_few_processes_cannot_use_many_cpus():
    """One process has one CPU of four, though its group's weight would fetch three."""
    terms = [(0, 300, 0, 0), (0, 100, 0, 0)]
    assert in_groups(terms, [(1, 1), (2, 1), (2, 1), (2, 1), (2, 1)], cpus=4) == [0.25] + [0.1875] * 4


def test_where_only_quotas_limit_the_ideal_runs_at_their_sum():
    """Two groups of 0.2 and 0.4 CPUs share what is delivered one to two."""
    terms = [(0, 100, 20, 100), (0, 100, 40, 100)]
    assert in_groups(terms, [(1, 1), (2, 1)]) == [1 / 3, 2 / 3]


group_of_any_terms = st.tuples(st.integers(0, 5), st.integers(1, 1000), st.integers(0, 300), st.just(100))


@given(
    terms=st.lists(group_of_any_terms, max_size=6),
    jobs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=1, max_size=8),
    cpus=st.integers(1, 4),
)
def test_groups_neither_lose_nor_exceed_anything(terms, jobs, cpus):
    """All that can be used is given, nobody has more than a CPU, and no group more than its quota."""
    terms = [(min(parent, number), *rest) for number, (parent, *rest) in enumerate(terms)]
    jobs = [(min(group, len(terms)), tickets) for group, tickets in jobs]
    rates = np.array(in_groups(terms, jobs, cpus).expected)
    assert rates.sum() == pytest.approx(1)
    members = [{number} for number in range(len(terms) + 1)]
    for number in range(len(terms), 0, -1):
        members[terms[number - 1][0]] |= members[number]
    most = [cpus, *(quota / period if quota else cpus for _, _, quota, period in terms)]
    wanted = [0.0] * (len(terms) + 1)
    for group, _ in jobs:
        wanted[group] += 1
    for number in range(len(terms), -1, -1):
        wanted[number] = min(wanted[number], most[number])
        if number:
            wanted[terms[number - 1][0]] += wanted[number]
    absolute = rates * wanted[0]
    assert (absolute <= 1 + 1e-9).all()
    for number in range(1, len(terms) + 1):
        own = sum(absolute[pid] for pid, (group, _) in enumerate(jobs) if group in members[number])
        assert own <= most[number] + 1e-9


@given(
    jobs=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 10**9)), min_size=1, max_size=12),
    cpus=st.integers(1, 4),
)
def test_a_machine_with_one_group_of_all_shares_as_one_without_groups(jobs, cpus):
    """The short way for machines without groups is the same rule."""
    tickets, owed = zip(*jobs, strict=True)
    flat, _ = ideal(tickets, owed, cpus)
    processes, totals = process_table(len(jobs)), totals_table(cpus, [*NO_TERMS, Terms(0, 100, 0, 0)])
    processes.tickets[:], processes.owed_ns[:], processes.group[:] = tickets, owed, 1
    totals.processes[0] = len(jobs)
    fluid.share_out(processes, totals)
    assert processes.rate.tolist() == pytest.approx(flat.rate.tolist())
