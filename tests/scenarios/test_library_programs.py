"""The library's scenarios of memory errors show what their descriptions say."""

from __future__ import annotations

from functools import cache

import pytest

from reports.memory_errors import lines
from reports.result import Result
from reports.summary import summary
from reports.thresholds import evaluate
from scenarios.loader import load_scenario
from scenarios.runner import Simulation

NAMES = (
    "forgot-to-allocate",
    "buffer-overflow",
    "uninitialised-read",
    "memory-leak",
    "use-after-free",
    "double-free",
    "invalid-free",
    "stack-and-heap",
)


@cache
def result_of(name: str, *changes: str) -> Result:
    """Run a library scenario, with changes."""
    output = Simulation(load_scenario(name, changes)).run()
    return Result.from_tables(output.manifest, output.tables)


def told(name: str, *changes: str) -> tuple[str, list[str]]:
    """How `plain` ended, and what it printed."""
    result = result_of(name, *changes)
    processes, events = result.table("processes"), result.table("events")
    own = events[(events["job"] == "plain") & (events["kind"] == "print")]
    return processes.set_index("job").loc["plain", "exit_reason"], own["detail"].tolist()


@pytest.mark.parametrize("name", NAMES)
def test_thresholds_hold(name: str) -> None:
    """A scenario that teaches something shows it."""
    outcomes = evaluate(result_of(name))
    assert outcomes
    assert [outcome.threshold.text for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_tables_are_the_same_each_time(name: str) -> None:
    """To the byte."""
    once, again = (Simulation(load_scenario(name)).run().tables for _ in range(2))
    assert {name: table for name, table in once.items() if not table.equals(again[name])} == {}


def test_a_string_copied_to_nowhere() -> None:
    """A fault under paging; over the program's own code with base and bounds."""
    assert told("forgot-to-allocate")[0] == (
        "killed: segmentation fault: write to address 0x0, which is not mapped"
    )
    change = "machine.memory.translation=base-and-bounds"
    assert told("forgot-to-allocate", change) == ("exited", ["copied hello"])


def test_one_byte_too_few() -> None:
    """The neighbour's header has a size of 0; with larger steps of size nobody is hit."""
    reason, printed = told("buffer-overflow")
    assert reason.startswith("killed: abort: free(): invalid size (the size at")
    assert reason.endswith("is 0x0, and was written as 0x21)")
    assert printed == ["the neighbour is not to be touched"]
    assert told("buffer-overflow", "jobs.plain.memory.heap=first-fit")[0] == "exited"
    assert told("buffer-overflow", "jobs.plain.memory.heap.alignment=64")[0] == "exited"


def test_a_password_shows() -> None:
    """Whole in OSTEP's heap; without its first 16 bytes in glibc's."""
    assert told("uninitialised-read")[1] == ["greeting: correct horse battery staple"]
    (glibc,) = told("uninitialised-read", "jobs.plain.memory.heap=glibc")[1]
    assert glibc.endswith("ttery staple")
    assert "correct" not in glibc


def test_a_heap_fills_up() -> None:
    """83 lists and two nodes fit into 256 KiB, beside the configuration; the next malloc returns NULL."""
    assert told("memory-leak")[0].startswith("killed: segmentation fault: write to address 0x0")
    mallocs = result_of("memory-leak").table("processes").set_index("job").loc["plain", "mallocs"]
    assert mallocs == 1 + 3 * 83 + 2
    assert told("memory-leak", "jobs.plain.memory.limit=2MiB") == ("exited", ["all requests answered"])


def test_books_go_wrong() -> None:
    """The account's balance is changed by whoever had the block before."""
    assert told("use-after-free")[1] == ["the balance is 100"]
    assert told("use-after-free", "jobs.plain.memory.heap=worst-fit")[1] == ["the balance is 1000"]


def test_frees_that_are_wrong() -> None:
    """As the descriptions say, with either header."""
    assert told("double-free")[0].startswith("killed: abort: double free or corruption (!prev)")
    assert told("double-free", "jobs.plain.memory.heap=first-fit")[0].startswith(
        "killed: abort: free(): invalid pointer (the magic number"
    )
    assert told("invalid-free")[0].startswith("killed: abort: free(): invalid size")


def test_the_stack_grows_down_and_the_heap_grows_up() -> None:
    """Frames at lower and lower addresses, blocks at higher and higher ones; then the frame is used again."""
    printed = told("stack-and-heap")[1]
    frames = [int(line.split()[-1], 16) for line in printed if line.startswith("a frame")]
    blocks = [int(line.split()[-1], 16) for line in printed if line.startswith("a block")]
    assert frames[:5] == sorted(frames[:5], reverse=True)
    assert frames[5] == frames[0]
    assert blocks == sorted(blocks)
    ended = result_of("stack-and-heap").table("processes").set_index("job").loc["endless", "exit_reason"]
    assert ended.startswith("killed: segmentation fault: write to address 0xffff")


def test_the_report_reads_as_valgrind_s() -> None:
    """What, where, which block; then what was lost."""
    (found,) = summary(result_of("use-after-free"))["memory_errors"]
    assert list(lines(found)) == [
        "checked under memcheck: 2 errors",
        "  invalid read of 8 bytes at 0x5030, 16 bytes inside a block of 40 bytes that was freed",
        "    in main, step 8, line 31",
        "    allocated in main, step 2, line 25",
        "    freed in close_account, step 1, line 41; main, step 5, line 28",
        "  invalid write of 8 bytes at 0x5030, 16 bytes inside a block of 40 bytes that was freed",
        "    in main, step 10, line 33",
        "    allocated in main, step 2, line 25",
        "    freed in close_account, step 1, line 41; main, step 5, line 28",
    ]
    (found,) = summary(result_of("memory-leak"))["memory_errors"]
    first, *leaks = lines(found)
    assert first == "checked under memcheck: 0 errors"
    assert [line.partition(",")[0].split(":")[0].strip() for line in leaks] == [
        "definitely lost",
        "indirectly lost",
        "still reachable",
    ]
