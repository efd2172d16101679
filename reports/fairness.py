"""How fairly CPU time was shared: the measures of the proportional-share literature, on plain arrays."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def jain_index(service: Floats) -> float:
    """Jain's fairness index of ticket-normalised service.

    (sum x)^2 / (n * sum x^2), with x_i = CPU time received / CPU time entitled to. It lies between 1/n (one
    gets everything) and 1 (all get the same multiple of their entitlement), and does not change with scale.

    Source: Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination for Resource
    Allocation in Shared Computer Systems", DEC-TR-301, 1984.

    Args:
        service: x_i >= 0 of every job that wanted CPU time, shape (n,).

    Returns:
        The index, or NaN where it is undefined: no job, or none received anything.
    """
    largest = service.max(initial=0.0)
    if largest <= 0:
        return float("nan")
    scaled = service / largest  # squares of very small or large values would leave the range of floats
    return float(scaled.sum() ** 2 / (scaled.size * (scaled**2).sum()))


def share_errors(received: Floats, entitled: Floats) -> Floats:
    """Each job's share of the delivered CPU time minus the share of it the job was entitled to.

    (received_i - entitled_i) / sum(received), a fraction: times 100 it is in percentage points.

    Source: the absolute error of Waldspurger and Weihl, "Stride Scheduling: Deterministic
    Proportional-Share Resource Management", MIT/LCS/TM-528, 1995, section 4, over the whole run.

    Args:
        received: CPU time per job in seconds, shape (n,).
        entitled: the fluid ideal per job in seconds, shape (n,).

    Returns:
        Shape (n,); NaN throughout if no CPU time was delivered.
    """
    delivered = received.sum()
    if delivered <= 0:
        return np.full(received.shape, np.nan)
    return cast("Floats", (received - entitled) / delivered)


def pairwise_error(received: Floats, entitled: Floats) -> float:
    """Worst error of any pair of jobs, at any of the times given, in the unit of the arguments.

    For the pair (i, j) alone: | c_i - (c_i + c_j) * e_i / (e_i + e_j) |, with c the CPU time received and e
    the CPU time entitled to up to that time. Stride scheduling bounds it by one quantum, whatever the time.

    Source: the pairwise relative error of Waldspurger and Weihl, MIT/LCS/TM-528, 1995, section 4.

    Args:
        received: cumulative CPU time, shape (times, n); all n jobs runnable throughout.
        entitled: cumulative entitlement, same shape.

    Returns:
        The largest error, or NaN for fewer than two jobs.
    """
    worst = float("nan")
    for i in range(received.shape[1]):
        for j in range(i + 1, received.shape[1]):
            entitled_to_both = entitled[:, i] + entitled[:, j]
            known = entitled_to_both > 0
            ideal = (received[known, i] + received[known, j]) * entitled[known, i] / entitled_to_both[known]
            error = np.abs(received[known, i] - ideal).max(initial=0.0)
            worst = float(np.fmax(worst, error))
    return worst


def finish_ratio(turnaround_s: Floats) -> float:
    """Earliest over latest finish of jobs that all ended: 1 when all end together, 1/n when one by one.

    For two equal jobs it is the fairness metric F of OSTEP, chapter 9 (the unfairness metric U in earlier
    editions): the time at which the first job completes over the time at which the second does.

    Args:
        turnaround_s: finish minus arrival of each job, shape (n,).

    Returns:
        The ratio, or NaN for fewer than two jobs.
    """
    if turnaround_s.size < 2 or turnaround_s.max() <= 0:  # noqa: PLR2004 - a first and a last
        return float("nan")
    return float(turnaround_s.min() / turnaround_s.max())


def histogram_quantile(high: Floats, count: Floats, quantile: float) -> float:
    """Upper end of the bucket that holds a quantile: at least so large a part of the values lies below it.

    Args:
        high: upper ends of buckets, ascending, shape (buckets,).
        count: values in each, same shape.
        quantile: 0 to 1.

    Returns:
        The bucket's upper end, or NaN of no values.
    """
    reached = count.cumsum()
    if not reached.size or reached[-1] <= 0:
        return float("nan")
    return float(high[np.searchsorted(reached, quantile * reached[-1], side="left")])
