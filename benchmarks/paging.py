"""What page faults cost to simulate: a fault beside an access that hits, with and without a disk.

    python benchmarks/paging.py

All figures of a run are of the same process, so that their ratios mean something on any machine.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from quanta import bare_timeouts

from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism, Swapping
from simulator.memory.paging.replacement.registry import POLICIES
from simulator.memory.paging.swap import SwapShape
from simulator.schedulers.registry import make_scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from simulator.syscalls import SystemCalls

PAGE = 4096
FRAMES = 1024
ROOM = 900
"""Pages of a block that fits, beside tables and code."""
TOO_MANY = 1200
ROUNDS = 4


def main() -> None:
    """Print what one more major fault costs under each policy, as a multiple of a bare SimPy timeout."""
    timeout_s = 1 / bare_timeouts()
    hit_s = best(lambda: per_page_s("lru", ROOM)[0])
    print(f"a page that is in memory, used with others at once: {hit_s / timeout_s:.2f} bare SimPy timeouts")
    for name in POLICIES:
        fault_s, faults = min(per_page_s(name, TOO_MANY) for _ in range(2))
        cost = f"{fault_s / timeout_s:.0f} bare SimPy timeouts"
        print(f"a major fault under {name}, hits in between included: {cost} ({faults} faults)")


def best(measure: Callable[[], float]) -> float:
    """Return the least of three measurements."""
    return min(measure() for _ in range(3))


def per_page_s(replacement: str, pages: int) -> tuple[float, int]:
    """Return the time for each page that faults, or for each page if none does, and the major faults."""
    swapping = Swapping(SwapShape(1 << 26), POLICIES[replacement], np.random.default_rng(0))
    mechanism = PagingMechanism(FRAMES * PAGE, MemoryCosts(), swapping=swapping)
    machine = Machine(make_scheduler("fifo", {}), Hardware(), mechanism=mechanism)
    times: list[float] = []

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        block = system.malloc(pages * PAGE)
        addresses = block + np.arange(pages) * PAGE
        system.foresee(addresses)
        yield system.access(addresses, Access.WRITE)
        times.append(time.perf_counter())
        for _ in range(ROUNDS):
            yield system.access(addresses, Access.WRITE)
        times.append(time.perf_counter())

    process = machine.spawn("walk", program, tickets=1, layout=Layout(PAGE, (pages + 16) * PAGE, PAGE))
    machine.run(10**11, window_ns=10**11)
    account = process.account
    faults = 0 if account is None else account.major_faults
    # The first round's faults have no part in the time; few of them are major.
    return (times[1] - times[0]) / max(faults, 1 if faults else ROUNDS * pages), faults


if __name__ == "__main__":
    main()
