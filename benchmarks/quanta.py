"""How fast quanta go by: simulated scheduling decisions a second, every one accounted for.

    python benchmarks/quanta.py [--jobs 20] [--quanta 20000000]

CPU-bound jobs share one CPU with a quantum of 1 ms; CPU time, waits, switches and lags are kept for every
quantum. As yardsticks, in the same run: bare SimPy timeouts, and a plain SimPy loop that draws a lottery
winner and yields one timeout a quantum, without any accounting.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import TYPE_CHECKING, Any

import simpy

from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Layout
from simulator.schedulers.registry import make_scheduler, scheduler_names

if TYPE_CHECKING:
    from collections.abc import Generator

    from simulator.syscalls import SystemCalls

QUANTUM_NS = 1_000_000
YARDSTICK_QUANTA = 200_000
UNTIMED = ("fifo", "sjf", "stcf")
"""Schedulers without quanta."""


def main() -> None:
    """Measure every scheduler that has a timer, and the yardsticks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--quanta", type=int, default=20_000_000)
    chosen = parser.parse_args()
    bare = bare_timeouts()
    naive = naive_loop(chosen.jobs)
    print(f"{chosen.jobs} CPU-bound jobs on one CPU, quantum 1 ms, {chosen.quanta:,} quanta each")
    print(f"{'bare SimPy timeouts':28}{bare / 1e6:8.2f} million a second")
    print(f"{'plain SimPy lottery':28}{naive / 1e6:8.2f} million quanta a second")
    for name in scheduler_names():
        if name not in UNTIMED:
            rate = quanta_rate(name, chosen.jobs, chosen.quanta)
            print(f"{name:28}{rate / 1e6:8.2f} million quanta a second, {rate / naive:.0f} x the plain loop")


def quanta_rate(
    scheduler: str, jobs: int, quanta: int, *, quantum_ns: int = QUANTUM_NS, cpus: int = 1
) -> float:
    """Return simulated quanta per second of a machine with CPU-bound jobs, compiling not counted."""
    hardware = Hardware(cpus, quantum_ns)
    machine_of(scheduler, jobs, hardware).run(1000 * quantum_ns, window_ns=1000 * quantum_ns)
    machine = machine_of(scheduler, jobs, hardware)
    duration = quanta * quantum_ns // cpus
    begun = time.perf_counter()
    machine.run(duration, window_ns=duration // 100)
    spent = time.perf_counter() - begun
    # Counted, not computed: a policy that decides at ticks makes slices of its own length.
    return int(machine.dispatcher.state.processes.dispatches.sum()) / spent


def machine_of(scheduler: str, jobs: int, hardware: Hardware) -> Machine:
    """Return a machine with that many endless jobs of 1, 2, 3 ... tickets."""

    def endless(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        yield system.compute(1 << 60)

    machine = Machine(make_scheduler(scheduler, {}), hardware, memory_bytes=1 << 40, engine="compiled")
    for job in range(jobs):
        machine.spawn(str(job), endless, tickets=job + 1, layout=Layout(4096, 4096, 4096))
    return machine


def bare_timeouts() -> float:
    """Return how many timeouts a second SimPy alone can do."""
    environment = simpy.Environment()

    def ticking() -> Generator[simpy.Event, Any, None]:
        while True:
            yield environment.timeout(1)

    environment.process(ticking())
    begun = time.perf_counter()
    environment.run(until=YARDSTICK_QUANTA)
    return YARDSTICK_QUANTA / (time.perf_counter() - begun)


def naive_loop(jobs: int) -> float:
    """Return the quanta a second of a lottery written the plain way: one draw and one event a quantum."""
    environment = simpy.Environment()
    tickets = [job + 1 for job in range(jobs)]
    received = [0] * jobs
    draw = random.Random(0)  # noqa: S311 - a lottery, not a secret

    def scheduler() -> Generator[simpy.Event, Any, None]:
        total = sum(tickets)
        while True:
            winner = draw.randrange(total)
            counter = 0
            for job, amount in enumerate(tickets):
                counter += amount
                if counter > winner:
                    received[job] += 1
                    break
            yield environment.timeout(1)

    environment.process(scheduler())
    begun = time.perf_counter()
    environment.run(until=YARDSTICK_QUANTA)
    return YARDSTICK_QUANTA / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
