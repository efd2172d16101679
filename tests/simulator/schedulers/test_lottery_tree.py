"""The lottery by a tree has the chances of the lottery by a list; both against stride's responses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulator.schedulers.lottery_tree import LotteryTree


@pytest.mark.parametrize("scheduler", ["lottery", "lottery-tree"])
def test_wins_are_distributed_as_tickets(tools, scheduler):
    """A chi-square test over 60 clients and a fixed seed does not tell wins from chances."""
    tickets = [1 + number % 13 for number in range(60)]
    machine = tools.busy_machine(tickets, scheduler, quantum_ns=1000, slices=0, engine="compiled")
    machine.run(200_000 * 1000, window_ns=1 << 40)
    wins = machine.dispatcher.state.processes.dispatches[:60]
    expected = np.array(tickets) / sum(tickets) * wins.sum()
    assert stats.chisquare(wins, expected).pvalue > 0.001


def test_every_ticket_wins_for_its_holder():
    """For each possible winning ticket the tree finds the process that holds it, tickets being 0 included."""
    policy = LotteryTree()
    policy.attach(5, 1000)
    policy.affinity[:] = -1
    tickets = [3, 0, 2, 0, 4]
    for pid, amount in enumerate(tickets):
        policy.retune(pid, amount)
        policy.enter(pid)
    policy.grow(16)
    policy.affinity[:] = -1
    winners = []
    for number in range(9):
        policy.draws[0], policy.draw_at[0] = (number + 0.5) / 9, 0
        winners.append(policy.pick(0))
        policy.charge(winners[-1], 1000)
    assert winners == [0] * 3 + [2] * 2 + [4] * 4


def test_a_process_without_tickets_never_wins_against_one_with(tools):
    """Zero tickets run only when no waiting process has any."""
    machine = tools.machine_with("lottery-tree")
    machine.spawn("none", tools.computing((1 << 60, 0)), tickets=0, layout=tools.layout)
    machine.spawn("some", tools.computing((100 * tools.ms, 0)), tickets=5, layout=tools.layout)
    machine.run(300 * tools.ms, window_ns=tools.ms)
    assert machine.processes[1].ended.at_ns == 100 * tools.ms


def test_pinned_processes_share_their_cpu_by_tickets(tools):
    """Two that may use CPU 0 alone share it 3 to 1; the third has CPU 1."""
    machine = tools.machine_with("lottery-tree", cpus=2, quantum_ns=1000)
    for name, tickets, affinity in (("a", 3, 1), ("b", 1, 1), ("c", 1, 2)):
        program = tools.computing((1 << 60, 0))
        machine.spawn(name, program, tickets=tickets, layout=tools.layout, affinity=affinity)
    machine.run(4000 * 1000, window_ns=1 << 40)
    received = machine.dispatcher.state.processes.cpu_ns[:3] / 1000
    deviation = np.sqrt(4000 * 0.75 * 0.25)
    assert received.tolist() == pytest.approx([3000, 1000, 4000], abs=5 * deviation)


def response_quanta(tools, scheduler, quanta):
    """Return the quanta between the ends of slices of a client with 1 ticket against one with 19."""
    machine = tools.busy_machine([1, 19], scheduler, quantum_ns=1000, engine="compiled")
    machine.run(quanta * 1000, window_ns=1 << 40)
    rows = np.concatenate(machine.recordings.slices)
    return np.diff(rows["end_ns"][rows["pid"] == 0]) / 1000


def test_stride_answers_every_twenty_quanta(tools):
    """TM-528: the response time of 1 ticket against 19 is 20.00 quanta with hardly any spread."""
    response = response_quanta(tools, "stride", 100_000)
    assert response.mean() == pytest.approx(20, abs=0.005)
    assert response.std() < 0.02


@pytest.mark.parametrize("scheduler", ["lottery", "lottery-tree"])
def test_a_lottery_answers_every_twenty_quanta_on_average_only(tools, scheduler):
    """TM-528: mean 20, deviation 19.49 in theory, each within four standard errors."""
    response = response_quanta(tools, scheduler, 200_000)
    assert response.mean() == pytest.approx(20, abs=4 * 19.49 / np.sqrt(len(response)))
    assert response.std() == pytest.approx(19.49, abs=4 * 19.49 * np.sqrt(2 / len(response)))
