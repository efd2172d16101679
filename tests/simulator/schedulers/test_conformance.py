"""What every scheduler owes the kernel, ours and anyone's."""

from __future__ import annotations

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.compiled import CompileError
from simulator.dispatcher import PolicyError
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.plugins import PluginError
from simulator.schedulers.base import Scheduler
from simulator.schedulers.registry import make_scheduler, scheduler_names

step = st.tuples(st.integers(1, 40_000), st.integers(0, 40_000))
job = st.tuples(st.integers(0, 9), st.integers(0, 50_000), st.lists(step, min_size=1, max_size=6))


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(jobs=st.lists(job, min_size=1, max_size=6), cpus=st.integers(1, 3))
def test_work_is_conserved_and_everyone_gets_done(tools, scheduler, jobs, cpus):
    """Each process receives exactly what it asked for, and no CPU idles while somebody waits."""
    machine = tools.machine_with(scheduler, cpus=cpus, quantum_ns=7_000)
    for number, (tickets, start_ns, steps) in enumerate(jobs):
        machine.spawn(
            str(number), tools.computing(*steps), tickets=tickets, layout=tools.layout, start_ns=start_ns
        )
    machine.run(10_000_000, window_ns=1 << 40)
    asked = [sum(compute for compute, _ in steps) for _, _, steps in jobs]
    assert machine.dispatcher.state.processes.cpu_ns[: len(jobs)].tolist() == asked
    assert all(process.ended is not None for process in machine.processes)
    if cpus >= len(jobs):
        assert machine.dispatcher.state.processes.wait_ns[: len(jobs)].tolist() == [0] * len(jobs)


@pytest.mark.parametrize("scheduler", scheduler_names())
def test_a_cpu_is_never_idle_while_a_process_waits(tools, scheduler):
    """Five endless processes keep two CPUs busy all the time."""
    machine = tools.busy_machine([5, 4, 3, 2, 1], scheduler, cpus=2)
    machine.run(1000 * tools.ms, window_ns=1 << 40)
    assert machine.dispatcher.state.cpus.idle_ns.tolist() == [0, 0]


@pytest.mark.parametrize("scheduler", scheduler_names())
def test_the_ideal_and_what_was_received_sum_to_the_same(tools, scheduler):
    """What one is behind, another is ahead."""
    machine = tools.busy_machine([5, 1], scheduler, context_switch_ns=500)
    machine.run(997 * tools.ms, window_ns=1 << 40)
    columns = machine.dispatcher.state.processes
    assert columns.entitled_ns.sum() == pytest.approx(columns.cpu_ns.sum())


class Youngest(Scheduler):
    """Runs the process that entered last: a plug-in that keeps its state as it likes."""

    name: ClassVar[str] = "youngest"

    def __init__(self) -> None:
        self.stack: list[int] = []

    def enter(self, pid):
        """Join the top."""
        self.stack.append(pid)

    def leave(self, pid):
        """Leave from wherever it stands."""
        self.stack.remove(pid)

    def pick(self, cpu):  # noqa: ARG002 - any CPU will do
        """Take the top."""
        return self.stack.pop()

    def charge(self, pid, ran_ns):  # noqa: ARG002 - the contract's signature
        """Return to the top."""
        self.stack.append(pid)


def test_a_policy_of_ones_own_runs_without_being_compiled(tools):
    """A class with four short methods is a scheduler."""
    machine = Machine(Youngest(), Hardware(quantum_ns=1000), memory_bytes=1 << 30)
    for name in "ab":
        machine.spawn(name, tools.computing((5_000, 0)), tickets=1, layout=tools.layout)
    machine.run(20_000, window_ns=20_000)
    assert [process.ended.at_ns for process in machine.processes] == [10_000, 5_000]


def test_a_policy_that_picks_who_cannot_run_is_named_with_its_method(tools):
    """The kernel checks every pick."""

    class Stubborn(Youngest):
        def pick(self, cpu):  # noqa: ARG002 - the contract's signature
            """Name a process that is not there."""
            return 7

    machine = Machine(Stubborn(), Hardware(), memory_bytes=1 << 30)
    machine.spawn("a", tools.computing((5_000, 0)), tickets=1, layout=tools.layout)
    with pytest.raises(PolicyError, match=r"scheduler 'youngest': pick\(\) returned 7"):
        machine.run(20_000, window_ns=20_000)


def test_a_policy_that_promises_too_much_is_told_so(tools):
    """The promise compilable = True on a policy with a Python list is an error that names the policy."""

    class Boastful(Youngest):
        compilable = True

    machine = Machine(Boastful(), Hardware(), memory_bytes=1 << 30, engine="compiled")
    machine.spawn("a", tools.computing((5_000, 0)), tickets=1, layout=tools.layout)
    with pytest.raises(CompileError, match="scheduler 'youngest' says compilable = True"):
        machine.run(20_000, window_ns=20_000)


def test_wrong_names_and_options_say_what_is_right():
    """A misspelt policy or option is answered with the known ones."""
    with pytest.raises(PluginError, match="did you mean stride"):
        make_scheduler("strid", {})
    with pytest.raises(PluginError, match="has no option 'initial': it takes initial_pass"):
        make_scheduler("stride", {"initial": "zero"})
    with pytest.raises(PluginError, match="not a subclass"):
        make_scheduler("math:sqrt", {})
    with pytest.raises(PluginError, match="importing nowhere_at_all failed"):
        make_scheduler("nowhere_at_all:X", {})
