"""How many requests support a percentile of their latency: four rules, from lax to strict."""

import math
from functools import cache
from statistics import NormalDist
from typing import Literal

Rule = Literal["any", "soft", "early-stopping", "mlperf"]

_CONFIDENCE = 0.99
_MARGINS_TO_THE_END = 20
OF_RULE: dict[Rule, str] = {
    "any": "it takes one",
    "soft": "one is to be beyond it",
    "early-stopping": "LoadGen's early stopping",
    "mlperf": "MLPerf's rule",
}
"""What messages call a rule."""


def percentile_name(percentile: float) -> str:
    """Name a percentile as thresholds do: 99.0 is "p99", 99.9 is "p99.9"."""
    return f"p{percentile:g}"


def needed(percentile: float, rule: Rule) -> int:
    """How many answered queries a percentile is stated for at least.

    - `any`: one.
    - `soft`: so many that one of them is beyond the percentile, which otherwise is their maximum: 10 for p90,
      100 for p99.
    - `early-stopping`: `requests_needed`: 64 for p90, 662 for p99.
    - `mlperf`: `queries_needed`: 23,886 for p90, 262,742 for p99.

    Raises:
        ValueError: the percentile is not between 0 and 100.
    """
    match rule:
        case "any":
            return 1
        case "soft":
            return math.ceil(round(1 / _beyond(percentile), 6))
        case "early-stopping":
            return requests_needed(percentile)
        case "mlperf":
            return queries_needed(percentile)


def queries_needed(percentile: float) -> int:
    """How many queries show a percentile within a twentieth of its distance from 100 %, with confidence 99 %.

    As in an electoral poll: z**2 * p * (1 - p) / margin**2 with margin (1 - p) / 20 and z the normal quantile
    of 0.5 %. That is 23,886 for p90, 50,425 for p95, 85,811 for p97 and 262,742 for p99.

    Source: Reddi and others, "MLPerf Inference Benchmark", ISCA 2020, equations 1 and 2 and table IV.
    """
    beyond = _beyond(percentile)
    z = NormalDist().inv_cdf((1 - _CONFIDENCE) / 2)
    return max(1, round(z**2 * _MARGINS_TO_THE_END**2 * (1 - beyond) / beyond))


@cache
def requests_needed(percentile: float) -> int:
    """How many finished requests a run needs before it supports a statement about a percentile.

    The smallest n for which a system whose true share of overruns is 1 - p/100 shows at most one overrun
    in n requests with a probability of at most 1 %: 64 for p90, 662 for p99, 6636 for p99.9.

    Source: the early-stopping criterion of MLPerf Inference's LoadGen, at one overrun allowed.
    """
    overrun = _beyond(percentile)

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


def _beyond(percentile: float) -> float:
    """Return the fraction of requests beyond a percentile."""
    beyond = 1.0 - percentile / 100.0
    if not 0.0 < beyond < 1.0:
        raise ValueError(f"percentile {percentile} is not between 0 and 100")
    return beyond
