"""What a job's requests met: latency, deadlines, drops."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from reports.fairness import Floats
from reports.support import Rule, needed, percentile_name

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
"""The percentiles every report states; thresholds may ask for more."""


def query_latencies(requests: pd.DataFrame, samples: int = 1) -> Floats:
    """Return the latency of each query that was answered, in seconds, in order of arrival.

    Args:
        requests: one job's rows of the `requests` table, all of them and in order.
        samples: requests of a query, which is answered when the last of them is.
    """
    done = (requests["outcome"] == "finished").to_numpy()
    latency = requests["latency_s"].to_numpy(dtype=np.float64)
    whole = len(latency) // samples * samples
    answered = done[:whole].reshape(-1, samples).all(axis=1)
    slowest: Floats = latency[:whole].reshape(-1, samples)[answered].max(axis=1)
    return slowest


def latency_metrics(
    latency_s: Floats, percentiles: Sequence[float] = PERCENTILES, rule: Rule = "any"
) -> dict[str, float]:
    """Mean, maximum and percentiles of the latency of answered queries, in seconds.

    A percentile is the smallest observed latency that at least p % of the requests did not exceed (nearest
    rank; type 1 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996), so that "p99 < 100 ms"
    is a statement about requests that were made, as in MLPerf, and not about a value between two of them.

    Args:
        latency_s: latencies of answered queries, shape (n,), no NaN.
        percentiles: which to state, each in (0, 100).
        rule: which of them n queries support (`support.needed`).

    Returns:
        `latency_mean_s`, `latency_max_s` and one `latency_pNN_s` each; NaN if no query was answered, and
        for a percentile that they do not support.
    """
    names = [f"latency_{percentile_name(p)}_s" for p in percentiles]
    if not latency_s.size:
        return dict.fromkeys(["latency_mean_s", *names, "latency_max_s"], math.nan)
    quantiles = [
        np.percentile(latency_s, p, method="inverted_cdf") if latency_s.size >= needed(p, rule) else math.nan
        for p in percentiles
    ]
    return {
        "latency_mean_s": float(latency_s.mean()),
        **{name: float(value) for name, value in zip(names, quantiles, strict=True)},
        "latency_max_s": float(latency_s.max()),
    }


def request_metrics(
    requests: pd.DataFrame,
    *,
    lifetime_s: float,
    end_s: float,
    percentiles: Sequence[float] = PERCENTILES,
    rule: Rule = "any",
    samples: int = 1,
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
        rule: as for `latency_metrics`.
        samples: as for `query_latencies`.

    Returns:
        Counts `requests`, `finished`, `queries` (those answered, which the latencies are of), `dropped`,
        `unfinished`, `deadlines_met`, `missed_deadlines`, then `throughput_per_s` and the latency statistics;
        NaN where there is nothing to state.
    """
    outcome = requests["outcome"].to_numpy()
    arrived, deadline = (requests[name].to_numpy(dtype=np.float64) for name in ("arrived_s", "deadline_s"))
    done, open_ended = outcome == "finished", outcome == "unfinished"
    count, finished = len(outcome), int(done.sum())
    met = requests["met"].to_numpy(dtype=bool, na_value=False)
    late = ~requests["met"].to_numpy(dtype=bool, na_value=True)
    overdue = open_ended & (arrived + deadline < end_s)
    latencies = query_latencies(requests, samples)
    with_deadline = bool(np.isfinite(deadline).any())
    return {
        "requests": count,
        "finished": finished,
        "queries": len(latencies),
        "dropped": int((outcome == "dropped").sum()) if count else math.nan,
        "unfinished": int(open_ended.sum()),
        "deadlines_met": int((done & met).sum()) if with_deadline else math.nan,
        "missed_deadlines": int((done & late).sum() + overdue.sum()) if with_deadline else math.nan,
        "throughput_per_s": finished / lifetime_s if count and lifetime_s > 0 else math.nan,
        **latency_metrics(latencies, percentiles, rule),
    }
