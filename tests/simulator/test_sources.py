"""Requests wait, are dropped, and are served in order, by a program or by the kernel for it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind
from simulator.memory.heap_config import FIRST_FIT, PRESETS, HeapConfig, changed
from simulator.memory.one_program import OneProgramMechanism
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.schedulers.registry import make_scheduler, scheduler_names
from simulator.sources import Source

COMPILABLE = [name for name in scheduler_names() if make_scheduler(name, {}).compilable]


MAPPING = changed(PRESETS["glibc"], {"mmap_threshold_bytes": 200_000, "trim_threshold_bytes": 100_000})
"""Gives large blocks mappings of their own for good, and whatever is free at the top back."""


def burst_of(*ops_ns, block_bytes=1000):
    """Return a burst that allocates a block for each of its operations and frees them at its end."""
    count = len(ops_ns)
    blocks = np.arange(count)
    return Burst(
        op_cpu_ns=np.array(ops_ns, np.int64),
        op_names=["op"] * count,
        event_op=np.concatenate([blocks, np.full(count, count - 1)]),
        event_after=np.concatenate([np.zeros(count, bool), np.ones(count, bool)]),
        event_block=np.concatenate([blocks, blocks]),
        event_bytes=np.concatenate([np.full(count, block_bytes), np.full(count, -block_bytes)]),
        op_parallel=np.array([time_ns % 2 == 0 for time_ns in ops_ns]),
    )


def by_itself(source, burst, requests=None):
    """Return a program that receives, executes and replies itself."""

    def program(system):
        served = 0
        while requests is None or served < requests:
            request = yield system.receive(source)
            yield system.execute(burst)
            system.reply(request)
            served += 1

    return program


def by_the_kernel(source, burst, requests=None):
    """Return a program that lets the kernel serve."""

    def program(system):
        yield from system.serve(source, burst, requests)

    return program


def serve(machine, source, tools, *, compute_ns, until_ns, program=by_itself):
    """Run one server on the source and return all its requests."""
    machine.spawn("server", program(source, burst_of(compute_ns)), tickets=1, layout=tools.layout)
    machine.run(until_ns, window_ns=until_ns)
    return source.requests


def at(machine, *times, **options):
    """Return a source whose requests arrive at these times."""
    return Source.outside(machine.dispatcher, [np.array(times, np.int64)], **options)


@pytest.mark.parametrize("program", [by_itself, by_the_kernel])
@pytest.mark.parametrize(
    ("when_full", "served", "dropped"),
    # Frames at 0, 10, 20 ... ns; each takes 24 ns; one may wait.
    [("drop-oldest", [0, 2, 4], [1, 3]), ("drop-newest", [0, 1, 3], [2, 4])],
)
def test_a_full_queue_drops_the_oldest_or_the_newest(tools, when_full, served, dropped, program):
    """Which frame is lost is the camera's choice, and every frame is accounted for."""
    machine = tools.machine_with("stride")
    source = at(machine, 0, 10, 20, 30, 40, 50, capacity=1, when_full=when_full)
    requests = serve(machine, source, tools, compute_ns=24, until_ns=76, program=program)
    assert [request.number for request in requests if request.finished_ns >= 0] == served
    assert [request.number for request in requests if request.dropped] == dropped


@pytest.mark.parametrize("program", [by_itself, by_the_kernel])
def test_without_a_limit_nothing_is_dropped_and_latency_grows(tools, program):
    """Requests that come faster than they are served wait longer and longer."""
    machine = tools.machine_with("stride")
    source = at(machine, 0, 10, 20, 30, 40)
    requests = serve(machine, source, tools, compute_ns=25, until_ns=1000, program=program)
    assert [request.finished_ns - request.arrived_ns for request in requests] == [25, 40, 55, 70, 85]


@pytest.mark.parametrize("program", [by_itself, by_the_kernel])
def test_a_closed_loop_asks_again_when_answered(tools, program):
    """The next request arrives with the last reply, or a pause later, and none beyond the limit."""
    machine = tools.machine_with("stride")
    source = Source.closed_loop(machine.dispatcher)
    eager = serve(machine, source, tools, compute_ns=10, until_ns=35, program=program)
    assert [(request.arrived_ns, request.finished_ns) for request in eager] == [
        (0, 10),
        (10, 20),
        (20, 30),
        (30, -1),
    ]

    machine = tools.machine_with("stride")
    source = Source.closed_loop(machine.dispatcher, think_ns=5, limit=2)
    calm = serve(machine, source, tools, compute_ns=10, until_ns=100, program=program)
    assert [(request.arrived_ns, request.finished_ns) for request in calm] == [(0, 10), (15, 25)]


@pytest.mark.parametrize("program", [by_itself, by_the_kernel])
def test_several_samples_are_asked_for_at_once_and_again_when_all_are_answered(tools, program):
    """Four samples a query, the last query being cut to what is left."""
    machine = tools.machine_with("stride")
    source = Source.closed_loop(machine.dispatcher, samples=4, limit=6, think_ns=5)
    requests = serve(machine, source, tools, compute_ns=10, until_ns=100, program=program)
    assert [(one.arrived_ns, one.finished_ns) for one in requests] == [
        (0, 10),
        (0, 20),
        (0, 30),
        (0, 40),
        (45, 55),
        (45, 65),
    ]


def test_two_programs_can_receive_from_one_source(tools):
    """Requests that arrive at one instant go to those who wait, in turn; a further one waits."""
    machine = tools.machine_with("stride", cpus=2)
    source = at(machine, 10, 10, 10)
    for name in "ab":
        machine.spawn(name, by_itself(source, burst_of(20)), tickets=1, layout=tools.layout)
    machine.run(100, window_ns=100)
    assert [(one.started_ns, one.finished_ns) for one in source.requests] == [(10, 30), (10, 30), (30, 50)]


def test_a_source_that_cannot_hold_its_promise_is_refused(tools):
    """A limit without a rule for what is dropped, or the other way round, is a mistake."""
    machine = tools.machine_with("stride")
    with pytest.raises(ValueError, match="drops requests exactly when"):
        at(machine, 0, capacity=3)


def test_more_requests_than_the_log_holds_are_all_on_record(tools):
    """The log is emptied on the way, and grows while requests wait by the thousand."""
    machine = tools.machine_with("round-robin")
    source = at(machine, *range(5000))
    machine.spawn("server", by_the_kernel(source, burst_of(3)), tickets=1, layout=tools.layout)
    machine.run(15_001, window_ns=15_001)
    requests = source.requests
    assert [request.arrived_ns for request in requests] == list(range(5000))
    assert [request.finished_ns for request in requests] == list(range(3, 15_003, 3))
    assert len(machine.recordings.requests[source.number]) > 1


cameras = st.lists(
    st.tuples(
        st.lists(st.integers(0, 400_000), min_size=1, max_size=30).map(sorted),
        st.lists(st.integers(1, 12_000), min_size=1, max_size=3),
        st.sampled_from([(None, "wait"), (1, "drop-oldest"), (2, "drop-newest")]),
        st.integers(1, 5),
        st.sampled_from([None, 3]),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


class Blocks(NamedTuple):
    """What is allocated, and how."""

    heap: HeapConfig = FIRST_FIT
    block_bytes: int = 1000


SMALL = Blocks()


def history(tools, scheduler, cameras, program, *, ticks_ns=0, blocks=SMALL, **options):
    """Run jobs that serve cameras beside a CPU hog and an interactive one; return all that was recorded."""
    machine = tools.machine_with(
        scheduler, quantum_ns=7_000, context_switch_ns=90, slices=None, **{"engine": "interpreted", **options}
    )
    shared = {"layout": tools.layout, "heap": blocks.heap}
    sources = []
    for times, ops, (capacity, when_full), tickets, limit, threads in cameras:
        sources.append(at(machine, *times, capacity=capacity, when_full=when_full))
        server = program(sources[-1], burst_of(*ops, block_bytes=blocks.block_bytes), limit)
        machine.spawn("camera", server, tickets=tickets, threads=threads, **shared)
    loop = Source.closed_loop(machine.dispatcher, think_ns=9_001)
    machine.spawn("batch", program(loop, burst_of(5_000, 4_000)), tickets=2, **shared)
    machine.spawn("hog", tools.computing((1 << 60, 0)), tickets=1, start_ns=50_000, **shared)

    def change_tickets():
        yield machine.clock.timeout(123_456)
        machine.set_tickets(machine.processes[0], 7)

    def tick():
        while True:
            yield machine.clock.timeout(ticks_ns)

    machine.clock.process(change_tickets())
    if ticks_ns:
        machine.clock.process(tick())
    machine.run(500_000, window_ns=33_000)
    state, record, rows = machine.dispatcher.state, machine.recordings, len(machine.processes)
    kept = [name for name in state.processes._fields if name not in {"ints", "floats", "rounds", "source"}]
    return {
        "requests": [
            [(one.arrived_ns, one.started_ns, one.finished_ns, one.dropped) for one in source.requests]
            for source in [*sources, loop]
        ],
        "processes": {name: getattr(state.processes, name)[:rows].tolist() for name in kept},
        "cpus": state.cpus.ints.tolist(),
        "slices": [row.tolist() for part in record.slices for row in part],
        "windows": [row.tolist() for row in record.cpu_ns],
        "memory": record.memory,
        "physical": (record.physical, record.maps),
        "accounts": [process.account for process in machine.processes],
        "ended": [(process.ended, process.mallocs, process.frees) for process in machine.processes],
        "peaks": [(process.peak_heap_bytes, process.peak_resident_bytes) for process in machine.processes],
    }


def apart(cameras):
    """Move arrivals of different cameras apart: at one nanosecond they may come in either order."""
    number = iter(range(128))
    return [([at - at % 128 + next(number) for at in times], *rest) for times, *rest in cameras]


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=cameras, cpus=st.integers(1, 3))
def test_the_kernel_serves_as_the_program_itself_would(tools, scheduler, cameras, cpus):
    """Every table is the same, memory samples included, whoever receives, executes and replies."""
    own = history(tools, scheduler, apart(cameras), by_itself, cpus=cpus)
    assert history(tools, scheduler, apart(cameras), by_the_kernel, cpus=cpus) == own


@pytest.mark.parametrize("heap", ["first-fit", "glibc", "mapping"])
@pytest.mark.parametrize("block_bytes", [1000, 300_000])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=cameras, cpus=st.integers(1, 3))
def test_the_kernel_serves_as_the_program_would_under_paging(tools, heap, block_bytes, cameras, cpus):
    """Faults, frames and their time are the same, too, whether bursts stop faulting or never do."""
    blocks = Blocks(MAPPING if heap == "mapping" else PRESETS[heap], block_bytes)

    def recorded(program):
        mechanism = PagingMechanism(1 << 26, MemoryCosts(), cpus=cpus)
        return history(
            tools, "stride", apart(cameras), program, blocks=blocks, cpus=cpus, mechanism=mechanism
        )

    assert recorded(by_the_kernel) == recorded(by_itself)


@pytest.mark.parametrize(("heap", "served"), [(FIRST_FIT, 8), (MAPPING, 0)])
def test_under_paging_the_kernel_serves_once_nothing_faults(tools, heap, served):
    """The heap's pages are touched once and for all, those of mappings with every request."""
    machine = tools.machine_with("stride", mechanism=PagingMechanism(1 << 26, MemoryCosts()))
    source = Source.closed_loop(machine.dispatcher, limit=10)
    server = by_the_kernel(source, burst_of(1000, block_bytes=300_000))
    process = machine.spawn("server", server, tickets=1, layout=tools.layout, heap=heap)
    machine.run(10**7, window_ns=10**7)
    assert [request.finished_ns > 0 for request in source.requests] == [True] * 10
    assert machine.dispatcher.state.sources.served[source.number] == served
    pages = 300_000 // 4096 + 1
    faults = process.account.faults[FaultKind.DEMAND_ZERO]
    assert pages <= faults <= pages + 1 if served else faults == 10 * pages


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=cameras)
def test_the_kernel_serves_as_the_program_would_where_switches_go_to_disk(tools, cameras):
    """With one program in memory at a time, whoever is read from disk is the same."""

    def recorded(program):
        costs = MemoryCosts(disk_latency_ns=2_000, disk_bandwidth=1 << 40)
        mechanism = OneProgramMechanism(1 << 26, costs)
        return history(tools, "round-robin", apart(cameras), program, cpus=1, mechanism=mechanism)

    assert recorded(by_the_kernel) == recorded(by_itself)


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=cameras, cpus=st.integers(1, 3), ticks_ns=st.integers(500, 20_000))
def test_served_requests_do_not_feel_where_spans_are_cut(tools, scheduler, cameras, cpus, ticks_ns):
    """Stepping and spans agree to the nanosecond while the kernel serves, too."""
    whole = history(tools, scheduler, cameras, by_the_kernel, cpus=cpus)
    assert history(tools, scheduler, cameras, by_the_kernel, cpus=cpus, ticks_ns=ticks_ns) == whole


@pytest.mark.parametrize("scheduler", COMPILABLE)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=cameras, cpus=st.integers(1, 3))
def test_machine_code_serves_requests_the_same(tools, scheduler, cameras, cpus):
    """Compiled and interpreted agree to the nanosecond while the kernel serves."""
    slow = history(tools, scheduler, cameras, by_the_kernel, cpus=cpus)
    assert history(tools, scheduler, cameras, by_the_kernel, cpus=cpus, engine="compiled") == slow
