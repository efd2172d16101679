"""A program whose heap fragments: blocks of random sizes and lives, larger ones as time goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.burst import Burst
from workloads.base import Context, Workload

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from simulator.syscalls import SystemCalls

EVENTS_OF_BURST = 1000
ROOM = 4
"""Room of the heap, as a multiple of the most bytes that are alive."""


def heap_churn(
    context: Context,  # noqa: ARG001 - as every workload
    *,
    blocks: int = 200,
    smallest_bytes: int = 16,
    largest_bytes: int = 4096,
    growth: float = 1.0,
    events: int = 10_000,
    event_ns: int = 10_000,
    seed: int = 0,
) -> Workload:
    """Return a program that allocates and frees, and exits.

    It allocates `blocks` blocks; from then on it frees a block, any with the same probability, and allocates
    another. Sizes are drawn so that every power of two is as likely as the next, between bounds that are
    `growth` times as large at the end as in the beginning. Jobs with the same options do the same, whatever
    their heaps.

    Args:
        context: the job.
        blocks: alive at a time.
        smallest_bytes: of a block in the beginning, > 0.
        largest_bytes: likewise.
        growth: how many times as large sizes are at the end.
        events: mallocs and frees in all.
        event_ns: CPU time for each.
        seed: of the sizes and lives.
    """
    sizes = _sizes(np.random.default_rng(seed), blocks, (smallest_bytes, largest_bytes), growth, events)
    names, changes, most = sizes
    bursts = [
        _burst(names[first : first + EVENTS_OF_BURST], changes[first : first + EVENTS_OF_BURST], event_ns)
        for first in range(0, events, EVENTS_OF_BURST)
    ]

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        for burst in bursts:
            yield system.execute(burst)

    return Workload(program, ROOM * most + (1 << 20))


def _sizes(
    random: np.random.Generator, blocks: int, bounds: tuple[int, int], growth: float, events: int
) -> tuple[list[int], list[int], int]:
    """Return the name and the change in bytes of each event, and the most bytes alive."""
    low, high = np.log2(bounds[0]), np.log2(bounds[1])
    drawn = random.uniform(low, high, events) + np.log2(growth) * np.arange(events) / events
    wanted = np.maximum(np.exp2(drawn), 1).astype(np.int64).tolist()
    victims = random.random(events).tolist()
    names: list[int] = []
    changes: list[int] = []
    alive: list[tuple[int, int]] = []
    live = most = 0
    for event in range(events):
        if len(alive) < blocks:
            alive.append((event, wanted[event]))
            names.append(event)
            changes.append(wanted[event])
        else:
            at = int(victims[event] * blocks)
            alive[at], alive[-1] = alive[-1], alive[at]
            name, size = alive.pop()
            names.append(name)
            changes.append(-size)
        live += changes[-1]
        most = max(most, live)
    return names, changes, most


def _burst(names: list[int], changes: list[int], event_ns: int) -> Burst:
    """Return a burst in which each event is an operation."""
    count = len(names)
    return Burst(
        op_cpu_ns=np.full(count, event_ns, np.int64),
        op_names=["churn"] * count,
        event_op=np.arange(count),
        event_after=np.zeros(count, np.bool_),
        event_block=np.array(names, np.int64),
        event_bytes=np.array(changes, np.int64),
        op_parallel=np.zeros(count, np.bool_),
    )
