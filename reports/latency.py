"""What a job's requests met: latency, deadlines, drops."""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd

from reports.fairness import Floats

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
"""The percentiles every report states; thresholds may ask for more."""

_CONFIDENCE = 0.99


def percentile_name(percentile: float) -> str:
    """Name a percentile as thresholds do: 99.0 is "p99", 99.9 is "p99.9"."""
    return f"p{percentile:g}"


@cache
def requests_needed(percentile: float) -> int:
    """How many finished requests a run needs before it supports a statement about a percentile.

    The smallest n for which a system whose true share of overruns is 1 - p/100 shows at most one overrun
    in n requests with a probability of at most 1 %: 64 for p90, 662 for p99, 6636 for p99.9.

    Source: the early-stopping criterion of MLPerf Inference's LoadGen, at one overrun allowed.
    """
    overrun = 1.0 - percentile / 100.0
    if not 0.0 < overrun < 1.0:
        raise ValueError(f"percentile {percentile} is not between 0 and 100")

    def chance_of_at_most_one(n: int) -> float:
        return math.exp(n * math.log1p(-overrun)) + n * overrun * math.exp((n - 1) * math.log1p(-overrun))

    above = 2
    while chance_of_at_most_one(above) > 1 - _CONFIDENCE:
        above *= 2
    below = above // 2
    while above - below > 1:
        middle = (above + below) // 2
        if chance_of_at_most_one(middle) > 1 - _CONFIDENCE:
            below = middle
        else:
            above = middle
    return above


def latency_metrics(latency_s: Floats, percentiles: Sequence[float] = PERCENTILES) -> dict[str, float]:
    """Mean, maximum and percentiles of the latency of finished requests, in seconds.

    A percentile is the smallest observed latency that at least p % of the requests did not exceed (nearest
    rank; type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996), so that "p99 < 100 ms"
    is a statement about requests that were made, as in MLPerf, and not about a value between two of them.

    Args:
        latency_s: latencies of finished requests, shape (n,), no NaN.
        percentiles: which to state, each in (0, 100).

    Returns:
        `latency_mean_s`, `latency_max_s` and one `latency_pNN_s` each; NaN if no request finished.
    """
    names = [f"latency_{percentile_name(p)}_s" for p in percentiles]
    if not latency_s.size:
        return dict.fromkeys(["latency_mean_s", *names, "latency_max_s"], math.nan)
    quantiles = np.percentile(latency_s, list(percentiles), method="inverted_cdf")
    return {
        "latency_mean_s": float(latency_s.mean()),
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
        "latency_max_s": float(latency_s.max()),
    }


def request_metrics(
    requests: pd.DataFrame, *, lifetime_s: float, end_s: float, percentiles: Sequence[float] = PERCENTILES
) -> dict[str, float]:
    """Count one job's requests and what became of them.

    A deadline is missed by a request that finished after it, and by one that was still unfinished when the
    deadline passed before the end of the run: a starved job cannot look punctual. Dropped requests are
    counted as drops, not as missed deadlines.

    Args:
        requests: the job's rows of the `requests` table.
        lifetime_s: how long the job was on the machine; throughput is finished requests over it.
        end_s: when the run ended.
        percentiles: as for `latency_metrics`.

    Returns:
        Counts `requests`, `finished`, `dropped`, `unfinished`, `deadlines_met`, `missed_deadlines`, then
        `throughput_per_s` and the latency statistics; NaN where there is nothing to state.
    """
    outcome = requests["outcome"].to_numpy()
    arrived, deadline, latency = (
        requests[name].to_numpy(dtype=np.float64) for name in ("arrived_s", "deadline_s", "latency_s")
    )
    done, open_ended = outcome == "finished", outcome == "unfinished"
    count, finished = len(outcome), int(done.sum())
    met = requests["met"].to_numpy(dtype=bool, na_value=False)
    late = ~requests["met"].to_numpy(dtype=bool, na_value=True)
    overdue = open_ended & (arrived + deadline < end_s)
    with_deadline = bool(np.isfinite(deadline).any())
    return {
        "requests": count,
        "finished": finished,
        "dropped": int((outcome == "dropped").sum()) if count else math.nan,
        "unfinished": int(open_ended.sum()),
        "deadlines_met": int((done & met).sum()) if with_deadline else math.nan,
        "missed_deadlines": int((done & late).sum() + overdue.sum()) if with_deadline else math.nan,
        "throughput_per_s": finished / lifetime_s if count and lifetime_s > 0 else math.nan,
        **latency_metrics(latency[done], percentiles),
    }
