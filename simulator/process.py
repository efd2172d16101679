"""A process: a program being run, with what it holds and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import simpy

from simulator.code_position import CodePosition
from simulator.groups import ROOT
from simulator.memory.control import MemoryControl

if TYPE_CHECKING:
    from simulator.memory.costs import Account
    from simulator.memory.heap_log import HeapLog
    from simulator.process_memory import ProcessMemory
    from simulator.syscalls import SystemCalls

Program = Callable[["SystemCalls"], Generator[simpy.Event, Any, None]]
"""A program: given its system calls, a generator that yields each call that can block."""


class ProcessState(StrEnum):
    """The states of OSTEP chapter 4, with xv6's names for the first and the last."""

    EMBRYO = "embryo"
    READY = "ready"
    RUNNING = "running"
    BLOCKED = "blocked"
    ZOMBIE = "zombie"


@dataclass(frozen=True)
class ExitRecord:
    """How a process ended.

    Attributes:
        at_ns: when.
        code: exit code: 0 for a program that came to its end, 128 + signal for one that was killed.
        reason: in words: "exited", "refused: ..." or "killed: ...".
    """

    at_ns: int
    code: int
    reason: str


class ProcessExit(Exception):  # noqa: N818 - it is how a program ends, not an error
    """Raised in a program by its `exit` system call."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(eq=False)
class Process:
    """A process.

    Attributes:
        pid: counts from 0 in order of spawning.
        name: the job's name.
        arrived_ns: when it was, or is to be, started.
        threads: how many execute its bursts; the pids of all but the first, which is itself, follow its own.
        leader: for one of those others, the process that it is a thread of.
        group: the group it is in.
        memory: its address space and heap; None before the start, after the end, and if refused.
        position: where in its code it is, if it tells.
        checked: whether memcheck looks, or looked, at what it does with memory.
        heap_log: the record of its heap; whoever wants one puts it there before the start.
        peak_heap_bytes, peak_resident_bytes, address_space_bytes, mallocs, frees: what is left to tell about
            its memory after the end.
        account: what its memory accesses took; None if it never had memory.
        page_table_bytes: physical memory that tables for translating its addresses took at the end.
        heap_room_bytes: room of its heap.
        control: its job's claim on memory.
        over_high_pages: pages taken while its job was beyond `memory.high`, for which it has yet to sleep.
        throttled_ns: how long it has slept for that.
        life: the event that it is to SimPy.
        running: its program; None before the start.
        errands: what goes on by itself on its behalf while it waits in a system call.
        ended: how it ended, None while it lives.
        waiting: events of those who wait for its end.
    """

    pid: int
    name: str
    arrived_ns: int
    threads: int = 1
    leader: Process | None = None
    group: str = ROOT
    memory: ProcessMemory | None = None
    peak_heap_bytes: int = 0
    peak_resident_bytes: int = 0
    address_space_bytes: int = 0
    position: CodePosition = field(default_factory=CodePosition)
    checked: bool = False
    heap_log: HeapLog | None = None
    mallocs: int = 0
    frees: int = 0
    account: Account | None = None
    page_table_bytes: int = 0
    heap_room_bytes: int = 0
    control: MemoryControl = field(default_factory=lambda: MemoryControl(""))
    over_high_pages: int = 0
    throttled_ns: int = 0
    life: simpy.Process | None = None
    running: Generator[simpy.Event, Any, None] | None = None
    errands: list[simpy.Process] = field(default_factory=list)
    ended: ExitRecord | None = None
    waiting: list[simpy.Event] = field(default_factory=list)

    @property
    def pids(self) -> range:
        """The pids of all its threads."""
        return range(self.pid, self.pid + self.threads)
