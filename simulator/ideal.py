"""The fluid ideal: who is entitled to how much of the CPU time delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simulator.tables import Float64s


def fluid_rates(weights: Float64s, cpus: int) -> Float64s:
    """Return each runnable process's share of the CPU time delivered, in proportion to its weight.

    This is generalised processor sharing (Parekh and Gallager, 1993) with the limit that a single process
    cannot use more than one CPU: what it cannot use is shared by the others in proportion.

    Args:
        weights: float64[n], >= 0, tickets of the runnable processes; all zero means equal shares.
        cpus: number of CPUs, >= 1.

    Returns:
        float64[n], summing to 1 (empty for n = 0).
    """
    count = len(weights)
    if count <= cpus:
        return np.full(count, 1.0 / max(count, 1))
    if not weights.any():
        weights = np.ones(count)
    rates = np.zeros(count)
    free = np.ones(count, bool)
    capacity = float(cpus)
    while True:
        total = weights[free].sum()
        rates[free] = weights[free] * capacity / total if total > 0 else capacity / free.sum()
        above = free & (rates > 1.0)
        if not above.any():
            return rates / cpus
        rates[above] = 1.0
        free &= ~above
        capacity = cpus - float(np.count_nonzero(~free))
