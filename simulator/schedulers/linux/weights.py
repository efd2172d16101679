"""Weights from tickets, times from the number of CPUs, and what options may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000

HEAVIEST = 1 << 20
"""The most that a process weighs at the start: enough for the ratios, and virtual time stays fine."""

HEAVIEST_EVER = 1 << 30
"""The most that a process can come to weigh: sums and products keep within 64 bits."""

LIGHTEST_GROUP = 2
"""The least that a group weighs on a CPU: the kernel's MIN_SHARES."""


def cpu_factor(cpus: int) -> int:
    """Return what Linux multiplies its times by: 1 + floor(log2(min(cpus, 8)))."""
    return min(cpus, 8).bit_length()


def check_options(preset: str, presets: tuple[str, ...], hz: int, **times_us: int | None) -> None:
    """Check the options that the policies share.

    Raises:
        ValueError: an unknown preset, a rate or a time out of range.
    """
    if preset not in presets:
        raise ValueError(f"preset is one of {', '.join(presets)}, not {preset}")
    if type(hz) is not int or not 1 <= hz <= 10_000:  # noqa: PLR2004 - the message says it
        raise ValueError(f"hz is a whole number of ticks a second from 1 to 10000, not {hz}")
    for option, value in times_us.items():
        if value is not None and (type(value) is not int or value < 1):
            raise ValueError(f"{option} is a whole number of microseconds above 0, not {value}")


def weigh(queues: LinuxScheduler, pid: int, tickets: int) -> None:
    """Set the weight of a process that is on no queue."""
    queues.tickets[pid] = tickets
    first = int(queues.first_process[0])
    if tickets >> int(queues.halvings[0]) > HEAVIEST and not queues.home[first:].any():
        queues.halvings[0] = (tickets // HEAVIEST).bit_length()
        processes = len(queues.weight) - first
        queues.weight[first:] = np.maximum(queues.tickets[:processes] >> queues.halvings[0], 1)
        weigh_groups(queues)
    queues.weight[first + pid] = min(max(tickets >> int(queues.halvings[0]), 1), HEAVIEST_EVER)
    queues.remainder[first + pid] = 0


def weigh_groups(queues: LinuxScheduler) -> None:
    """Set the weights of all groups from their terms, on the scale of the processes' weights."""
    for number, terms in enumerate(queues.terms):
        halved = terms.tickets >> int(queues.halvings[0])
        queues.group_weight[number] = min(max(halved, LIGHTEST_GROUP), HEAVIEST_EVER)
