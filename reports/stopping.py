"""When a comparison has replications enough: the rule, and a sentence that says how it ended."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.comparison import FAIRNESS_METRICS, interval

PRECISION = 0.01
"""Half an interval's width, relative to the mean, at which a metric is known well enough."""

ALIKE_AFTER = 3
"""Replications after which a comparison without any spread ends."""

FIRST_ROUND = 10
"""Replications before intervals are looked at."""

_GROWTH = 1.5
_FLOORS = {
    "share_error_mean": 1e-4,
    "lag_quanta_worst": 0.01,
    "jain": 1e-4,
    "response_mean_s": 1e-5,
    "switches_per_s": 0.01,
    "finish_ratio": 1e-4,
}
"""Half-widths that are small enough whatever the mean, in the metric's unit."""


@dataclass(frozen=True)
class Verdict:
    """How well a comparison's fairness table is known.

    Attributes:
        replications: how many there are of each scheduler.
        alike: every metric of every job came out the same in all of them.
        precise: every interval of the fairness table is narrow enough.
        scheduler: whose metric is the furthest from that, or the last to get there; "" if there is none.
        metric: that metric.
        relative: half its interval's width over its mean, NaN where the mean is 0.
    """

    replications: int
    alike: bool
    precise: bool
    scheduler: str = ""
    metric: str = ""
    relative: float = math.nan

    @property
    def enough(self) -> bool:
        """Whether no more replications are needed."""
        return (self.alike and self.replications >= ALIKE_AFTER) or (
            self.precise and self.replications >= FIRST_ROUND
        )


def next_total(replications: int, most: int) -> int:
    """How many replications to have before judging again.

    Rounds grow by half: the fewer looks at the intervals, the less a lucky one ends the comparison early.

    Args:
        replications: how many there are.
        most: how many there may be.
    """
    wanted = {0: ALIKE_AFTER, ALIKE_AFTER: FIRST_ROUND}.get(replications, math.ceil(_GROWTH * replications))
    return min(wanted, most)


def judge(replications: pd.DataFrame) -> Verdict:
    """Judge a table of replications (`scheduler`, `replication`, `job`, `metric`, `value`).

    A metric is known well enough when half its 95 % interval is at most 1 % of its mean, or at most what
    would not show in the table where the mean is about 0. That is the sequential procedure of Law,
    "Simulation Modeling and Analysis", section 9.4.1, applied to each metric.
    """
    count = int(replications["replication"].nunique())
    groups = replications.dropna(subset="value").groupby(["scheduler", "job", "metric"], sort=False)["value"]
    alike = count > 1 and all(_alike(values.to_numpy(dtype=np.float64)) for _, values in groups)
    worst = Verdict(count, alike, precise=count > 1)
    most_excess = -1.0
    for (scheduler, job, metric), values in groups:
        if job or metric not in FAIRNESS_METRICS:
            continue
        found = interval(values.to_numpy(dtype=np.float64))
        half = math.inf if found.replications < 2 else np.nan_to_num(found.half_width)  # noqa: PLR2004 - no spread
        excess = float(half / max(PRECISION * abs(found.mean), _FLOORS[metric]))
        if excess > most_excess:
            most_excess = excess
            relative = float(half / abs(found.mean)) if found.mean else math.nan
            worst = Verdict(count, alike, excess <= 1, str(scheduler), str(metric), relative)
    return worst


def _alike(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max())
