"""Memory runs out, somebody is killed, and everything else goes on as if nothing had been in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.hardware import Hardware
from simulator.machine import KILLED, Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.oom import KILLERS
from simulator.schedulers.registry import make_scheduler, scheduler_names

PAGE = 4096
MS = 1_000_000
LAYOUT = Layout(code_bytes=PAGE, heap_bytes=1 << 24, stack_bytes=PAGE)
ENGINES = ("interpreted",)


def paged(frames: int, scheduler: str = "stride", killer: str = "linux", **hardware: Any) -> Machine:
    """Return a machine of so many frames of 4 KiB."""
    return Machine(
        make_scheduler(scheduler, {}),
        Hardware(**{"quantum_ns": 50_000, **hardware}),
        mechanism=PagingMechanism(frames * PAGE, MemoryCosts(), cpus=hardware.get("cpus", 1)),
        killer=killer,
        engine="interpreted",
    )


def taking(*steps: tuple[int, int, int]):
    """Return a program that for each (pages, compute_ns, sleep_ns) touches that many new pages first."""

    def program(system):
        for pages, compute_ns, sleep_ns in steps:
            if pages:
                block = system.malloc(pages * PAGE)
                yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
            yield system.compute(compute_ns)
            if sleep_ns:
                yield system.sleep(sleep_ns)

    return program


def burst_of(pages: int, cpu_ns: int, *, parallel: bool = False) -> Burst:
    """Return a burst that allocates and frees one block in the middle."""
    return Burst(
        op_cpu_ns=np.array([cpu_ns, cpu_ns], np.int64),
        op_names=["first", "second"],
        event_op=np.array([0, 1]),
        event_after=np.array([True, True]),
        event_block=np.array([1, 1]),
        event_bytes=np.array([pages * PAGE, -pages * PAGE]),
        op_parallel=np.array([parallel, parallel]),
    )


def reasons(machine: Machine) -> list[str]:
    """Return in a word how each process ended."""
    return ["alive" if one.ended is None else one.ended.reason.split(":")[0] for one in machine.processes]


def test_who_holds_most_is_killed_and_who_asked_goes_on() -> None:
    """The hog loses its memory at once, in the middle of a computation, and the other never knows."""
    machine = paged(75)
    hog = machine.spawn("hog", taking((40, 100 * MS, 0)), tickets=1, layout=LAYOUT)
    small = machine.spawn("small", taking((10, MS, 0), (20, MS, 0)), tickets=1, layout=LAYOUT)
    machine.run(200 * MS, window_ns=10 * MS)
    assert hog.ended is not None
    assert hog.ended.code == KILLED
    assert hog.ended.reason.startswith("killed: out of memory: small asked for 80.0 KiB")
    assert small.ended is not None
    assert small.ended.reason == "exited"
    assert machine.memory.used_bytes == 0


program_step = st.tuples(st.integers(0, 30), st.integers(0, 150_000), st.integers(0, 90_000))
program = st.tuples(
    st.integers(0, 60_000), st.sampled_from([-1000, 0, 0, 500]), st.lists(program_step, max_size=6)
)


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(program, min_size=2, max_size=5),
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
