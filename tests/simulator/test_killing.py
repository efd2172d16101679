"""A process is killed, whatever it is in the middle of, and everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from crowded import LAYOUT, MS, PAGE, burst_of, greedy, holding, paged, reasons

from simulator.calls import CallError
from simulator.channels import Channel
from simulator.memory.control import MemoryControl
from simulator.schedulers.registry import scheduler_names
from simulator.sources import Source

if TYPE_CHECKING:
    from simulator.machine import Machine


def kill_one(machine: Machine, program: Any, *, at_ns: int = 5 * MS, **spawning: Any):
    """Run a program that holds the most memory and is killed at a time; return its process."""
    control = MemoryControl("victim", oom_score_adj=1000)
    wants = greedy(at_ns, machine.memory.free_bytes // PAGE - 20)
    asking = machine.spawn("greedy", wants, tickets=1, layout=LAYOUT)
    victim = machine.spawn("victim", program, tickets=1, layout=LAYOUT, control=control, **spawning)
    machine.run(40 * MS, window_ns=MS)
    assert victim.ended is not None
    assert at_ns <= victim.ended.at_ns <= at_ns + 5 * MS  # who asks may have had to wait for the CPU
    assert victim.ended.reason.startswith("killed: out of memory: greedy asked for")
    assert asking.ended is not None
    assert asking.ended.reason == "exited"
    assert machine.memory.used_bytes == sum(
        one.memory.space.resident_bytes for one in machine.processes if one.memory is not None
    )
    return victim


def compute_for_ever(system):
    """Compute."""
    yield system.compute(1 << 60)


def sleep_for_ever(system):
    """Sleep."""
    yield system.sleep(1 << 60)


@pytest.mark.parametrize("scheduler", scheduler_names())
@pytest.mark.parametrize("then", [compute_for_ever, sleep_for_ever])
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_victim_may_be_anywhere(scheduler, then, cpus) -> None:
    """On a CPU, in the queue or asleep: it stops at once, and others have its share of the CPU."""
    machine = paged(100, scheduler, cpus=cpus)
    victim = kill_one(machine, holding(20, then))
    assert victim.ended is not None
    assert machine.received_ns(victim) <= victim.ended.at_ns
    assert machine.dispatcher.state.totals.queued[0] == 0


@pytest.mark.parametrize("scheduler", scheduler_names())
def test_threads_in_the_middle_of_a_burst_stop_together(scheduler) -> None:
    """No thread of the victim's begins another phase."""
    machine = paged(100, scheduler, cpus=2)
    burst = burst_of(3, 50 * MS, parallel=True)

    def team(system):
        while True:
            yield system.execute(burst)

    victim = kill_one(machine, holding(20, team), threads=3)
    assert 0 < machine.received_ns(victim) < 11 * MS
    received = machine.dispatcher.state.processes.cpu_ns
    assert received.sum() == machine.dispatcher.state.cpus.busy_ns.sum()


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_victim_was_serving_stays_unanswered(by_kernel, threads) -> None:
    """Whether the kernel repeats the burst or the program does; later requests wait, and the oldest drop."""
    machine = paged(100, cpus=2)
    source = Source.outside(
        machine.dispatcher, [np.arange(0, 39 * MS, 2 * MS)], capacity=3, when_full="drop-oldest"
    )
    burst = burst_of(3, 300_000)

    def serving(system):
        if by_kernel:
            yield from system.serve(source, burst)
        while True:
            request = yield system.receive(source)
            yield system.execute(burst)
            system.reply(request)

    victim = kill_one(machine, holding(20, serving), at_ns=8_100_000, threads=threads)
    assert victim.ended is not None
    finished = [one.finished_ns for one in source.requests]
    assert [one >= 0 for one in finished[:5]] == [True] * 4 + [False]
    assert all(0 < one < victim.ended.at_ns for one in finished[:4])
    assert [one.dropped for one in source.requests] == [False] * 5 + [True] * 12 + [False] * 3
    assert victim.mallocs >= 4


def test_a_request_that_arrives_after_the_end_of_who_waited_for_it_is_handed_to_nobody() -> None:
    """Killed while it waits for a request; the next ones stay in the queue."""
    machine = paged(100)
    source = Source.outside(machine.dispatcher, [np.array([1 * MS, 20 * MS, 30 * MS])])

    def receiving(system):
        while True:
            yield system.receive(source)

    kill_one(machine, holding(20, receiving))
    assert [one.started_ns for one in source.requests] == [1 * MS, -1, -1]


def test_those_who_wait_for_a_victims_reply_are_told() -> None:
    """One call is being served, another waits: both clients receive an error, and their tickets come home."""
    machine, channel, told = paged(140, "lottery"), None, []
    channel = Channel(machine.clock)

    def server(system):
        while True:
            request = yield system.receive(channel)
            yield system.compute(1 << 60)
            system.reply(request)

    def client(system):
        try:
            yield system.request(channel)
        except CallError as error:
            told.append(str(error))
        yield system.compute(MS)

    for name in ("first", "second"):
        machine.spawn(name, client, tickets=7, layout=LAYOUT, start_ns=MS)
    kill_one(machine, holding(20, server))
    assert len(told) == 2
    assert all("no reply will come: process 3 (job 'victim') is gone" in one for one in told)
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


@pytest.mark.parametrize("waits", ["in the queue", "for the reply"])
def test_the_calls_of_a_victim_are_forgotten_or_answered_to_nobody(waits) -> None:
    """The server goes on with the next client, with the right tickets."""
    machine = paged(140, "lottery")
    channel = Channel(machine.clock)
    served: list[int] = []

    def server(system):
        if waits == "in the queue":
            yield system.compute(15 * MS)
        for _ in range(2 if waits == "for the reply" else 1):
            request = yield system.receive(channel)
            yield system.compute(4 * MS)
            system.reply(request)
            served.append(request.number)

    def client(system):
        yield system.sleep(8 * MS)
        yield system.request(channel)

    machine.spawn("server", server, tickets=5, layout=LAYOUT)
    machine.spawn("client", client, tickets=5, layout=LAYOUT)

    def asking(system):
        yield system.request(channel)

    kill_one(machine, holding(20, asking), at_ns=2 * MS)
    assert served == ([0, 1] if waits == "for the reply" else [1])
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


def test_a_server_killed_while_it_waits_for_calls_leaves_them_to_another() -> None:
    """It is handed no call any more."""
    machine = paged(140)
    channel = Channel(machine.clock)

    def server(system):
        request = yield system.receive(channel)
        yield system.compute(1000)
        system.reply(request)

    def second(system):
        yield system.sleep(10 * MS)
        yield from server(system)

    def client(system):
        yield system.sleep(12 * MS)
        yield system.request(channel)

    machine.spawn("second", second, tickets=5, layout=LAYOUT)
    machine.spawn("client", client, tickets=5, layout=LAYOUT)
    kill_one(machine, holding(20, server))
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


def test_who_waits_for_a_victim_hears_of_its_end() -> None:
    """A parent is told how its child ended, and the child's memory, shared with it, is not lost."""
    machine, told = paged(140), []

    def child(system):
        yield system.compute(1 << 60)

    def parent(system):
        block = system.malloc(30 * PAGE)
        yield system.store(block, b"x" * 30 * PAGE)
        ended = yield system.wait(system.fork(child))
        told.append(ended.reason.split(":")[0])
        told.append((yield system.load(block + 29 * PAGE, 1)))

    control = MemoryControl("family")
    machine.spawn("family", parent, tickets=1, layout=LAYOUT, control=control)
    machine.spawn("greedy", greedy(5 * MS, 98), tickets=1, layout=LAYOUT)
    machine.run(40 * MS, window_ns=MS)
    assert told == ["killed", b"x"]
    assert control.used_bytes == 0
    assert control.oom_kills == 1


def test_a_kill_cannot_be_caught() -> None:
    """Neither an except nor a finally of the program runs to any effect."""
    machine, done = paged(100), []

    def stubborn(system):
        try:
            yield system.compute(1 << 60)
        except Exception:  # noqa: BLE001 - what a program may well do
            done.append("caught")
        finally:
            system.malloc(16)
            done.append("finally")

    kill_one(machine, holding(20, stubborn))
    assert done == []
