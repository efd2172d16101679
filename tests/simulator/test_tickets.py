"""The ticket economy: what tickets are worth, who pays for inflation, and tickets that work for a server."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.channels import Channel
from simulator.currencies import BASE, Currency, TicketError
from simulator.machine import ProgramError
from simulator.schedulers.registry import make_scheduler
from simulator.streams import Streams
from simulator.tickets import Economy

TWO = {"alice": Currency(100), "bob": Currency(100)}
TREE = {"a": Currency(70), "b": Currency(30), "c": Currency(5, "a"), "d": Currency(9, "c")}
holding = st.tuples(st.integers(0, 99), st.sampled_from([BASE, *TREE]), st.booleans())


def opened(holdings, currencies):
    """Return an economy with a process per (tickets, currency, active)."""
    economy = Economy(currencies)
    for pid, (tickets, currency, active) in enumerate(holdings):
        economy.open(tickets, currency)
        economy.set_active(pid, active)
    return economy


@given(st.lists(holding, min_size=1, max_size=8))
def test_worths_sum_to_the_funding_of_the_currencies_that_are_active(holdings):
    """No base ticket is made or lost on the way down to the processes."""
    economy = opened(holdings, TREE)

    def root(currency):
        return currency if TREE[currency].of == BASE else root(TREE[currency].of)

    roots = {root(currency) for n, currency, active in holdings if active and n and currency != BASE}
    base = sum(n for n, currency, active in holdings if active and currency == BASE)
    worth = sum(economy.worth(pid) for pid, (_, _, active) in enumerate(holdings) if active)
    assert worth == base + sum(TREE[name].funding for name in roots)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 999)), max_size=12))
def test_amounts_inside_one_currency_never_touch_another(amounts):
    """Insulation: whatever alice's processes hold, bob's are worth the same."""
    economy = opened([(10, "alice", True)] * 3 + [(1, "bob", True), (3, "bob", True)], TWO)
    economy.changes()
    for pid, tickets in amounts:
        economy.set_tickets(pid, tickets)
        assert all(changed < 3 for changed in economy.changes())
    assert [economy.worth(3), economy.worth(4)] == [25, 75]


def test_ratios_reach_the_scheduler_to_within_a_millionth():
    """What is rounded is rounded finely, whatever the size of the funding."""
    for funding in (1, 7, 100, 1_000_000):
        economy = opened([(1, "a", True), (2, "a", True)], {"a": Currency(funding)})
        told = economy.changes()
        assert told[1] / told[0] == pytest.approx(2, rel=1e-6)


def test_who_blocks_enriches_the_others_of_the_currency_alone():
    """Tickets of a blocked process are not active."""
    economy = opened([(100, "alice", True), (100, "alice", True), (1, "bob", True)], TWO)
    economy.set_active(0, active=False)
    assert [economy.worth(1), economy.worth(2)] == [100, 100]
    economy.set_active(0, active=True)
    assert economy.worth(1) == Fraction(50)


@pytest.mark.parametrize(
    ("currencies", "message"),
    [
        ({"a": Currency(1, "b"), "b": Currency(1, "a")}, "in a circle: a of b of a"),
        ({"alice": Currency(1), "b": Currency(1, "alcie")}, "unknown currency alcie; did you mean alice"),
        ({"a": Currency(-1)}, "never negative: -1"),
        ({"base": Currency(1)}, "base is the root"),
        ({"a": Currency(1), "b": Currency(1 << 40)}, "are too many"),
    ],
)
def test_currencies_that_cannot_be_are_refused(currencies, message):
    """One clear error says what is wrong."""
    with pytest.raises(TicketError, match=message):
        Economy(currencies)


def rounds(tools, tickets):
    """Run clients of one worker each, with no tickets of the workers' own; return answers by client."""
    machine = tools.machine_with("stride")
    channel = Channel(machine.clock)
    answered = [0] * len(tickets)

    def server(system):
        while True:
            request = yield system.receive(channel)
            yield system.compute(30 * tools.ms)
            system.reply(request)

    def client(number):
        def program(system):
            while True:
                yield system.request(channel)
                answered[number] += 1

        return program

    for number, amount in enumerate(tickets):
        machine.spawn(f"client{number}", client(number), tickets=amount, layout=tools.layout)
        machine.spawn(f"server{number}", server, tickets=0, layout=tools.layout)
    machine.run(40_000 * tools.ms, window_ns=1 << 40)
    return answered


def test_servers_without_tickets_run_at_their_clients_rates(tools):
    """An urgent client with three times the tickets is answered three times as often."""
    urgent, casual = rounds(tools, [300, 100])
    assert urgent / casual == pytest.approx(3, rel=0.05)


def test_handing_tickets_to_a_process_that_is_gone_names_job_and_time(tools):
    """One clear error, not a silent loss."""

    def late(system):
        yield system.compute(tools.ms)
        system.transfer(0, 5)

    machine = tools.machine_with("stride")
    machine.spawn("first", tools.computing((1, 0)), tickets=100, layout=tools.layout)
    machine.spawn("late", late, tickets=10, layout=tools.layout)
    with pytest.raises(ProgramError, match=r"job 'late'.* \(job 'first'\) is gone, it has exited at"):
        machine.run(100 * tools.ms, window_ns=tools.ms)


@pytest.mark.parametrize(("compensation", "share"), [(False, 1 / 6), (True, 1 / 2)])
def test_compensation_gives_who_uses_a_fifth_of_its_quantum_its_share(compensation, share):
    """At equal tickets: without, 1/5 to 1 of the CPU time; with compensation, half."""
    lottery = make_scheduler("lottery", {"compensation": compensation})
    lottery.attach(2, 1000)
    lottery.affinity[:] = -1
    draws = Streams(3).named("scheduler")
    received = [0, 0]
    for pid in (0, 1):
        lottery.retune(pid, 100)
        lottery.enter(pid)
    for _ in range(20_000):
        if lottery.draw_at[0] > len(lottery.draws) - 8:
            lottery.refill(draws)
        pid = lottery.pick(0)
        received[pid] += (200, 1000)[pid]
        lottery.charge(pid, (200, 1000)[pid])
    assert received[0] / sum(received) == pytest.approx(share, abs=0.02)
