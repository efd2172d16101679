"""Kills and refusals for want of memory, explained: who asked, what there was, and what would have helped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from simulator.memory.errors import HeapRoomSpent, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.memory.charges import Shortage
    from simulator.memory.control import MemoryControl
    from simulator.memory.mechanism import Mechanism
    from simulator.oom import Candidate
    from simulator.process import Process

SHOWN = 5
"""Candidates that are kept of each kill."""


class Setting(NamedTuple):
    """One thing that would have to be set otherwise.

    Attributes:
        what: "memory", "job max", "group max", "heap", "swap" or "compaction".
        name: the job or group it is of, "" for the machine.
        size_bytes: the least size that would do; 0 where it is no size.
    """

    what: str
    name: str
    size_bytes: int


@dataclass(frozen=True)
class Case:
    """A shortage that nobody could relieve but by a process's end, as the kernel saw it.

    Attributes:
        killer: by which rule a victim was chosen.
        asking_pid: who asked for memory; -1 for nobody in particular.
        needed_bytes: how much.
        free_bytes: what was free of it, under the limit if one was hit.
        size_bytes: of how much: the limit's, or the memory's size.
        short: what there was too little of: "memory", "memory.max", "heap room" or "address space".
        limit: the job or group whose limit was hit; "" for the machine's memory.
        candidates: the processes that might be killed and their scores, the first in line first.
        remedies: ways in each of which it would not have come to this; all settings of one belong together.
    """

    killer: str
    asking_pid: int
    needed_bytes: int
    free_bytes: int
    size_bytes: int
    short: str = "memory"
    limit: str = ""
    candidates: tuple[tuple[Candidate, float], ...] = ()
    remedies: tuple[tuple[Setting, ...], ...] = ()


@dataclass(frozen=True)
class KillRecord:
    """A process that was killed, or refused at its start, for want of memory.

    Attributes:
        at_ns: when.
        pid: the process.
        kind: "killed" or "refused".
        reason: why, in words.
        case: what the kernel knew.
    """

    at_ns: int
    pid: int
    kind: str
    reason: str
    case: Case


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, and so on."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def case_of(error: OutOfMemory) -> Case | None:
    """Return what the kernel found out when memory was short, if that is what an error comes from."""
    for one in causes(error):
        if isinstance(one, OutOfMemory) and one.shortage is not None:
            case = one.shortage.case
            return case if isinstance(case, Case) else None
    return None


def case_for(process: Process, error: OutOfMemory, killer: str) -> Case:
    """Return the case of a process that ends by an error of its own, or is refused.

    A burst that broke off when its heap could not grow would have gone on to grow it: what it needs in all
    counts, not only the piece that was refused.
    """
    case = case_of(error)
    if case is None:
        return case_of_room(process, error, killer)
    wanted = 0 if process.memory is None else process.memory.room_wanted()
    if not wanted or process.memory is None:
        return case
    heap = sum(region.size for region in process.memory.space.regions() if region.name == "heap")
    # A segment that moves is needed whole.
    whole = wanted + (heap if case.needed_bytes > heap else 0)
    more = max(whole - case.needed_bytes, 0)
    ways = [
        tuple(one._replace(size_bytes=one.size_bytes + more) for one in way)
        for way in case.remedies
        if way[0].what != "compaction" or case.free_bytes >= whole
    ]
    return replace(case, remedies=tuple(ways))


def case_of_room(process: Process, error: OutOfMemory, killer: str) -> Case:
    """Return the case of a process that asked for more than its own address space has room for."""
    spent = next((one for one in causes(error) if isinstance(one, HeapRoomSpent)), None)
    if spent is None:
        return Case(killer, process.pid, error.needed, error.free, error.free, "address space", process.name)
    room = process.heap_room_bytes
    lacking = spent.needed - spent.free
    if process.memory is not None:
        lacking = max(lacking, process.memory.room_wanted() - spent.free)
    more = Setting("heap", process.name, room + lacking)
    return Case(
        killer,
        process.pid,
        spent.needed,
        spent.free,
        room,
        "heap room",
        process.name,
        remedies=((more,),),
    )


def remedies_of(shortage: Shortage, mechanism: Mechanism) -> tuple[tuple[Setting, ...], ...]:
    """Return the ways in which a request would have been served, all else being as it is.

    The first is more room wherever it is lacking; others are a larger swap, and moving processes together.
    """
    memory = mechanism.memory
    more = [_raised(one, lacking, memory.size_bytes) for one, lacking in shortage.lacking]
    ways = [tuple(more)]
    if mechanism.swap_bytes:
        most = max(lacking for _, lacking in shortage.lacking)
        ways.append((Setting("swap", "", mechanism.swap_bytes + most),))
    scattered = shortage.limit is None and memory.free_bytes >= shortage.needed_bytes
    if mechanism.compacts and not mechanism.is_compacting and scattered:
        ways.append((Setting("compaction", "", 0),))
    return tuple(ways)


def _raised(one: MemoryControl | None, lacking: int, size_bytes: int) -> Setting:
    if one is None:
        return Setting("memory", "", size_bytes + lacking)
    return Setting("group max" if one.is_group else "job max", one.name, (one.max_bytes or 0) + lacking)
