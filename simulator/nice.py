"""Nice values as tickets: the kernel's `sched_prio_to_weight` (kernel/sched/core.c)."""

from __future__ import annotations

NICE_0 = 1024
"""Tickets of nice 0, and the weight at which Linux lets virtual time pass as fast as execution."""

NICEST, LEAST_NICE = 19, -20

# fmt: off
WEIGHTS = (
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
    9548, 7620, 6100, 4904, 3906, 3121, 2501, 1991, 1586, 1277,
    1024, 820, 655, 526, 423, 335, 272, 215, 172, 137,
    110, 87, 70, 56, 45, 36, 29, 23, 18, 15,
)
# fmt: on
"""Weights of nice -20 to 19; a step is about 10 % of the CPU between two equal processes."""


def tickets_of_nice(nice: int) -> int:
    """Return the weight of a nice value, -20 to 19, as tickets."""
    return WEIGHTS[nice - LEAST_NICE]
