"""Requests wait, are dropped, and are served in order."""

from __future__ import annotations

import pytest

from simulator.channels import Channel, ClosedLoop


def serve(machine, source, tools, *, compute_ns, until_ns):
    """Run one server on the source and return all its requests."""

    def program(system):
        while True:
            request = yield system.receive(source)
            yield system.compute(compute_ns)
            system.reply(request)

    machine.spawn("server", program, tickets=1, layout=tools.layout)
    machine.run(until_ns, window_ns=until_ns)
    return source.requests


def arrivals(machine, channel, every_ns, count):
    """Let requests arrive at a fixed pace."""

    def world():
        for _ in range(count):
            channel.arrive()
            yield machine.clock.timeout(every_ns)

    machine.clock.process(world())


@pytest.mark.parametrize(
    ("when_full", "served", "dropped"),
    # Frames at 0, 10, 20 ... ns; each takes 24 ns; one may wait.
    [("drop-oldest", [0, 2, 4], [1, 3]), ("drop-newest", [0, 1, 3], [2, 4])],
)
def test_a_full_queue_drops_the_oldest_or_the_newest(tools, when_full, served, dropped):
    """Which frame is lost is the camera's choice, and every frame is accounted for."""
    machine = tools.machine_with("stride")
    channel = Channel(machine.clock, 1, when_full)
    arrivals(machine, channel, 10, 6)
    requests = serve(machine, channel, tools, compute_ns=24, until_ns=76)
    assert [request.number for request in requests if request.finished_ns >= 0] == served
    assert [request.number for request in requests if request.dropped] == dropped


def test_without_a_limit_nothing_is_dropped_and_latency_grows(tools):
    """Requests that come faster than they are served wait longer and longer."""
    machine = tools.machine_with("stride")
    channel = Channel(machine.clock)
    arrivals(machine, channel, 10, 5)
    requests = serve(machine, channel, tools, compute_ns=25, until_ns=1000)
    assert [request.finished_ns - request.arrived_ns for request in requests] == [25, 40, 55, 70, 85]


def test_a_closed_loop_asks_again_when_answered(tools):
    """The next request arrives with the last reply, or a pause later, and none beyond the limit."""
    machine = tools.machine_with("stride")
    eager = serve(machine, ClosedLoop(machine.clock), tools, compute_ns=10, until_ns=35)
    assert [(request.arrived_ns, request.finished_ns) for request in eager] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, -1),
    ]

    machine = tools.machine_with("stride")
    calm = serve(machine, ClosedLoop(machine.clock, think_ns=5, limit=2), tools, compute_ns=10, until_ns=100)
    assert [(request.arrived_ns, request.finished_ns) for request in calm] == [(0, 10), (15, 25)]


def test_a_channel_that_cannot_hold_its_promise_is_refused(tools):
    """A limit without a rule for what is dropped, or the other way round, is a mistake."""
    machine = tools.machine_with("stride")
    with pytest.raises(ValueError, match="drops requests exactly when"):
        Channel(machine.clock, 3, "wait")
