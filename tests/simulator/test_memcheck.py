"""memcheck on programs in Python: through system calls, with places if the program tells them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simulator.code_position import CodePosition, Place
from simulator.hardware import Hardware
from simulator.machine import ABORTED, Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.heap_config import GLIBC
from simulator.memory.mechanisms import MECHANISMS
from simulator.schedulers.registry import make_scheduler

LAYOUT = Layout(code_bytes=8192, heap_bytes=1 << 20, stack_bytes=1 << 16, program="list")
MS = 1_000_000


def run(program: Any, name: str = "paging", memcheck: Any = "report") -> Machine:
    """Run one program to its end, for a second at most."""
    mechanism = MECHANISMS[name](16 << 20, MemoryCosts())
    machine = Machine(make_scheduler("round-robin", {}), Hardware(), mechanism=mechanism)
    heap = replace(GLIBC, tagged=True)
    machine.spawn("a", program, tickets=1, layout=LAYOUT, heap=heap, memcheck=memcheck)
    machine.run(1000 * MS, window_ns=1000 * MS)
    return machine


def found(machine: Machine) -> list[tuple[str, str, int]]:
    """Kind, place and count of what was found."""
    return [
        (
            str(record.diagnosis.kind),
            str(record.diagnosis.trace[0]) if record.diagnosis.trace else "",
            record.diagnosis.count,
        )
        for record in machine.recordings.memory_errors
    ]


def test_a_program_says_where_it_is() -> None:
    """Functions are entered and left; a diagnosis has the place and the way there."""

    def program(system):
        system.at("line 3")
        block = system.malloc(16)
        system.enter("helper")
        system.at("line 20")
        yield system.store(block + 16, b"x")
        system.leave()
        system.at("line 4")
        yield system.load(block, 16)
        system.free(block)

    machine = run(program)
    kinds = [("invalid-write", "helper, line 20", 1), ("uninitialised-read", "main, line 4", 1)]
    assert found(machine) == kinds
    first = machine.recordings.memory_errors[0].diagnosis
    assert first.trace == (Place("helper", "line 20"), Place("main", "line 3"))
    assert first.block.allocated == (Place("main", "line 3"),)


def test_a_program_that_says_nothing_is_checked_all_the_same() -> None:
    """What and which block are known, the place is not."""

    def program(system):
        block = system.malloc(16)
        system.free(block)
        system.free(block)
        yield system.compute(1)

    assert found(run(program)) == [("double-free", "", 1)]


def test_leaving_what_was_never_entered_is_a_mistake() -> None:
    """The position would be wrong from then on."""
    with pytest.raises(ValueError, match="never entered"):
        CodePosition().leave()
    position = CodePosition()
    for number in range(30):
        position.enter(f"f{number}")
    assert (len(position.trace), position.trace[0].function) == (12, "f29")


@pytest.mark.parametrize("name", list(MECHANISMS))
def test_the_stack_of_a_program_without_a_stack_pointer_is_all_in_use(name: str) -> None:
    """It uses what it likes below the top; pointers there are roots."""

    def program(system):
        top = system.stack_top
        yield system.store(top - 4096, system.malloc(8).to_bytes(8, "little"))
        yield system.load(top - 4096, 8)
        yield system.load(top - 8, 8)

    assert found(run(program, name)) == [("uninitialised-read", "", 1), ("still-reachable", "", 1)]


def test_many_accesses_at_once_are_looked_at_one_by_one() -> None:
    """Those beside the block are found; within it, what was written may be read."""

    def program(system):
        block = system.malloc(1000)
        inside = block + np.arange(0, 1000, 10)
        yield system.access(inside, Access.WRITE)
        yield system.access(inside, Access.READ)
        yield system.access(inside + 1, Access.READ)
        yield system.access(block + np.array([0, 1000, 1004]), Access.WRITE)
        system.free(block)

    assert found(run(program)) == [("uninitialised-read", "", 100), ("invalid-write", "", 2)]


def test_files_may_be_read_and_not_written() -> None:
    """A mapped file is no block, and is the program's."""

    def program(system):
        address = system.load_file("weights", 8192)
        yield system.load(address + 4096, 64)
        yield system.store(address, b"x")

    machine = run(program)
    assert found(machine) == [("invalid-write", "", 1)]
    assert machine.processes[0].ended.reason.startswith("killed: segmentation fault: write to address")


def test_a_child_is_checked_as_its_parent_is() -> None:
    """It knows its copies of the blocks, also the freed ones; what it finds is told of it."""

    def program(system):
        freed, block = system.malloc(16), system.malloc(16)
        yield system.store(block, bytes(16))
        system.free(freed)

        def child(own):
            yield own.load(block, 16)
            yield own.store(freed, b"x")
            own.free(block)

        yield system.wait(system.fork(child))
        yield system.load(block, 16)
        system.free(block)

    machine = run(program, "base-and-bounds")
    assert [(record.pid, str(record.diagnosis.kind)) for record in machine.recordings.memory_errors] == [
        (1, "use-after-free")
    ]


def test_realloc_moves_and_an_old_pointer_is_found() -> None:
    """As with valgrind, which never resizes in place; the bytes come along, written or not."""

    def program(system):
        old = system.malloc(16)
        yield system.store(old, bytes(8))
        new = system.realloc(old, 64)
        yield system.load(new, 8)
        yield system.load(new + 8, 8)
        yield system.load(old, 8)
        system.free(system.realloc(new, 8))
        assert system.realloc(new, 8) == 0
        assert system.realloc(12345, 8) == 0

    kinds = ["uninitialised-read", "use-after-free", "double-free", "invalid-free"]
    assert [kind for kind, _, _ in found(run(program))] == kinds


def test_aligned_blocks_stay_aligned() -> None:
    """A red zone before the block is a multiple of the alignment."""

    def program(system):
        block = system.aligned_alloc(256, 100)
        assert block % 256 == 0
        yield system.store(block - 1, b"x")
        yield system.store(block + 100, b"x")
        system.free(block)

    assert [kind for kind, _, _ in found(run(program))] == ["invalid-write"]


def test_memory_is_not_used_by_looking_at_it() -> None:
    """The leak report's reads are in no account."""

    def program(system):
        for _ in range(20):
            yield system.store(system.malloc(5000), bytes(4096))

    accounts = []
    for memcheck in ("off", "report"):
        account = run(program, "base-and-bounds", memcheck).processes[0].account
        accounts.append((account.accesses, account.data_references))
    assert accounts[0] == accounts[1]


def test_what_is_still_running_at_the_end_is_asked_for_leaks_too() -> None:
    """A server never exits."""

    def program(system):
        system.malloc(10)
        yield system.sleep(10_000 * MS)

    machine = run(program)
    assert machine.processes[0].ended is None
    assert found(machine) == [("definitely-lost", "", 1)]


def test_abort_is_a_signal() -> None:
    """SIGABRT, with the diagnosis as the reason."""

    def program(system):
        block = system.malloc(8)
        yield system.store(block, bytes(9))

    process = run(program, memcheck="abort").processes[0]
    assert process.ended.code == ABORTED
    assert process.ended.reason.startswith("killed: abort: memcheck: invalid write of 1 byte at 0x")


def test_an_error_that_the_program_catches_does_not_end_it() -> None:
    """As with a handler of SIGABRT."""

    def program(system):
        block = system.malloc(8)
        try:
            system.free(block + 8)
        except Exception as error:  # noqa: BLE001 - whichever it is
            assert "free(): invalid" in str(error)  # noqa: PT017 - within the simulated program
        yield system.compute(1)

    assert run(program, memcheck="off").processes[0].ended.reason == "exited"
