"""Malloc traces: what the files may say, and what textbook first fit makes of the classic shapes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from heaps import Region

from simulator.memory.heap import Heap
from simulator.memory.heap_config import GLIBC, PRESETS, TEXTBOOK
from workloads.malloc_trace import MallocTrace, Operation, TraceError, parse_operations, read_trace, replay

CLASSIC = {
    "amptjp": 99,
    "cccp": 99,
    "cp-decl": 99,
    "expr": 100,
    "coalescing": 66,
    "random": 91,
    "random2": 92,
    "binary": 55,
    "binary2": 51,
    "realloc": 27,
    "realloc2": 34,
}
"""Utilisation in % of an implicit list with first fit, as published for the classic traces."""
DIRECTORY = "TIMESHARE_MALLOC_TRACES"
"""Names the environment variable that says where the classic traces are."""


def lines_of(*operations: str) -> list[str]:
    """A trace with a header that is right."""
    return ["20000", "3", str(len(operations)), "1", *operations]


def used_percent(operations, config=TEXTBOOK):
    """Utilisation of a heap that carries them out."""
    heap = Heap(Region(4096, 1 << 30), config)
    found = replay(MallocTrace("shape", tuple(operations)), heap)
    heap.check()
    return 100 * found.utilisation


def test_a_trace_is_read(tmp_path):
    """Header, operations, empty lines and an end without a newline."""
    path = tmp_path / "small.rep"
    path.write_text(
        "\n".join(lines_of("a 0 512", "a 1 128", "r 0 640", "", "f 1", "f 0")).replace("\n6\n", "\n5\n")
    )
    trace = read_trace(path)
    assert trace.name == "small"
    assert trace.operations == (
        Operation("a", 0, 512),
        Operation("a", 1, 128),
        Operation("r", 0, 640),
        Operation("f", 1, 0),
        Operation("f", 0, 0),
    )


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (lines_of("a 0"), "t.rep:5: 'a 0' is no operation; write a ID SIZE, r ID SIZE or f ID"),
        (lines_of("x 0 1"), "t.rep:5: 'x 0 1' is no operation"),
        (lines_of("a 0 1", "f 0 1"), "t.rep:6: 'f 0 1' is no operation"),
        (lines_of("a 0 -1"), "t.rep:5: the size, -1, is no whole number"),
        (lines_of("a zero 1"), "t.rep:5: the block's number, zero, is no whole number"),
        (lines_of(f"a 0 {2**63}"), "t.rep:5: the size, 9223372036854775808, is no whole number"),
        (lines_of("a 0 1", "a 0 1"), "t.rep:6: block 0 is alive already"),
        (lines_of("f 3"), "t.rep:5: block 3 is not alive"),
        (lines_of("a 0 1", "f 0", "r 0 5"), "t.rep:7: block 0 is not alive"),
        (lines_of("a 0 1", "r 0 0"), "t.rep:6: realloc to 0 bytes is not defined; write f 0"),
        (["1", "a 0 1"], "t.rep: 1 header lines; a trace begins with 4 numbers"),
        (["1", "1", "7", "1", "a 0 1"], "t.rep: the header says 7 operations, and there are 1"),
        ([], "t.rep: 0 header lines"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(lines, message):
    """File, line, and what would be right."""
    with pytest.raises(TraceError) as caught:
        parse_operations(lines, "t.rep")
    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    """As any other mistake."""
    with pytest.raises(TraceError, match=r"none\.rep: cannot be read as a trace"):
        read_trace(tmp_path / "none.rep")
    (tmp_path / "bytes.rep").write_bytes(b"\xff\xfe")
    with pytest.raises(TraceError, match="cannot be read as a trace"):
        read_trace(tmp_path / "bytes.rep")


def coalescing():
    """Two neighbours are freed, and a block of both sizes together is asked for, over and over."""
    for turn in range(0, 3 * 4800, 3):
        yield from (Operation("a", turn, 4095), Operation("a", turn + 1, 4095))
        yield from (Operation("f", turn, 0), Operation("f", turn + 1, 0))
        yield from (Operation("a", turn + 2, 8190), Operation("f", turn + 2, 0))


def binary(count, small, large, larger):
    """Small and large blocks in turn; the large ones are freed, and a little larger ones asked for."""
    for turn in range(count):
        yield from (Operation("a", 2 * turn, small), Operation("a", 2 * turn + 1, large))
    yield from (Operation("f", 2 * turn + 1, 0) for turn in range(count))
    yield from (Operation("a", 2 * count + turn, larger) for turn in range(count))


def growing(first, step, other):
    """A block is resized by a little, over and over, while small ones come and go behind it."""
    yield from (Operation("a", 0, first), Operation("a", 1, other))
    for turn in range(1, 4800):
        yield Operation("r", 0, first + turn * step)
        yield Operation("a", turn + 1, other)
        yield Operation("f", turn, 0)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("coalescing", coalescing()),
        ("binary", binary(2000, 64, 448, 512)),
        ("binary2", binary(4000, 16, 112, 128)),
        ("realloc", growing(512, 128, 128)),
        ("realloc2", growing(4092, 5, 16)),
    ],
)
def test_textbook_first_fit_uses_the_heap_as_published(name, shape):
    """Traces of our own in the shape that gives each classic its name, and the published percentage."""
    assert used_percent(shape) == pytest.approx(CLASSIC[name], abs=0.6)


def test_better_heaps_do_better_on_the_same_shape():
    """Where realloc stays in place, or moves to what fits best."""
    assert used_percent(growing(512, 128, 128), PRESETS["first-fit"]) > CLASSIC["realloc"] + 10
    assert used_percent(growing(512, 128, 128), GLIBC) > CLASSIC["realloc"] + 10


@pytest.mark.parametrize("name", CLASSIC)
def test_the_classic_traces_give_the_published_utilisation(name):
    """To the percent, where somebody has put them."""
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        pytest.skip(f"{DIRECTORY} does not say where the classic traces are")
    files = [file for suffix in ("-bal.rep", ".rep") if (file := Path(directory, name + suffix)).exists()]
    if not files:
        pytest.skip(f"{directory} has no trace of that name")
    assert used_percent(read_trace(files[0]).operations) == pytest.approx(CLASSIC[name], abs=0.5)
