"""A synthetic program that uses memory: the plainest one that tells translation mechanisms apart."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from simulator.memory.address_space import Access
from workloads.base import Context, Workload

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from simulator.syscalls import SystemCalls

BATCH = 4096
"""Addresses that are used with one system call; within a batch the process keeps what it has of the TLB."""
HEAP_SLACK_BYTES = 1 << 18
"""What a heap may need beside the block: headers, and the steps in which it grows."""


def memory_walk(
    context: Context,
    size_bytes: int,
    order: Literal["sequential", "random"] = "sequential",
    stride_bytes: int = 64,
    passes: int = 1,
    access: Literal["read", "write"] = "write",
    pause_ns: int = 0,
    rounds: int | None = None,
) -> Workload:
    """Return a program that allocates a block, walks over it, and frees it, over and over.

    Args:
        context: the job; its random stream gives the order "random".
        size_bytes: size of the block.
        order: whether addresses come one after another or, as many of them, at random.
        stride_bytes: distance between the addresses that are used.
        passes: how often the block is walked over before it is freed.
        access: what is done at each address.
        pause_ns: sleep after each block is freed.
        rounds: exit after so many blocks; None goes on and on.
    """
    kind = Access.WRITE if access == "write" else Access.READ
    count = size_bytes // stride_bytes

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        for _ in itertools.count() if rounds is None else range(rounds):
            block = system.malloc(size_bytes)
            if order == "sequential":
                system.foresee(block + np.arange(count, dtype=np.int64) * stride_bytes)
            for _ in range(passes):
                for first in range(0, count, BATCH):
                    steps = np.arange(first, min(first + BATCH, count), dtype=np.int64)
                    if order == "random":
                        steps = context.random.integers(count, size=len(steps))
                    yield system.access(block + steps * stride_bytes, kind)
            system.free(block)
            if pause_ns:
                yield system.sleep(pause_ns)

    return Workload(program, size_bytes + HEAP_SLACK_BYTES)
