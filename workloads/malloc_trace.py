"""Traces of mallocs and frees in the form of the classic malloc exercises (`.rep`), replayed on a heap.

A file begins with lines of one number each (a suggested heap size, the number of blocks, the number of
operations, a weight); then comes an operation a line: `a ID SIZE` allocates, `r ID SIZE` resizes, `f ID`
frees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from simulator.memory.heap import Heap

HEADER_LINES = 4
_MOST = 1 << 62
_FORMS = "a ID SIZE, r ID SIZE or f ID"


class TraceError(TimeshareError):
    """A trace that cannot be read; the message says file, line, and what would be right."""


class Operation(NamedTuple):
    """One call: `kind` is "a", "r" or "f"; `size` is 0 for a free."""

    kind: str
    block: int
    size: int


@dataclass(frozen=True)
class MallocTrace:
    """A trace.

    Attributes:
        name: the file's name without its ending.
        operations: the calls, each of a block that is alive where it has to be.
    """

    name: str
    operations: tuple[Operation, ...]


class Replay(NamedTuple):
    """What a trace made of a heap.

    Attributes:
        peak_live_bytes: the most that was asked for at a time.
        peak_held_bytes: the most that the heap has held.
    """

    peak_live_bytes: int
    peak_held_bytes: int

    @property
    def utilisation(self) -> float:
        """The part of the heap, when it was largest, that the program at its fullest asked for."""
        return self.peak_live_bytes / self.peak_held_bytes if self.peak_held_bytes else 1.0


def read_trace(path: Path) -> MallocTrace:
    """Read a `.rep` file.

    Raises:
        TraceError: it cannot be read, or a line of it makes no sense.
    """
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot be read as a trace: {error}") from error
    return MallocTrace(path.stem, tuple(parse_operations(text.splitlines(), str(path))))


def parse_operations(lines: Iterable[str], source: str) -> list[Operation]:
    """Return the operations of a trace's lines; `source` is named in messages.

    Raises:
        TraceError: a line makes no sense, or frees, resizes or allocates what it cannot.
    """
    operations: list[Operation] = []
    alive: set[int] = set()
    counts: list[int] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"{source}:{number}"
        if len(words) == 1 and not operations:
            counts.append(_whole(words[0], where, "the header's number"))
            continue
        operation = _operation(words, where)
        _keep_alive(operation, alive, where)
        operations.append(operation)
    if len(counts) != HEADER_LINES:
        raise TraceError(f"{source}: {len(counts)} header lines; a trace begins with {HEADER_LINES} numbers")
    if counts[2] != len(operations):
        raise TraceError(f"{source}: the header says {counts[2]} operations, and there are {len(operations)}")
    return operations


def replay(trace: MallocTrace, heap: Heap) -> Replay:
    """Carry out a trace's calls on a heap.

    Raises:
        OutOfMemory: the heap has no room for them.
    """
    addresses: dict[int, int] = {}
    for kind, block, size in trace.operations:
        if kind == "a":
            addresses[block] = heap.malloc(size)
        elif kind == "r":
            addresses[block] = heap.realloc(addresses[block], size)
        else:
            heap.free(addresses.pop(block))
    return Replay(heap.peak_live_bytes, heap.peak_held_bytes)


def _operation(words: list[str], where: str) -> Operation:
    kind, *numbers = words
    if (kind not in {"a", "r"} or len(numbers) != 2) and (kind != "f" or len(numbers) != 1):  # noqa: PLR2004 - ID and SIZE
        raise TraceError(f"{where}: '{' '.join(words)}' is no operation; write {_FORMS}")
    block = _whole(numbers[0], where, "the block's number")
    size = _whole(numbers[1], where, "the size") if kind != "f" else 0
    if kind == "r" and size == 0:
        raise TraceError(f"{where}: realloc to 0 bytes is not defined; write f {block}")
    return Operation(kind, block, size)


def _keep_alive(operation: Operation, alive: set[int], where: str) -> None:
    """Follow which blocks are alive."""
    kind, block, _ = operation
    if kind == "a":
        if block in alive:
            raise TraceError(f"{where}: block {block} is alive already; free it first or give another number")
        alive.add(block)
    elif block not in alive:
        raise TraceError(f"{where}: block {block} is not alive; allocate it before")
    elif kind == "f":
        alive.remove(block)


def _whole(word: str, where: str, what: str) -> int:
    if not word.isascii() or not word.isdigit() or int(word) >= _MOST:
        raise TraceError(f"{where}: {what}, {word}, is no whole number from 0 to 2**62")
    return int(word)
