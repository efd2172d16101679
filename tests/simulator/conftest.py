"""Machines small enough to reason about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Layout
from simulator.schedulers.registry import make_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

MS = 1_000_000
KERNEL = ("seed", "engine", "slices", "groups", "mechanism")
LAYOUT = Layout(code_bytes=4096, heap_bytes=1 << 20, stack_bytes=4096)


def computing(*steps: tuple[int, int]) -> Callable[[Any], Generator[Any, Any, None]]:
    """Return a program that computes and then sleeps for each (compute_ns, sleep_ns)."""

    def program(system: Any) -> Generator[Any, Any, None]:
        for compute_ns, sleep_ns in steps:
            yield system.compute(compute_ns)
            if sleep_ns:
                yield system.sleep(sleep_ns)

    return program


def busy_machine(tickets: Sequence[int], scheduler: str = "stride", **options: Any) -> Machine:
    """Return a machine with one endless CPU-bound process per number of tickets, every slice on record."""
    machine = machine_with(scheduler, **{"slices": None, **options})
    for number, amount in enumerate(tickets):
        machine.spawn(chr(ord("A") + number), computing((1 << 60, 0)), tickets=amount, layout=LAYOUT)
    return machine


def machine_with(
    scheduler: str, policy: dict[str, Any] | None = None, memory_bytes: int = 1 << 30, **options: Any
) -> Machine:
    """Return a machine of 1 GiB with a quantum of 10 ms unless told otherwise."""
    kernel = {name: options.pop(name) for name in KERNEL if name in options}
    return Machine(
        make_scheduler(scheduler, policy or {}), Hardware(**options), memory_bytes=memory_bytes, **kernel
    )


def order_of(machine: Machine) -> str:
    """Return the names of the processes in the order in which their slices ended."""
    return "".join(machine.processes[pid].name for part in machine.recordings.slices for pid in part["pid"])


@pytest.fixture
def tools() -> Any:
    """Hand these helpers to tests, which are no package and cannot import each other."""

    class Tools:
        ms = MS
        layout = LAYOUT
        computing = staticmethod(computing)
        busy_machine = staticmethod(busy_machine)
        machine_with = staticmethod(machine_with)
        order_of = staticmethod(order_of)

    return Tools
