"""Machines with too little memory, and programs that want some."""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.burst import Burst
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.schedulers.registry import make_scheduler

PAGE = 4096
MS = 1_000_000
LAYOUT = Layout(code_bytes=PAGE, heap_bytes=1 << 24, stack_bytes=PAGE)


def paged(
    frames: int,
    scheduler: str = "stride",
    killer: str = "linux",
    engine: Any = "interpreted",
    **hardware: Any,
) -> Machine:
    """Return a machine of so many frames of 4 KiB."""
    return Machine(
        make_scheduler(scheduler, {}),
        Hardware(**{"quantum_ns": 50_000, **hardware}),
        mechanism=PagingMechanism(frames * PAGE, MemoryCosts(), cpus=hardware.get("cpus", 1)),
        killer=killer,
        engine=engine,
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


def greedy(at_ns: int, pages: int):
    """Return a program that wants a lot at some time."""

    def program(system):
        yield system.sleep(at_ns)
        block = system.malloc(pages * PAGE)
        yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
        yield system.compute(MS)

    return program


def holding(pages: int, then: Any):
    """Return a program that touches pages first."""

    def program(system):
        block = system.malloc(pages * PAGE)
        yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
        yield from then(system)

    return program
