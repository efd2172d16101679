"""Threads that share the operations of a burst, with a barrier at the end of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.sources import Source
from simulator.teams import phases_of

NOTHING = np.zeros(0, np.int64)


def burst_of(*ops):
    """Return a burst without memory events from (CPU time in ns, whether threads can share it)."""
    return Burst(
        op_cpu_ns=np.array([cpu_ns for cpu_ns, _ in ops], np.int64),
        op_names=["op"] * len(ops),
        event_op=NOTHING,
        event_after=NOTHING.astype(bool),
        event_block=NOTHING,
        event_bytes=NOTHING,
        op_parallel=np.array([shared for _, shared in ops], bool),
    )


def executing(*bursts):
    """Return a program that executes bursts one after another."""

    def program(system):
        for burst in bursts:
            yield system.execute(burst)

    return program


def time_alone(tools, burst, *, threads, cpus):
    """Return when a process ends that has a machine to itself, and what its threads received."""
    machine = tools.machine_with("stride", cpus=cpus)
    process = machine.spawn("a", executing(burst, burst), tickets=1, layout=tools.layout, threads=threads)
    machine.run(10**9, window_ns=10**9)
    received = machine.dispatcher.state.processes.cpu_ns[:threads]
    return process.ended.at_ns, received.tolist()


def test_shared_operations_take_a_part_of_the_time_and_the_others_all_of_it(tools):
    """Amdahl's law, operation by operation."""
    burst = burst_of((1000, True), (300, False), (600, True))
    assert time_alone(tools, burst, threads=1, cpus=4) == (2 * 1900, [3800])
    assert time_alone(tools, burst, threads=2, cpus=4) == (2 * (500 + 300 + 300), [2200, 1600])
    assert time_alone(tools, burst, threads=4, cpus=4) == (2 * (250 + 300 + 150), [1400, 800, 800, 800])


def test_on_one_cpu_threads_gain_nothing(tools):
    """The parts are done one after another."""
    burst = burst_of((1000, True), (300, False))
    assert time_alone(tools, burst, threads=4, cpus=1) == (2 * 1300, [1100, 500, 500, 500])


def test_what_does_not_divide_is_lost_to_nobody(tools):
    """Seven nanoseconds on three threads are three, two and two; one nanosecond is one thread's."""
    end, received = time_alone(tools, burst_of((7, True), (1, True)), threads=3, cpus=3)
    assert (end, received) == (2 * (3 + 1), [8, 4, 4])


def test_the_slowest_thread_decides_when_the_next_operation_begins(tools):
    """A neighbour on one of two CPUs holds up both threads: the other one waits at the barrier."""
    machine = tools.machine_with("round-robin", cpus=2, quantum_ns=1000)
    team = executing(burst_of((4000, True), (4000, True)))
    process = machine.spawn("team", team, tickets=1, layout=tools.layout, threads=2, affinity=0b11)
    machine.spawn("hog", tools.computing((1 << 60, 0)), tickets=1, layout=tools.layout, affinity=0b10)
    machine.run(10**6, window_ns=10**6)
    # Alone it would take 4000 ns.
    assert process.ended.at_ns > 4000
    waited = machine.dispatcher.state.processes.wait_ns
    assert waited[:2].sum() > 0
    assert machine.dispatcher.state.processes.cpu_ns[:2].tolist() == [4000, 4000]


def test_the_kernel_serves_requests_with_a_team(tools):
    """Latency of each of many requests is that of the burst on two threads."""
    machine = tools.machine_with("eevdf", cpus=2)
    source = Source.outside(machine.dispatcher, [np.arange(0, 100_000, 1000)])
    burst = burst_of((400, True), (100, False))

    def program(system):
        yield from system.serve(source, burst)

    machine.spawn("camera", program, tickets=1, layout=tools.layout, threads=2)
    machine.run(10**6, window_ns=10**6)
    assert {one.finished_ns - one.arrived_ns for one in source.requests} == {300}


@given(
    ops=st.lists(st.tuples(st.integers(0, 1000), st.booleans()), min_size=1, max_size=20),
    threads=st.integers(1, 4),
    part=st.floats(0, 1),
    before_ns=st.integers(0, 500),
)
def test_phases_hold_all_the_time_and_nothing_shared_is_joined(ops, threads, part, before_ns):
    """Whatever is cut off at the end, the sum is right; only what one thread does is put together."""
    burst = burst_of(*ops)
    until_ns = int(part * burst.cpu_ns)
    times, widths = phases_of(burst, threads, until_ns, before_ns)
    assert times.sum() == until_ns + before_ns
    if before_ns:
        assert (times[0], widths[0]) == (before_ns, 1)
        times, widths = times[1:], widths[1:]
    assert set(widths.tolist()) <= {1, threads}
    if threads > 1:
        shared = [cpu_ns for cpu_ns, flag in ops if flag and cpu_ns]
        assert times[widths > 1].sum() <= sum(shared)
        if part == 1:
            assert times[widths > 1].tolist() == shared


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_ends_with_all_its_threads(tools, threads):
    """No thread is left behind, runnable or holding tickets."""
    machine = tools.machine_with("lottery", cpus=2)
    machine.spawn("a", executing(burst_of((100, True))), tickets=5, layout=tools.layout, threads=threads)
    machine.run(1000, window_ns=1000)
    assert all(process.ended is not None for process in machine.processes)
    assert [machine.bank.economy.owned(pid) for pid in range(threads)] == [0] * threads


def test_a_team_s_program_may_compute_beside_its_bursts(tools):
    """Its own demands are the leader's alone, before a burst, after one, and at the end."""
    machine = tools.machine_with("stride", cpus=2)

    def program(system):
        yield system.compute(30)
        yield system.execute(burst_of((100, True)))
        yield system.compute(20)
        yield system.sleep(1000)
        yield system.compute(10)

    process = machine.spawn("a", program, tickets=1, layout=tools.layout, threads=2)
    machine.run(10_000, window_ns=10_000)
    assert process.ended.at_ns == 30 + 50 + 20 + 1000 + 10
    assert machine.dispatcher.state.processes.cpu_ns[:2].tolist() == [110, 50]
