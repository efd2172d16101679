"""The machine: processes come, run, block and end, and the books balance."""

from __future__ import annotations

import pytest

from simulator.errors import InvariantError
from simulator.hardware import Hardware
from simulator.machine import KILLED, SEGMENTATION_FAULT, ProgramError
from simulator.memory.address_space import Layout
from simulator.memory.errors import OutOfMemory
from simulator.process import ProcessState


def test_a_program_that_computes_and_sleeps_takes_exactly_that_long(tools):
    """Alone on the machine, a process's time is its computing and its sleeping."""
    machine = tools.machine_with("stride")
    process = machine.spawn("a", tools.computing((7, 5), (30 * tools.ms, 2)), tickets=1, layout=tools.layout)
    machine.run(100 * tools.ms, window_ns=tools.ms)
    assert process.ended.at_ns == 7 + 5 + 30 * tools.ms + 2
    assert process.ended.reason == "exited"
    assert machine.dispatcher.state.processes.cpu_ns[process.pid] == 7 + 30 * tools.ms


def test_every_switch_to_another_process_costs_its_time_and_no_other_dispatch_does(tools):
    """Two processes that alternate pay at every slice; one alone pays once."""
    machine = tools.busy_machine([1, 1], context_switch_ns=1000)
    machine.run(10 * (10 * tools.ms + 1000), window_ns=tools.ms)
    cpus = machine.dispatcher.state.cpus
    assert (cpus.switches[0], cpus.switching_ns[0], cpus.busy_ns[0]) == (10, 10_000, 100 * tools.ms)

    alone = tools.busy_machine([1], context_switch_ns=1000)
    alone.run(100 * tools.ms, window_ns=tools.ms)
    assert alone.dispatcher.state.cpus.switching_ns[0] == 1000


def test_the_last_switch_is_booked_only_as_far_as_it_came(tools):
    """A run that ends inside a context switch books the part before the end."""
    machine = tools.busy_machine([1], context_switch_ns=1000)
    machine.run(400, window_ns=100)
    cpus = machine.dispatcher.state.cpus
    assert (cpus.switching_ns[0], cpus.busy_ns[0], cpus.idle_ns[0]) == (400, 0, 0)


def test_a_program_that_asks_for_more_at_once_keeps_its_slice(tools):
    """Ten computes of 1 ms use one slice of 10 ms, while another process waits."""
    machine = tools.machine_with("round-robin", slices=None)
    machine.spawn("a", tools.computing(*[(tools.ms, 0)] * 25), tickets=1, layout=tools.layout)
    machine.spawn("b", tools.computing((1 << 60, 0)), tickets=1, layout=tools.layout)
    machine.run(60 * tools.ms, window_ns=tools.ms)
    slices = machine.recordings.slices[0]
    lengths = [(int(row["pid"]), int(row["end_ns"] - row["start_ns"]) // tools.ms) for row in slices]
    assert lengths == [(0, 10), (1, 10), (0, 10), (1, 10), (0, 5), (1, 10), (1, 5)]


def test_two_cpus_run_two_processes_at_once_and_share_one_queue(tools):
    """Three equal processes on two CPUs get two thirds of a CPU each."""
    machine = tools.busy_machine([1, 1, 1], cpus=2)
    machine.run(600 * tools.ms, window_ns=tools.ms)
    assert machine.dispatcher.state.processes.cpu_ns[:3].tolist() == [400 * tools.ms] * 3
    assert machine.dispatcher.state.cpus.idle_ns.tolist() == [0, 0]


def test_states_are_those_of_the_textbook(tools):
    """A process is embryo, running, ready, blocked and zombie at the times one expects."""
    machine = tools.machine_with("fifo")
    seen = {}

    def program(system):
        yield system.compute(10)
        yield system.sleep(10)

    first = machine.spawn("first", program, tickets=1, layout=tools.layout)
    second = machine.spawn("second", program, tickets=1, layout=tools.layout, start_ns=5)

    def watch():
        for at in (1, 7, 12, 50):
            yield machine.clock.timeout(at - machine.clock.now_ns)
            seen[at] = (str(machine.state_of(first)), str(machine.state_of(second)))

    machine.clock.process(watch())
    machine.run(100, window_ns=100)
    assert seen == {
        1: ("running", "embryo"),
        7: ("running", "ready"),
        12: ("blocked", "running"),
        50: ("zombie", "zombie"),
    }
    assert machine.final_states == [ProcessState.ZOMBIE] * 2


def test_a_process_that_does_not_fit_is_refused_and_the_others_go_on(tools):
    """The exit record says how much it needed and what there was."""
    machine = tools.machine_with("stride", memory_bytes=1 << 20)
    big = machine.spawn("big", tools.computing((1, 0)), tickets=1, layout=Layout(0, 1 << 21, 0))
    small = machine.spawn("small", tools.computing((1, 0)), tickets=1, layout=Layout(0, 1 << 16, 0))
    machine.run(100, window_ns=100)
    assert big.ended.reason.startswith("refused: ")
    assert "2.0 MiB" in big.ended.reason
    assert small.ended.reason == "exited"


def test_a_process_that_outgrows_its_heap_is_killed_unless_it_catches_the_error(tools):
    """A malloc fails when heap and stack would meet; a program may handle that."""

    def careless(system):
        yield system.compute(1)
        system.malloc(2 << 20)

    def careful(system):
        yield system.compute(1)
        try:
            system.malloc(2 << 20)
        except OutOfMemory:
            system.exit(3)

    machine = tools.machine_with("stride")
    killed = machine.spawn("careless", careless, tickets=1, layout=tools.layout)
    exited = machine.spawn("careful", careful, tickets=1, layout=tools.layout)
    machine.run(100, window_ns=100)
    assert killed.ended.code == KILLED
    assert killed.ended.reason.startswith("killed: out of memory: heap is full")
    assert (exited.ended.code, exited.ended.reason) == (3, "exited")
    assert machine.memory.used_bytes == 0


def test_freeing_what_was_never_allocated_ends_the_process(tools):
    """An invalid free is a fault of the program, on record in its exit."""

    def program(system):
        yield system.compute(1)
        system.free(12345)

    machine = tools.machine_with("stride")
    process = machine.spawn("p", program, tickets=1, layout=tools.layout)
    machine.run(100, window_ns=100)
    assert process.ended.code == SEGMENTATION_FAULT
    assert "malloc never returned it" in process.ended.reason


def test_a_program_that_raises_names_its_job(tools):
    """A defect in a plug-in's program is reported with job and time, not swallowed."""

    def program(system):
        yield system.compute(10)
        raise KeyError("lost")

    machine = tools.machine_with("stride")
    machine.spawn("broken", program, tickets=1, layout=tools.layout)
    with pytest.raises(ProgramError, match="job 'broken': its program raised KeyError at 10 ns"):
        machine.run(100, window_ns=100)


def test_broken_books_raise_at_once(tools):
    """A nanosecond that vanishes is an error, not a rounding."""
    machine = tools.busy_machine([1])
    machine.dispatcher.state.cpus.idle_ns[0] += 1
    with pytest.raises(InvariantError, match="CPU 0: 101 ns are booked, but 100 ns have passed"):
        machine.run(100, window_ns=100)


def test_tickets_changed_in_the_middle_shift_the_shares_from_then_on(tools):
    """From equal shares to three to one at half-time."""
    machine = tools.busy_machine([100, 100])

    def change():
        yield machine.clock.timeout(10_000 * tools.ms)
        machine.set_tickets(machine.processes[0], 300)

    machine.clock.process(change())
    machine.run(20_000 * tools.ms, window_ns=tools.ms)
    first, second = machine.dispatcher.state.processes.cpu_ns[:2] / tools.ms
    assert first == pytest.approx(5_000 + 7_500, abs=20)
    assert second == pytest.approx(5_000 + 2_500, abs=20)
    assert machine.recordings.events[-1].detail == "tickets 100 -> 300"


def test_hundreds_of_processes_outgrow_the_first_tables(tools):
    """Tables grow as processes are spawned, and nobody is forgotten."""
    machine = tools.busy_machine([1] * 300, quantum_ns=1000)
    machine.run(300 * 1000 * 4, window_ns=1 << 20)
    assert set(machine.dispatcher.state.processes.cpu_ns[:300].tolist()) == {4000}


def test_a_machine_without_cpus_or_time_is_refused():
    """Nonsense is refused when the hardware is described."""
    with pytest.raises(ValueError, match="CPUs >= 1"):
        Hardware(cpus=0)
