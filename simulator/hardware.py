"""What the simulated computer is made of, as far as scheduling goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hardware:
    """CPUs, their timer, and what it costs to change what they do.

    Attributes:
        cpus: number of CPUs, >= 1.
        quantum_ns: the timer's quantum in nanoseconds, >= 1.
        context_switch_ns: cost of giving a CPU to another process than its last.
        migration_ns: cost of refilling caches when a process runs on another CPU than its last.
        tick_cost_ns: cost of a timer tick, for schedulers that decide at ticks.

    Raises:
        ValueError: a number of CPUs or a quantum below 1, or a negative cost.
    """

    cpus: int = 1
    quantum_ns: int = 10_000_000
    context_switch_ns: int = 0
    migration_ns: int = 0
    tick_cost_ns: int = 0

    def __post_init__(self) -> None:
        costs = (self.context_switch_ns, self.migration_ns, self.tick_cost_ns)
        if self.cpus < 1 or self.quantum_ns < 1 or min(costs) < 0:
            raise ValueError("a machine has CPUs >= 1, a quantum >= 1 ns, and costs >= 0 ns")
