"""Schedulers compared over replications: means with confidence intervals, and paired differences."""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.result import Result

CONFIDENCE = 0.95
FAIRNESS_METRICS = (
    "share_error_mean",
    "lag_quanta_worst",
    "jain",
    "finish_ratio",
    "response_mean_s",
    "switches_per_s",
)
"""The machine-wide metrics of the fairness table, in its order."""


@dataclass(frozen=True)
class Interval:
    """A mean over replications with its 95 % confidence interval.

    Attributes:
        mean: the mean, NaN if no replication has a value.
        half_width: half the interval's width, or NaN if there is none (`why` says so).
        replications: how many replications have a value.
        why: why there is no interval: one replication only, or all replications alike; else "".
    """

    mean: float
    half_width: float
    replications: int
    why: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval excludes 0; replications all alike exclude it if they are not 0."""
        if self.replications < 2:  # noqa: PLR2004 - one replication shows no spread
            return False
        width = 0.0 if math.isnan(self.half_width) else self.half_width
        return abs(self.mean) > width


def interval(values: NDArray[np.float64]) -> Interval:
    """Mean and 95 % confidence interval by Student's t over independent replications.

    mean +- t(0.975, n - 1) * s / sqrt(n), with s the sample standard deviation. Source: Law, "Simulation
    Modeling and Analysis", section 4.5.

    Args:
        values: one value per replication, no NaN, shape (n,).
    """
    n = values.size
    if n == 0:
        return Interval(math.nan, math.nan, 0, "no replication has a value")
    mean = float(values.mean())
    if n == 1:
        return Interval(mean, math.nan, 1, "one replication")
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return Interval(float(values[0]), math.nan, n, "all replications alike")
    half = _student_quantile(n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, half, n)


def summarise(result: Result) -> pd.DataFrame:
    """Summarise every metric of a comparison per scheduler and job.

    Returns:
        Columns `scheduler`, `job` ("" = machine-wide), `metric`, `mean`, `half_width` (NaN without an
        interval), `replications`, `why`; schedulers in the order compared, jobs in scenario order.
    """
    rows = []
    for (scheduler, job, metric), values in _series(result).items():
        found = interval(values.to_numpy(dtype=np.float64))
        rows.append((scheduler, job, metric, found.mean, found.half_width, found.replications, found.why))
    columns = ["scheduler", "job", "metric", "mean", "half_width", "replications", "why"]
    return pd.DataFrame(rows, columns=columns)


def differences(result: Result) -> pd.DataFrame:
    """Difference of each pair of schedulers, paired by replication.

    Replication r gives every scheduler the same arrivals and demands (common random numbers), so the
    interval of the differences is the one to judge by, not whether two schedulers' own intervals overlap
    (Law, "Simulation Modeling and Analysis", sections 10.2 and 11.2).

    Returns:
        Columns `first`, `second`, `job`, `metric`, `mean` (first minus second), `half_width`,
        `replications`, `why`, `real` (the interval excludes 0).
    """
    series = _series(result)
    keys = list(dict.fromkeys((job, metric) for _, job, metric in series))
    rows = []
    for first, second in combinations(result.manifest.schedulers, 2):
        for job, metric in keys:
            one, other = series.get((first, job, metric)), series.get((second, job, metric))
            if one is None or other is None:
                continue
            paired = (one - other).dropna()
            found = interval(paired.to_numpy(dtype=np.float64))
            measured = (found.mean, found.half_width, found.replications, found.why, found.excludes_zero)
            rows.append((first, second, job, metric, *measured))
    columns = ["first", "second", "job", "metric", "mean", "half_width", "replications", "why", "real"]
    return pd.DataFrame(rows, columns=columns)


def fairness(result: Result) -> dict[str, dict[str, Interval]]:
    """Return, per scheduler, the interval of each of `FAIRNESS_METRICS`: the table `compare` shows."""
    series = _series(result)
    none = pd.Series(dtype="float64")
    return {
        scheduler: {
            metric: interval(series.get((scheduler, "", metric), none).to_numpy(dtype=np.float64))
            for metric in FAIRNESS_METRICS
        }
        for scheduler in result.manifest.schedulers
    }


def _series(result: Result) -> dict[tuple[str, str, str], pd.Series]:
    """Values by replication number, per (scheduler, job, metric), in the order tables are read in."""
    frame = result.table("replications").dropna(subset="value")
    found = {
        (str(scheduler), str(job), str(metric)): own.set_index("replication")["value"]
        for (scheduler, job, metric), own in frame.groupby(["scheduler", "job", "metric"], sort=False)
    }
    schedulers = {name: i for i, name in enumerate(result.manifest.schedulers)}
    jobs = {name: i for i, name in enumerate(["", *result.job_names])}
    last = len(schedulers) + len(jobs)
    order = sorted(found, key=lambda key: (schedulers.get(key[0], last), jobs.get(key[1], last)))
    return {key: found[key] for key in order}


def _student_quantile(freedom: int) -> float:
    """Two-sided quantile of Student's t for the confidence level."""
    from scipy.special import stdtrit  # noqa: PLC0415 - takes longer to import than the rest of a report

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
