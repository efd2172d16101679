"""Whatever translates its addresses, a program does the same; what differs is how long it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.hardware import Hardware
from simulator.machine import KILLED, SEGMENTATION_FAULT, Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.errors import FaultKind, ForkError, MemoryFault
from simulator.memory.mechanisms import MECHANISMS
from simulator.schedulers.registry import make_scheduler

LAYOUT = Layout(code_bytes=8192, heap_bytes=1 << 20, stack_bytes=1 << 16, program="list")
MS = 1_000_000


def machine_of(name: str, memory_bytes: int = 16 << 20, **options: Any) -> Machine:
    """A machine with quanta so short that the programs interleave."""
    mechanism = MECHANISMS[name](memory_bytes, MemoryCosts(), **options)
    hardware = Hardware(quantum_ns=50_000, context_switch_ns=1000)
    return Machine(make_scheduler("round-robin", {}), hardware, mechanism=mechanism)


def linked_list(told: list[Any], seed: int):
    """A program that builds a linked list in its heap, the head on its stack, and adds its values up."""

    def program(system):
        head = system.stack_top - 8
        yield system.store(head, (0).to_bytes(8, "little"))
        for step in range(1, 40):
            node = system.malloc(16 if step % 3 else 9000)
            first = yield system.load(head, 8)
            yield system.store(node, (seed * step).to_bytes(8, "little") + first)
            yield system.store(head, node.to_bytes(8, "little"))
            yield system.compute(7_000)
        at, total = int.from_bytes((yield system.load(head, 8)), "little"), 0
        while at:
            entry = yield system.load(at, 16)
            total += int.from_bytes(entry[:8], "little")
            at = int.from_bytes(entry[8:], "little")
        told.append((seed, total))

    return program


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_the_mechanism_changes_nothing_in_a_program(name: str) -> None:
    """Three processes follow pointers through heap and stack, interleaved, and each finds its own values."""
    machine, told = machine_of(name), []
    for seed in (1, 1000, 77):
        machine.spawn(str(seed), linked_list(told, seed), tickets=1, layout=LAYOUT)
    machine.run(60_000 * MS, window_ns=1000 * MS)
    assert sorted(told) == [(seed, seed * 39 * 40 // 2) for seed in (1, 77, 1000)]
    assert [process.ended.reason for process in machine.processes] == ["exited"] * 3
    assert machine.memory.used_bytes == 0


@pytest.mark.parametrize("name", [name for name in MECHANISMS if name != "static-relocation"])
def test_a_child_has_its_parent_s_bytes_and_its_own_from_then_on(name: str) -> None:
    """Fork, malloc in both, wait: the two do not see each other's writes."""
    machine, told = machine_of(name), []

    def child_of(block):
        def child(system):
            before = yield system.load(block, 5)
            yield system.store(block, b"child")
            own = system.malloc(100)
            yield system.store(own, b"own")
            yield system.compute(300_000)
            told.append((before, (yield system.load(block, 5)), own))
            system.free(block)
            system.exit(3)

        return child

    def parent(system):
        block = system.malloc(50_000)
        yield system.store(block, b"mamma")
        pid = system.fork(child_of(block))
        own = system.malloc(100)
        yield system.store(own, b"parents'")
        end = yield system.wait(pid)
        told.append((end.code, (yield system.load(block, 5)), own))
        assert (yield system.wait(pid)) is end
        system.free(block)

    machine.spawn("family", parent, tickets=2, layout=LAYOUT)
    machine.run(60_000 * MS, window_ns=1000 * MS)
    (before, after, childs), (code, mine, parents) = told
    assert (before, after, code, mine) == (b"mamma", b"child", 3, b"mamma")
    assert childs == parents
    assert [process.name for process in machine.processes] == ["family", "family"]
    assert ("fork", "process 1") in [(event.kind, event.detail) for event in machine.recordings.events]
    assert machine.memory.used_bytes == 0


def test_static_relocation_has_no_fork() -> None:
    """The program is told, and may do without."""
    machine, told = machine_of("static-relocation"), []

    def program(system):
        try:
            system.fork(linked_list([], 1))
        except ForkError as error:
            told.append(str(error))
        yield system.compute(1)

    machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(MS, window_ns=MS)
    assert len(told) == 1


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_a_wild_pointer_ends_the_process_with_the_reason_on_record(name: str) -> None:
    """The fault enters the kernel, which has nothing to serve it with."""
    machine = machine_of(name)

    def program(system):
        yield system.compute(5)
        yield system.store(1 << 50, b"x")

    process = machine.spawn("wild", program, tickets=1, layout=LAYOUT)
    machine.run(1000 * MS, window_ns=1000 * MS)
    assert process.ended.code == SEGMENTATION_FAULT
    assert process.ended.reason.startswith("killed: ")
    assert "write to address 0x4000000000000" in process.ended.reason
    assert [event.kind for event in machine.recordings.events] == ["spawn", "kill"]


def test_a_fault_can_be_caught_by_the_program() -> None:
    """As with a signal handler, it goes on."""
    machine, told = machine_of("paging"), []

    def program(system):
        try:
            yield system.load(1 << 40, 1)
        except MemoryFault as fault:
            told.append(fault.kind)
        yield system.compute(5)

    process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(MS, window_ns=MS)
    assert told == [FaultKind.OUT_OF_BOUNDS]
    assert process.ended.code == 0


def test_faults_and_references_are_cpu_time() -> None:
    """Two pages are touched: each misses the TLB, faults, and is looked up in four tables, twice."""
    machine = machine_of("paging")

    def program(system):
        start = system.malloc(3 * 4096)
        yield system.access(np.array([start, start + 8, start + 4096, start + 4100]), Access.WRITE)

    process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(MS, window_ns=MS)
    account, costs = process.account, MemoryCosts()
    # The code's two pages were read in at the start.
    assert (account.faults[FaultKind.SHARED_PAGE], account.faults[FaultKind.DEMAND_ZERO]) == (2, 2)
    assert (account.tlb_hits, account.tlb_misses, account.references) == (2, 2, 16)
    spent = int(machine.dispatcher.state.processes.cpu_ns[0])
    assert spent == 4 * costs.fault_ns + (16 + 4) * costs.reference_ns


def test_early_systems_spend_their_time_on_the_disk() -> None:
    """Two processes that switch at every quantum: each switch writes one and reads the other."""
    machine, costs = machine_of("none"), MemoryCosts()
    for name in "ab":
        machine.spawn(name, lambda system: (yield system.compute(100_000)), tickets=1, layout=LAYOUT)
    machine.run(1000 * MS, window_ns=100 * MS)
    size = machine.processes[0].address_space_bytes
    cpus = machine.dispatcher.state.cpus
    # a in; a out, b in; b out, a in; and a has ended when b is read in again.
    assert cpus.switches[0] == 4
    assert cpus.switching_ns[0] == 4 * 1000 + 6 * costs.disk_ns(size)
    assert {sample.resident_bytes for sample in machine.recordings.memory} <= {0, size}


def test_no_frame_is_left_for_a_fault() -> None:
    """A process that touches more than there is, is killed, and its memory is free again."""
    machine = machine_of("paging", 64 * 4096)

    def program(system):
        block = system.malloc(100 * 4096)
        yield system.store(block, bytes(100 * 4096))

    process = machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(MS, window_ns=MS)
    assert process.ended.code == KILLED
    assert process.ended.reason.startswith("killed: out of memory: no frame is free")
    assert machine.memory.used_bytes == 0


def test_compaction_is_on_record_and_paid_by_who_needed_it() -> None:
    """The newcomer's first CPU time is the copying that made room for it."""
    machine = machine_of("base-and-bounds", 3 << 20, compaction=True)
    small = Layout(4096, 1000 << 10, 4096)
    machine.spawn("first", lambda system: (yield system.compute(1000)), tickets=1, layout=small)
    machine.spawn("second", lambda system: (yield system.compute(50 * MS)), tickets=1, layout=small)
    large = Layout(4096, 2000 << 10, 4096)
    late = machine.spawn(
        "late", lambda system: (yield system.compute(MS)), tickets=1, layout=large, start_ns=MS
    )
    machine.run(100 * MS, window_ns=MS)
    told = [(event.pid, event.kind) for event in machine.recordings.events]
    assert (2, "compact") in told
    moved = late.account.moved_bytes
    assert moved == 1008 << 10
    assert machine.dispatcher.state.processes.cpu_ns[2] == MS + MemoryCosts().copy_ns(moved)
    assert [sample.compactions for sample in machine.recordings.physical][::99] == [0, 1]


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_realloc_keeps_the_bytes_and_calloc_clears_them(name: str) -> None:
    """Whatever a block held before it moved is where it went, and what is cleared holds nothing of old."""
    machine, told = machine_of(name), []

    def program(system):
        block = system.malloc(9000)
        yield system.store(block, b"begin")
        yield system.store(block + 8995, b"ended")
        system.malloc(16)
        moved = system.realloc(block, 50_000)
        told.append(((yield system.load(moved, 5)), (yield system.load(moved + 8995, 5))))
        zeros = system.calloc(9, 1000)
        told.append((moved != block, zeros == block, (yield system.load(zeros, 9000)) == bytes(9000)))

    machine.spawn("a", program, tickets=1, layout=LAYOUT)
    machine.run(60_000 * MS, window_ns=1000 * MS)
    assert told == [(b"begin", b"ended"), (True, True, True)]
    assert machine.processes[0].ended.reason == "exited"
    account, lines = machine.processes[0].account, -(-9000 // 64)
    assert account.data_references >= 3 * lines
