"""When replications are enough, judged on invented series."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.comparison import interval
from reports.stopping import judge, next_total
from reports.summary import summary
from reports.tables_compare import comparison_tables


def series(**metrics):
    """Return a table of replications of one scheduler with the values of each metric."""
    rows = [("lottery", r, "", metric, v) for metric, values in metrics.items() for r, v in enumerate(values)]
    return pd.DataFrame(rows, columns=["scheduler", "replication", "job", "metric", "value"])


def spread(mean, half, n):
    """Return n values whose 95 % interval has the given half-width."""
    values = np.resize([-1.0, 1.0], n)
    return mean + values * half / interval(values).half_width


def test_rounds_grow_and_stop_at_the_most():
    """3 show whether there is any spread, 10 are the first worth judging, then half as many again."""
    totals, count = [], 0
    while count < 100:
        totals.append(count := next_total(count, 100))
    assert totals == [3, 10, 15, 23, 35, 53, 80, 100]
    assert next_total(0, 2) == 2


def test_three_replications_all_alike_are_enough():
    """What leaves nothing to chance is not simulated ten times."""
    verdict = judge(series(jain=[0.9] * 3, switches_per_s=[80.0] * 3))
    assert verdict.alike
    assert verdict.enough
    assert not judge(series(jain=[0.9] * 2)).enough


def test_a_job_whose_latency_varies_keeps_a_comparison_going():
    """Alike means alike in everything on record, not in the fairness table alone."""
    table = series(jain=[0.9] * 3)
    table.loc[len(table)] = ["lottery", 0, "gate", "latency_p99_s", 0.1]
    table.loc[len(table)] = ["lottery", 1, "gate", "latency_p99_s", 0.2]
    assert not judge(table).alike
    assert not judge(table).enough


@pytest.mark.parametrize(("half", "enough"), [(0.0099, True), (0.0101, False)])
def test_one_per_cent_of_the_mean_is_the_line(half, enough):
    """Just inside is enough, just outside is not."""
    verdict = judge(series(response_mean_s=spread(2.0, 2.0 * half, 10)))
    assert verdict.enough is enough
    assert verdict.relative == pytest.approx(half)


def test_a_mean_of_about_nothing_needs_no_relative_precision():
    """A share error of 0.001 points give or take as much is known well enough."""
    assert judge(series(share_error_mean=spread(1e-5, 5e-5, 10))).enough
    assert not judge(series(share_error_mean=spread(1e-5, 5e-4, 10))).enough


def test_precise_by_luck_at_three_is_not_enough():
    """Intervals are believed from ten replications on."""
    assert not judge(series(jain=[0.9, 0.9001, 0.9])).enough


def test_the_widest_interval_is_named():
    """Whose metric keeps the comparison going is what a user wants to know."""
    table = series(jain=spread(0.9, 0.001, 10), lag_quanta_worst=spread(50, 5, 10))
    other = series(lag_quanta_worst=spread(50, 9, 10)).assign(scheduler="stride")
    verdict = judge(pd.concat([table, other]))
    assert (verdict.scheduler, verdict.metric, verdict.precise) == ("stride", "lag_quanta_worst", False)
    assert verdict.relative == pytest.approx(0.18)


def test_a_metric_with_one_value_is_not_known():
    """One replication has no interval, so it cannot be narrow."""
    assert not judge(series(jain=[0.9])).precise


@given(st.lists(st.floats(0.5, 1.0), min_size=10, max_size=40))
def test_enough_means_what_it_says(values):
    """Whatever the series: enough if and only if alike, or half the interval is within the line."""
    found = interval(np.array(values))
    half = 0.0 if math.isnan(found.half_width) else found.half_width
    assert judge(series(jain=values)).enough is (half <= max(0.01 * found.mean, 1e-4))


@pytest.mark.parametrize(
    ("count", "change", "sentence"),
    [
        (
            10,
            {},
            "10 replications, the most allowed (--max-replications), left some intervals wider than 1 %",
        ),
        (10, {"value": 1.0}, "10 replications came out alike, so there were no more."),
    ],
)
def test_the_report_says_why_there_were_no_more(compare, open_result, count, change, sentence):
    """The cap or no spread at all, in words under the tables."""
    manifest, tables = compare(("lottery", "stride"), count)
    tables["replications"] = tables["replications"].assign(**change)
    content = summary(open_result((manifest | {"adaptive": True}, tables)))
    words = " ".join(str(part) for part in comparison_tables(content))
    assert sentence in words


def test_a_number_that_was_asked_for_is_not_explained(compare, open_result):
    """--replications 10 makes ten, and nothing is said about stopping."""
    assert summary(open_result(compare(("lottery",), 10)))["stopping"] is None
