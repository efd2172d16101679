"""However the time is cut up and whatever runs the loop, the same things happen at the same nanosecond."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.schedulers.registry import scheduler_names

step = st.tuples(st.integers(1, 40_000), st.integers(0, 40_000))
job = st.tuples(st.integers(0, 9), st.integers(0, 50_000), st.lists(step, min_size=1, max_size=6))
jobs = st.lists(job, min_size=1, max_size=5)


def history(tools, scheduler, jobs, *, cpus=1, engine="interpreted", ticks_ns=0, seed=0, kept=None):
    """Run jobs of (tickets, start, steps) and return everything that was recorded.

    Slices are kept unless `kept` is 0; then turns on a single CPU are taken in variables.
    """
    machine = tools.machine_with(
        scheduler, cpus=cpus, quantum_ns=7_000, context_switch_ns=90, engine=engine, seed=seed, slices=kept
    )
    for number, (tickets, start_ns, steps) in enumerate(jobs):
        program = tools.computing(*steps, (3_000, 0))
        machine.spawn(str(number), program, tickets=tickets, layout=tools.layout, start_ns=start_ns)

    def change_tickets():
        yield machine.clock.timeout(33_333)
        machine.set_tickets(machine.processes[0], 5)

    def tick():
        while True:
            yield machine.clock.timeout(ticks_ns)

    machine.clock.process(change_tickets())
    if ticks_ns:
        machine.clock.process(tick())
    machine.run(1_000_000, window_ns=100_000)
    state = machine.dispatcher.state
    rows = slice(0, len(jobs))
    slices = machine.recordings.slices
    return (
        [state.processes.ints[rows].tolist(), state.processes.floats[rows].tolist()],
        state.processes.waits[rows].tolist(),
        state.cpus.ints.tolist(),
        [process.ended for process in machine.processes],
        [row.tolist() for row in machine.recordings.cpu_ns],
        [row.tolist() for part in slices for row in part],
    )


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=jobs, cpus=st.integers(1, 3), ticks_ns=st.integers(50, 20_000), kept=st.sampled_from([None, 0]))
def test_stepping_and_spans_agree_to_the_nanosecond(tools, scheduler, jobs, cpus, ticks_ns, kept):
    """Cutting every span into pieces by events that do nothing changes nothing."""
    whole = history(tools, scheduler, jobs, cpus=cpus, kept=kept)
    assert history(tools, scheduler, jobs, cpus=cpus, ticks_ns=ticks_ns, kept=kept) == whole


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=jobs, cpus=st.integers(1, 2), seed=st.integers(0, 2**32))
def test_turns_in_variables_agree_with_slices_on_record(tools, scheduler, jobs, cpus, seed):
    """Whether slices are kept, so that each has to be seen, changes nothing else."""
    seen = history(tools, scheduler, jobs, cpus=cpus, seed=seed)
    assert history(tools, scheduler, jobs, cpus=cpus, seed=seed, kept=0)[:-1] == seen[:-1]


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=jobs, cpus=st.integers(1, 3), seed=st.integers(0, 2**32), kept=st.sampled_from([None, 0]))
def test_compiled_and_interpreted_agree_to_the_nanosecond(tools, scheduler, jobs, cpus, seed, kept):
    """The machine code is the same rule, draws included."""
    slow = history(tools, scheduler, jobs, cpus=cpus, seed=seed, kept=kept)
    assert history(tools, scheduler, jobs, cpus=cpus, seed=seed, kept=kept, engine="compiled") == slow


def test_switching_to_machine_code_in_the_middle_is_not_noticed(tools):
    """The automatic engine goes over to machine code after some thousand slices, with equal results."""
    results = []
    for engine in ("interpreted", "auto"):
        machine = tools.busy_machine([3, 2, 1], "lottery", quantum_ns=1000, engine=engine, slices=0)
        machine.run(120_000_000, window_ns=10_000_000)
        results.append(machine.dispatcher.state.processes.cpu_ns[:3].tolist())
        compiled = machine.dispatcher._may_compile is False
        assert compiled
    assert results[0] == results[1]


def test_the_end_of_a_window_is_sampled_to_the_nanosecond(tools):
    """A slice that straddles the end of a window counts in both, each with its part."""
    machine = tools.busy_machine([1, 1])
    machine.run(40 * tools.ms, window_ns=4 * tools.ms)
    got = np.diff(np.stack(machine.recordings.cpu_ns), axis=0, prepend=0)
    assert (got.sum(axis=1) == 4 * tools.ms).all()
    assert got[2].tolist() == [2 * tools.ms, 2 * tools.ms]
