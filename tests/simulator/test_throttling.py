"""memory.high: how long a process sleeps for holding too much, by the kernel's formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.schedulers.registry import make_scheduler
from simulator.throttling import high_delay_ns, overage, worst_overage

PAGE = 4096
MS = 1_000_000
LAYOUT = Layout(code_bytes=PAGE, heap_bytes=1 << 24, stack_bytes=PAGE)


def kernels_jiffies(usage: int, high: int, pages: int, hz: int) -> int:
    """Return what mm/memcontrol.c computes, step by step: usage and limit in pages, the result in jiffies."""
    if usage <= high:
        return 0
    over = ((usage - high) << 20) // max(high, 1)
    penalty = over * over * hz
    penalty >>= 20
    penalty >>= 14
    penalty = min(penalty * pages // 64, 2 * hz)
    return 0 if penalty <= hz // 100 else penalty


@given(st.integers(0, 1 << 22), st.integers(0, 1 << 22), st.integers(0, 1 << 16))
def test_the_delay_is_the_kernels_to_the_jiffy(usage, high, pages) -> None:
    """With a thousand jiffies a second; nanoseconds are finer, never coarser."""
    mine = high_delay_ns(overage(usage * PAGE, high * PAGE, PAGE), pages)
    kernels = kernels_jiffies(usage, high, pages, hz=1000)
    # What the kernel loses to whole jiffies is multiplied by the pages before it is told.
    lost_ms = 1 + pages / 64
    assert kernels <= mine / MS <= kernels + lost_ms or (kernels == 0 and mine / MS <= 10 + lost_ms)


@pytest.mark.parametrize(
    ("usage", "high", "pages", "delay_ms"),
    [
        (100, 100, 64, 0),  # at the limit is not beyond it
        (110, 100, 64, 640),  # a tenth beyond: 0.1^2 * 64 s for a batch
        (110, 100, 32, 320),  # for half a batch, half
        (101, 100, 64, 0),  # a hundredth: 6.4 ms are not worth a sleep
        (102, 100, 64, 25.6),
        (120, 100, 64, 2000),  # 2.56 s, and two are the most
        (9, 0, 1, 2000),
    ],
)
def test_the_delay_grows_as_the_square_of_the_excess(usage, high, pages, delay_ms) -> None:
    """By hand, from the constants: 2^40 * HZ / 2^34 is 64 s when a job is beyond by its whole limit."""
    found = high_delay_ns(overage(usage * PAGE, high * PAGE, PAGE), pages)
    assert found / MS == pytest.approx(delay_ms, rel=1e-4)


def test_the_worst_of_a_job_and_its_groups_counts() -> None:
    """Each against its own limit."""
    group = MemoryControl("group", high_bytes=100 * PAGE, is_group=True)
    job = MemoryControl("job", parent=group, high_bytes=50 * PAGE)
    job.charge(60 * PAGE)
    assert worst_overage(job, PAGE) == overage(60 * PAGE, 50 * PAGE, PAGE)
    MemoryControl("other", parent=group).charge(90 * PAGE)
    assert worst_overage(job, PAGE) == overage(150 * PAGE, 100 * PAGE, PAGE)


def machine_with(mechanism: PagingMechanism) -> Machine:
    """Return a machine of one CPU."""
    return Machine(make_scheduler("stride", {}), Hardware(quantum_ns=MS), mechanism=mechanism)


def run_over_high(
    program: Any, high_pages: int, mechanism: PagingMechanism | None = None
) -> tuple[Any, Machine]:
    """Run a program beside a busy one, its job's memory.high so many pages; return its process."""
    machine = machine_with(mechanism or PagingMechanism(1 << 22, MemoryCosts()))
    control = MemoryControl("job", high_bytes=high_pages * PAGE)
    process = machine.spawn("job", program, tickets=1, layout=LAYOUT, control=control)
    machine.spawn("busy", lambda system: (yield system.compute(1 << 60)), tickets=1, layout=LAYOUT)
    machine.run(5000 * MS, window_ns=100 * MS)
    return process, machine


def touching(pages: int, also: Any = None):
    """Return a program that takes pages and tells when it went on."""

    def program(system):
        block = system.malloc(pages * PAGE)
        yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
        if also is not None:
            also.append(system.now_ns)
        yield system.compute(MS)

    return program


def test_who_takes_too_much_sleeps_before_it_goes_on_and_uses_no_cpu_meanwhile() -> None:
    """55 pages, five of which are code and tables, against 50: a tenth beyond, for 50 pages."""
    told: list[int] = []
    process, machine = run_over_high(touching(50, told), 50)
    expected = high_delay_ns(overage(55 * PAGE, 50 * PAGE, PAGE), 50)
    assert expected == pytest.approx(500 * MS, rel=1e-3)
    assert process.throttled_ns == process.control.throttled_ns == expected
    assert told[0] - expected == pytest.approx(0, abs=2 * MS)
    assert machine.received_ns(process) < 2 * MS
    assert machine.dispatcher.state.cpus.idle_ns.tolist() == [0]
    tale = [event.detail for event in machine.recordings.events if event.kind == "throttle"]
    assert tale == ["asleep 499 ms: job holds 220.0 KiB, memory.high is 200.0 KiB"]
    assert process.ended.reason == "exited"


def test_within_the_limit_nobody_sleeps() -> None:
    """Exactly at it, that is."""
    process, machine = run_over_high(touching(45), 50)
    assert process.throttled_ns == 0
    assert all(event.kind != "throttle" for event in machine.recordings.events)


def test_a_burst_that_takes_too_much_sleeps_first() -> None:
    """And then runs as long as ever; one that fails fails after the sleep."""
    burst = Burst(
        op_cpu_ns=np.array([MS, MS], np.int64),
        op_names=["first", "second"],
        event_op=np.array([0]),
        event_after=np.array([True]),
        event_block=np.array([1]),
        event_bytes=np.array([50 * PAGE]),
        op_parallel=np.array([False, False]),
    )

    def program(system):
        yield system.execute(burst)

    process, machine = run_over_high(program, 50)
    # The block begins behind a header: 51 pages.
    assert process.throttled_ns == high_delay_ns(overage(56 * PAGE, 50 * PAGE, PAGE), 51)
    assert process.ended.at_ns >= process.throttled_ns + 2 * MS
    assert machine.received_ns(process) < 3 * MS


class Elsewhere(PagingMechanism):
    """Paging that can keep pages elsewhere: `reclaim` drops the first pages of heaps, and they are lost."""

    def reclaim(self, size, spaces):
        """Free pages of the heaps, one after another."""
        freed = 0
        for space in spaces:
            for page in range(space.heap.first, space.heap.last):
                if freed < size and space.table.entry(page) & 1:
                    space.drop(page, page + 1)
                    freed += self.page_bytes
        return freed


def test_where_memory_can_be_taken_back_it_is_and_nobody_sleeps() -> None:
    """The kernel takes back what the process took, then 32 pages at a time until that is enough."""
    held: list[int] = []
    machine = machine_with(Elsewhere(1 << 22, MemoryCosts()))
    control = MemoryControl("job", high_bytes=50 * PAGE)

    def program(system):
        yield from touching(300)(system)
        held.append(control.used_bytes // PAGE)

    process = machine.spawn("job", program, tickets=1, layout=LAYOUT, control=control)
    machine.run(1000 * MS, window_ns=100 * MS)
    assert process.throttled_ns == 0
    assert control.peak_bytes == 305 * PAGE
    # 300 pages taken back at once leave no more than code and tables.
    assert held == [5]


def test_a_limit_takes_memory_back_before_it_has_anybody_killed() -> None:
    """memory.max with something to take back: the job lives within it."""
    machine = machine_with(Elsewhere(1 << 22, MemoryCosts()))
    control = MemoryControl("job", max_bytes=50 * PAGE)

    def program(system):
        block = system.malloc(200 * PAGE)
        for page in range(200):
            yield system.store(block + page * PAGE, b"x")

    process = machine.spawn("job", program, tickets=1, layout=LAYOUT, control=control)
    machine.run(100 * MS, window_ns=10 * MS)
    assert process.ended is not None
    assert process.ended.reason == "exited"
    assert control.peak_bytes <= 50 * PAGE
    assert (control.ooms, control.oom_kills) == (0, 0)
    assert control.maxes > 100


def test_who_is_killed_in_its_sleep_does_not_wake() -> None:
    """Nothing happens to a process after its end."""
    machine = Machine(
        make_scheduler("stride", {}),
        Hardware(quantum_ns=MS),
        mechanism=PagingMechanism(100 * PAGE, MemoryCosts()),
        killer="linux",
    )
    control = MemoryControl("sleeper", high_bytes=10 * PAGE)
    sleeper = machine.spawn("sleeper", touching(60), tickets=1, layout=LAYOUT, control=control)
    machine.spawn("late", touching(50), tickets=1, layout=LAYOUT, start_ns=100 * MS)
    machine.run(5000 * MS, window_ns=100 * MS)
    assert sleeper.ended is not None
    assert sleeper.ended.reason.startswith("killed")
    assert machine.received_ns(sleeper) < MS
    assert machine.memory.used_bytes == 0
