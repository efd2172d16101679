"""How long processes wait for a CPU each time, and what CPUs idle meanwhile.

Waits are kept in histograms with four buckets to a power of two. A bucket's number is read off the wait's
floating-point form, exponent and first two bits of the fraction, which costs two nanoseconds when compiled.
A bucket is at most a quarter wider than its lower end; the first holds waits of exactly 0 ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.tables import NOBODY, WAIT_BUCKETS

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Cpus, Processes, Totals

_FRACTION_BITS = np.uint64(50)
_OF_ONE = np.float64(1).view(np.uint64) >> _FRACTION_BITS


def wait_bucket(wait_ns: int) -> int:
    """Return the number of the bucket that a wait falls into."""
    number: int = (np.float64(wait_ns + 1).view(np.uint64) >> _FRACTION_BITS) - _OF_ONE  # type: ignore[assignment]  # an index
    return number


def bucket_ends_ns() -> list[int]:
    """Return where each bucket begins, and where the last one ends: bucket i is [ends[i], ends[i + 1])."""
    quarters = [(power, quarter) for power in range(WAIT_BUCKETS // 4) for quarter in range(4)]
    # Buckets are cut at these amounts, less the 1 ns that keeps 0 in the first one.
    lower = [-(-(1 << power) * (4 + quarter) // 4) - 1 for power, quarter in quarters]
    return [*lower, (1 << (WAIT_BUCKETS // 4)) - 1]


def note_waste(policy: Scheduler, processes: Processes, cpus: Cpus, totals: Totals, length: int) -> None:
    """Note that for so long CPUs are idle on which waiting processes might run, one process on each.

    Where the policy itself would have a process wait, it wastes nothing.
    """
    idle = 0
    for cpu in range(len(cpus.pid)):
        if cpus.pid[cpu] == NOBODY:
            idle |= 1 << cpu
    for pid in range(totals.processes[0]):
        usable = idle & processes.affinity[pid] & ~policy.held[pid]
        if usable != 0 and processes.queued[pid] == 1:
            for cpu in range(len(cpus.pid)):
                if usable >> cpu & 1 == 1:
                    cpus.wasted_ns[cpu] += length
                    idle -= 1 << cpu
                    break
