"""Processes whose pages do not all fit: they wait for the disk while others have the CPU, and do the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from swapping import swapping_memory

from simulator.burst import Burst
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind, OutOfMemory
from simulator.memory.heap_config import PRESETS, changed
from simulator.memory.paging.replacement.registry import POLICIES
from simulator.schedulers.registry import make_scheduler, scheduler_names
from simulator.sources import Source

PAGE = 4096
MS = 1_000_000
COSTS = MemoryCosts()
READ_NS = 100_000 + -(-PAGE * 1_000_000_000 // 500_000_000)
LAYOUT = Layout(PAGE, 64 * PAGE, PAGE, program="same")


def machine_of(
    frames: int, replacement: str = "lru", scheduler: str = "round-robin", **options: Any
) -> Machine:
    """A machine with pages of 4 KiB, so many frames, and a disk."""
    cpus, slots = options.pop("cpus", 1), options.pop("slots", 4096)
    tables = {"levels": 4, "address_bits": 48, "tlb": None, "cpus": cpus}
    mechanism = swapping_memory(frames, slots, replacement, page_size=PAGE, **{**tables, **options})
    return Machine(make_scheduler(scheduler, {}), Hardware(cpus=cpus, quantum_ns=MS), mechanism=mechanism)


def cpu_ns(machine: Machine, pid: int = 0) -> int:
    """CPU time that a process received."""
    return int(machine.dispatcher.state.processes.cpu_ns[pid])


def test_a_page_that_is_on_disk_is_waited_for_without_the_cpu() -> None:
    """The fault is CPU time, the disk is not: another process computes meanwhile."""
    machine, told = machine_of(64), []

    def sleeper(system):
        block = system.malloc(PAGE)
        yield system.store(block, b"kept")
        yield system.compute(MS)
        space = machine.processes[0].memory.space
        assert machine.mechanism.reclaim(60 * PAGE, [space]) >= 2 * PAGE
        begun, before = system.now_ns, machine.received_ns(machine.processes[0])
        told.append((yield system.load(block, 4)))
        used = machine.received_ns(machine.processes[0]) - before
        told.append((system.now_ns - begun, used))

    def worker(system):
        yield system.compute(100 * MS)

    process = machine.spawn("sleeper", sleeper, tickets=1, layout=LAYOUT)
    machine.spawn("worker", worker, tickets=1, layout=LAYOUT, start_ns=10 * MS)
    machine.run(200 * MS, window_ns=10 * MS)
    data, (took, used) = told
    assert data == b"kept"
    account = process.account
    assert (account.faults[FaultKind.SWAP_IN], account.major_faults) == (1, 1)
    assert account.swapped_in_bytes == PAGE
    assert account.blocked_ns == took - used
    # Two pages were dirty, the read had to wait for their writing.
    assert account.blocked_ns >= READ_NS
    assert used < 10_000


def test_what_the_disk_takes_the_others_get() -> None:
    """A process that faults for ever does not keep one that computes from its CPU."""
    machine = machine_of(40)

    def thrasher(system):
        block = system.malloc(60 * PAGE)
        while True:
            yield system.access(block + np.arange(0, 60 * PAGE, PAGE), Access.WRITE)

    def worker(system):
        yield system.compute(1000 * MS)

    thrashing = machine.spawn("thrasher", thrasher, tickets=1, layout=LAYOUT)
    machine.spawn("worker", worker, tickets=1, layout=LAYOUT)
    machine.run(200 * MS, window_ns=10 * MS)
    account = thrashing.account
    assert account.major_faults > 100
    assert cpu_ns(machine, 1) > 199 * MS
    # Each round trip writes a page and reads one; then it waits for its turn, a quantum of a millisecond.
    assert account.blocked_ns == pytest.approx(account.major_faults * 2 * READ_NS, rel=0.15)
    assert account.major_faults * (MS + 2 * READ_NS) == pytest.approx(200 * MS, rel=0.15)


def linked_list(told: list[Any], seed: int):
    """A program that builds a list over many pages, and adds its values up."""

    def program(system):
        head = 0
        for step in range(1, 30):
            node = system.malloc(PAGE)
            yield system.store(node, (seed * step).to_bytes(8, "little") + head.to_bytes(8, "little"))
            yield system.store(node + PAGE - 1, bytes([step]))
            head = node
            yield system.compute(7_000)
        total = 0
        while head:
            entry = yield system.load(head, PAGE)
            total += int.from_bytes(entry[:8], "little")
            head = int.from_bytes(entry[8:16], "little")
        told.append((seed, total))

    return program


@pytest.mark.parametrize("cpus", [1, 2])
@pytest.mark.parametrize("scope", ["global", "local"])
@pytest.mark.parametrize("name", [name for name in POLICIES if name != "opt"])
def test_programs_do_the_same_in_memory_that_is_too_small(name: str, scope: str, cpus: int) -> None:
    """Three processes and a child, interleaved, in a third of what they need, find their own values."""
    machine, told = machine_of(45, name, cpus=cpus, scope=scope), []

    def family(system):
        block = system.malloc(10 * PAGE)
        yield system.store(block, b"m" * 10 * PAGE)

        def child(system):
            yield system.store(block, b"c")
            told.append(((yield system.load(block, 10 * PAGE)).count(b"m"), "child"))

        pid = system.fork(child)
        yield from linked_list(told, 5)(system)
        yield system.wait(pid)
        told.append(((yield system.load(block, 10 * PAGE)).count(b"m"), "parent"))

    for seed in (1, 1000):
        machine.spawn(str(seed), linked_list(told, seed), tickets=1, layout=LAYOUT)
    machine.spawn("family", family, tickets=1, layout=LAYOUT)
    machine.run(60_000 * MS, window_ns=1000 * MS)
    assert [process.ended.reason for process in machine.processes] == ["exited"] * 4
    sums = [(seed, seed * 29 * 30 // 2) for seed in (1, 5, 1000)]
    assert sorted(told, key=str) == sorted([*sums, (10 * PAGE - 1, "child"), (10 * PAGE, "parent")], key=str)
    assert machine.memory.used_bytes == machine.mechanism.disk.used_bytes == 0
    assert sum(process.account.major_faults for process in machine.processes) > 0


def test_when_memory_and_swap_are_full_the_process_that_asks_is_killed() -> None:
    """Swap smaller than needed is no mistake of the scenario's: it is found when it is needed."""
    machine = machine_of(32, slots=8)

    def program(system):
        block = system.malloc(60 * PAGE)
        yield system.access(block + np.arange(0, 60 * PAGE, PAGE), Access.WRITE)

    process = machine.spawn("greedy", program, tickets=1, layout=LAYOUT)
    machine.run(100 * MS, window_ns=10 * MS)
    assert process.ended.reason.startswith("killed: out of memory: no frame is free")
    assert machine.memory.used_bytes == machine.mechanism.disk.used_bytes == 0


def burst_of(blocks: int, pages: int, op_ns: int = 2 * MS, files: tuple[str, ...] = ()) -> Burst:
    """A burst that allocates a block with each operation and frees all with the last."""
    count, names = blocks + 1, np.arange(blocks)
    return Burst(
        op_cpu_ns=np.full(count, op_ns),
        op_names=["op"] * count,
        event_op=np.concatenate([names, np.full(blocks, blocks)]),
        event_after=np.concatenate([np.zeros(blocks, bool), np.ones(blocks, bool)]),
        event_block=np.concatenate([names, names]),
        event_bytes=np.concatenate([np.full(blocks, pages * PAGE), np.full(blocks, -pages * PAGE)]),
        op_parallel=np.ones(count, bool),
        files=files,
    )


def server(source: Source, burst: Burst, weights: int = 0):
    """A program that loads a file and answers requests."""

    def program(system):
        for name in burst.files:
            system.load_file(name, weights * PAGE)
        yield from system.serve(source, burst)

    return program


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", list(POLICIES))
def test_with_enough_memory_nothing_depends_on_swap(name: str, threads: int) -> None:
    """Requests, CPU time and faults are what they are without a disk, to the nanosecond."""
    told = []
    for swapping in (True, False):
        machine = machine_of(512, name, cpus=threads)
        if not swapping:
            mechanism = type(machine.mechanism)(512 * PAGE, COSTS, cpus=threads)
            hardware = Hardware(cpus=threads, quantum_ns=MS)
            machine = Machine(make_scheduler("round-robin", {}), hardware, mechanism=mechanism)
        source = Source.closed_loop(machine.dispatcher)
        burst = burst_of(3, 5, files=("weights",))
        layout = Layout(4 * PAGE, 64 * PAGE, PAGE)
        process = machine.spawn("a", server(source, burst, 20), tickets=1, layout=layout, threads=threads)
        machine.run(200 * MS, window_ns=10 * MS)
        log = [(request.arrived_ns, request.started_ns, request.finished_ns) for request in source.requests]
        told.append((log, cpu_ns(machine), process.account.faults, machine.recordings.memory[-1][:10]))
    assert told[0] == told[1]
    assert len(told[0][0]) > 20 // threads


@pytest.mark.parametrize("busy", [True, False])
@pytest.mark.parametrize("scheduler", scheduler_names())
def test_a_steady_server_that_loses_pages_brings_them_back(scheduler: str, *, busy: bool) -> None:
    """The kernel stops repeating, the pages are faulted in again, and then it repeats again."""
    machine = machine_of(512, scheduler=scheduler)
    if busy:
        source = Source.closed_loop(machine.dispatcher)
    else:
        source = Source.outside(machine.dispatcher, [np.arange(20) * 50 * MS])
    burst = burst_of(3, 5, files=("weights",))
    process = machine.spawn("a", server(source, burst, 20), tickets=1, layout=LAYOUT)

    def thief():
        yield machine.clock.timeout(431 * MS)
        assert int(machine.dispatcher.state.sources.pid[source.number]) == process.pid
        assert machine.mechanism.reclaim(1000 * PAGE, [process.memory.space]) > 30 * PAGE
        told.append(len([request for request in source.requests if request.finished_ns >= 0]))
        yield machine.clock.timeout(400 * MS)
        told.append(int(machine.dispatcher.state.sources.pid[source.number]))

    told: list[int] = []
    machine.clock.process(thief())
    machine.run(1000 * MS, window_ns=100 * MS)
    account = process.account
    # Its blocks, its weights and its code are back.
    assert account.faults[FaultKind.SWAP_IN] >= 15
    assert account.faults[FaultKind.FILE_READ] >= 20
    assert account.blocked_ns > 0
    assert told[1] == process.pid
    answered = [request for request in source.requests if request.finished_ns >= 0]
    assert len(answered) > told[0] + 7
    late = [request.finished_ns - request.started_ns for request in answered]
    assert max(late) > 8 * MS + account.blocked_ns
    assert late[-1] == 8 * MS
    machine.mechanism.check()


def test_a_burst_waits_where_its_pages_are_missing() -> None:
    """Half the weights are gone: the first half of the burst runs before the disk is asked."""
    machine, told = machine_of(512), []
    burst = burst_of(1, 1, op_ns=10 * MS, files=("weights",))

    def program(system):
        system.load_file("weights", 40 * PAGE)
        yield system.execute(burst)
        space = machine.processes[0].memory.space
        file = next(region.file for region in space.regions_by_page if region.name == "weights")
        frames = file.frames[20:].copy()
        machine.mechanism.pager._eviction.carry_out(frames)
        machine.mechanism.pager.evictions += len(frames)
        told.append((system.now_ns, machine.mechanism.disk.requests))
        yield system.execute(burst)
        told.append((system.now_ns, machine.mechanism.disk.requests))

    def watch():
        for _ in range(2):
            yield machine.clock.timeout(3 * MS if len(told) > 1 else 29 * MS)
            told.append(("read", machine.mechanism.disk.requests))

    process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.clock.process(watch())
    machine.run(1000 * MS, window_ns=100 * MS)
    (begun, none), (_, before), (_, halfway), (ended, _) = told
    # Twenty pages in a row, eight with one request.
    assert (none, before, halfway) == (0, 0, 3)
    account = process.account
    assert account.faults[FaultKind.FILE_READ] == 20
    # When the disk is done, the process has executed for one reference before it goes on.
    assert ended - begun == 20 * MS + account.blocked_ns + 20 * COSTS.fault_ns + COSTS.reference_ns
    assert account.blocked_ns > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_bursts_that_do_not_fit_beside_each_other_thrash_and_end(threads: int) -> None:
    """Two servers in memory for one and a half: all requests are answered, later than alone."""
    machine = machine_of(90, "clock", cpus=2)
    sources = []
    for name in "ab":
        source = Source.closed_loop(machine.dispatcher, limit=5)
        sources.append(source)
        burst = burst_of(4, 6, files=(f"weights {name}",))
        machine.spawn(name, server(source, burst, 24), tickets=1, layout=LAYOUT, threads=threads)
    machine.run(2000 * MS, window_ns=100 * MS)
    for source in sources:
        assert [request.finished_ns > 0 for request in source.requests] == [True] * 5
    assert all(process.account.major_faults for process in machine.processes if process.leader is None)


def test_the_future_must_be_known_to_the_optimum() -> None:
    """A program that uses memory as it likes is told so; one that foretells it is served best."""
    faults = {}
    for name in ("opt", "lru", "random"):
        machine = machine_of(40, name)

        def walk(system):
            block = system.malloc(50 * PAGE)
            addresses = block + np.arange(0, 50 * PAGE, PAGE)
            system.foresee(addresses)
            for _ in range(10):
                yield system.access(addresses, Access.READ)

        process = machine.spawn("walk", walk, tickets=1, layout=LAYOUT)
        machine.run(1000 * MS, window_ns=100 * MS)
        assert process.ended.reason == "exited"
        faults[name] = sum(process.account.faults.values())
    assert faults["opt"] < faults["random"] < faults["lru"]


def test_the_optimum_does_not_guess() -> None:
    """One clear error."""
    machine = machine_of(40, "opt")

    def program(system):
        block = system.malloc(60 * PAGE)
        yield system.access(block + np.arange(0, 60 * PAGE, PAGE), Access.READ)

    machine.spawn("wild", program, tickets=1, layout=LAYOUT)
    with pytest.raises(Exception, match="opt needs the future, and that of a process of 'wild' is not known"):
        machine.run(1000 * MS, window_ns=100 * MS)


def test_out_of_memory_in_the_middle_of_a_burst_is_the_programs() -> None:
    """It may catch it, and go on."""
    machine, told = machine_of(60, slots=4), []

    def program(system):
        try:
            yield system.execute(burst_of(4, 15))
        except OutOfMemory:
            told.append(system.now_ns)
        yield system.compute(MS)

    process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(1000 * MS, window_ns=100 * MS)
    assert (len(told), process.ended.reason) == (1, "exited")
    assert machine.memory.used_bytes == machine.mechanism.disk.used_bytes == 0


def test_a_heap_without_room_fails_in_the_middle_of_a_burst_in_pieces() -> None:
    """As in a burst that is executed whole: what comes before it is executed, and the program hears of it."""
    machine, told = machine_of(60), []
    burst = burst_of(8, 15)

    def program(system):
        block = system.malloc(20 * PAGE)
        yield system.access(block + np.arange(0, 20 * PAGE, PAGE), Access.WRITE)
        try:
            yield system.execute(burst)
        except OutOfMemory as error:
            told.append((machine.received_ns(machine.processes[0]) // MS, str(error)))

    layout = Layout(PAGE, 64 * PAGE, PAGE)
    process = machine.spawn("a", program, tickets=1, layout=layout)
    machine.run(1000 * MS, window_ns=100 * MS)
    ((spent_ms, error),) = told
    # Two blocks of 15 pages beside the one of 20; the third does not fit into the room of 64.
    assert spent_ms == 4
    assert "malloc of 60.0 KiB by op" in error
    assert process.ended.reason == "exited"
    assert process.account.faults[FaultKind.DEMAND_ZERO] >= 50


def test_what_a_call_that_is_no_event_must_wait_for_comes_before_the_next_demand() -> None:
    """Loading a file takes pages that must be written first: computing, or a burst, begins when they are."""
    for next_step in ("compute", "execute"):
        machine, told = machine_of(60), []
        burst = burst_of(1, 1)

        def program(system, step=next_step, told=told, machine=machine, burst=burst):
            block = system.malloc(45 * PAGE)
            yield system.access(block + np.arange(0, 45 * PAGE, PAGE), Access.WRITE)
            system.load_file("weights", 30 * PAGE)
            begun, busy = system.now_ns, machine.mechanism.disk.busy_ns
            yield system.compute(MS) if step == "compute" else system.execute(burst)
            told.append((system.now_ns - begun, busy))

        process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
        machine.run(1000 * MS, window_ns=100 * MS)
        ((took, busy),) = told
        assert busy > MS // 3
        assert took >= (MS if next_step == "compute" else 4 * MS) + busy
        assert process.account.blocked_ns > 0


def test_a_process_that_ends_while_it_waits_goes_no_further() -> None:
    """Whoever kills it takes its memory; what it has asked of the disk comes, and nobody wants it."""
    for step in ("access", "execute", "compute"):
        machine = machine_of(60)
        burst = burst_of(3, 20)

        def program(system, step=step, burst=burst):
            block = system.malloc(50 * PAGE)
            addresses = block + np.arange(0, 50 * PAGE, PAGE)
            for _ in range(100):
                try:
                    yield system.access(addresses, Access.WRITE)
                    if step == "execute":
                        yield system.execute(burst)
                    elif step == "compute":
                        system.load_file("weights", 30 * PAGE)
                        yield system.compute(MS)
                except RuntimeError:
                    return

        process = machine.spawn("a", program, tickets=1, layout=Layout(PAGE, 128 * PAGE, PAGE))

        def killer(machine=machine, process=process):
            while machine.clock.now_ns < 2 * MS or machine.dispatcher.is_running(process.pid):
                yield machine.clock.timeout(10_000)
            machine.memory_calls.take(process)

        machine.clock.process(killer())
        machine.run(100 * MS, window_ns=10 * MS)
        assert machine.memory.used_bytes == machine.mechanism.disk.used_bytes == 0


def test_large_blocks_with_mappings_of_their_own_are_held_from_malloc_to_free() -> None:
    """A heap like glibc's, in memory that is too small for two servers."""
    machine = machine_of(120, "clock", cpus=2)
    heap = changed(PRESETS["glibc"], {"mmap_threshold_bytes": 4 * PAGE, "trim_threshold_bytes": 8 * PAGE})
    sources = []
    for name in "ab":
        source = Source.closed_loop(machine.dispatcher, limit=4)
        sources.append(source)
        burst = burst_of(3, 9, files=(f"weights {name}",))
        layout = Layout(PAGE, 256 * PAGE, PAGE)
        machine.spawn(name, server(source, burst, 50), tickets=1, layout=layout, heap=heap)
    machine.run(3000 * MS, window_ns=100 * MS)
    for source in sources:
        assert [request.finished_ns > 0 for request in source.requests] == [True] * 4
    for process in machine.processes:
        assert process.account.faults[FaultKind.FILE_READ] > 0
        assert process.account.faults[FaultKind.DEMAND_ZERO] >= 4 * 27
    assert machine.memory.used_bytes == sum(
        process.memory.space.resident_bytes for process in machine.processes
    )
