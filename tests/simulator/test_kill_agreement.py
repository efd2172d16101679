"""Kills are the same however time is cut up and whoever executes, and break no books."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from crowded import LAYOUT, MS, burst_of, holding, paged, reasons, taking
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.memory.control import MemoryControl
from simulator.oom import KILLERS
from simulator.schedulers.registry import scheduler_names
from simulator.sources import Source


def tale(
    scheduler: str, largest: int, *, ticks_ns: int = 0, by_kernel: bool = True, engine: Any = "interpreted"
) -> list[Any]:
    """Return what became of a server, one of two threads, and a leak in too little memory."""
    machine = paged(115, scheduler, engine=engine, cpus=2, context_switch_ns=300)
    sources = []
    for number in range(2):
        times = np.arange(number, 30 * MS, 1_700_000)
        source = Source.outside(machine.dispatcher, [times], capacity=2, when_full="drop-oldest")
        sources.append(source)
        burst = burst_of(4 + number, 250_000, parallel=bool(number))

        def serving(system, source=source, burst=burst):
            if by_kernel:
                yield from system.serve(source, burst)
            while True:
                request = yield system.receive(source)
                yield system.execute(burst)
                system.reply(request)

        program = holding(32 + 3 * (number == largest), serving)
        machine.spawn(str(number), program, tickets=3, layout=LAYOUT, threads=1 + number)
    machine.spawn("leak", taking(*[(5, 900_000, 400_000)] * 20), tickets=1, layout=LAYOUT)

    def tick():
        while True:
            yield machine.clock.timeout(ticks_ns)

    if ticks_ns:
        machine.clock.process(tick())
    machine.run(30 * MS, window_ns=3 * MS)
    state = machine.dispatcher.state
    received = state.processes.cpu_ns[:4].tolist()
    kills = [(kill.at_ns, kill.pid, kill.reason) for kill in machine.recordings.kills]
    assert kills[0][1] == largest
    requests = [[(one.started_ns, one.finished_ns, one.dropped) for one in each.requests] for each in sources]
    return [received, kills, requests, reasons(machine), machine.memory.used_bytes]


@pytest.mark.parametrize("scheduler", scheduler_names())
@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_however_time_is_cut_up(scheduler: str, largest: int) -> None:
    """To the nanosecond: who is killed, when, and what became of every request."""
    whole = tale(scheduler, largest)
    assert tale(scheduler, largest) == whole
    assert tale(scheduler, largest, ticks_ns=77_777) == whole


@pytest.mark.parametrize("scheduler", ["stride", "eevdf", "lottery"])
@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_whoever_repeats_the_burst(scheduler: str, largest: int) -> None:
    """The kernel inside the span, or the program round by round."""
    assert tale(scheduler, largest, by_kernel=False) == tale(scheduler, largest)


@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_in_machine_code(largest: int) -> None:
    """What is withdrawn between two compiled spans is gone from the arrays."""
    assert tale("stride", largest, engine="compiled") == tale("stride", largest)


step = st.tuples(st.integers(0, 30), st.integers(0, 150_000), st.integers(0, 90_000))
drawn = st.tuples(st.integers(0, 60_000), st.sampled_from([-1000, 0, 0, 500]), st.lists(step, max_size=6))


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(drawn, min_size=2, max_size=5),
    cpus=st.integers(1, 2),
    frames=st.integers(40, 120),
    killer=st.sampled_from(KILLERS),
)
def test_kills_break_no_books(scheduler, jobs, cpus, frames, killer) -> None:
    """Small memories, programs at random: whoever is killed, time and memory are accounted for."""
    machine = paged(frames, scheduler, killer, cpus=cpus, context_switch_ns=700)
    for number, (start_ns, adj, steps) in enumerate(jobs):
        control = MemoryControl(str(number), oom_score_adj=adj)
        machine.spawn(
            str(number), taking(*steps), tickets=number + 1, layout=LAYOUT, start_ns=start_ns, control=control
        )
    machine.run(20 * MS, window_ns=MS)
    received = machine.dispatcher.state.processes.cpu_ns[: len(jobs)]
    assert received.sum() == machine.dispatcher.state.cpus.busy_ns.sum()
    if all(one.ended for one in machine.processes):
        assert machine.memory.used_bytes == 0
    for kill in machine.recordings.kills:
        if kill.kind == "killed" and kill.case.asking_pid != kill.pid:
            assert machine.processes[kill.pid].control.oom_score_adj > -1000
