"""Means, intervals and paired differences over replications."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.comparison import differences, fairness, interval, summarise

VALUES = st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=2, max_size=40)


@given(VALUES.filter(lambda values: np.ptp(values) > 1e-3))
def test_the_interval_is_scipys(values):
    """Mean and 95 % interval agree with scipy's Student t interval."""
    found = interval(np.array(values))
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(np.array(values))
    )
    assert found.mean - found.half_width == pytest.approx(low, abs=1e-6)
    assert found.mean + found.half_width == pytest.approx(high, abs=1e-6)


def test_one_replication_gives_no_interval():
    """A single value says nothing about spread."""
    found = interval(np.array([3.0]))
    assert (found.mean, found.why) == (3.0, "one replication")
    assert math.isnan(found.half_width)
    assert not found.excludes_zero


def test_replications_all_alike_give_no_interval():
    """A deterministic value has no spread, and is still told from 0."""
    found = interval(np.full(5, 0.1))
    assert found.why == "all replications alike"
    assert math.isnan(found.half_width)
    assert found.excludes_zero
    assert not interval(np.zeros(5)).excludes_zero


def test_no_value_at_all():
    """Without a value there is no mean."""
    assert math.isnan(interval(np.array([])).mean)


def test_pairing_sees_what_separate_intervals_hide(compare, open_result):
    """Two schedulers on the same luck differ for certain, though their own intervals overlap."""
    manifest, tables = compare(("lottery", "stride"), 10)
    rows = tables["replications"]
    metric = (rows["metric"] == "response_mean_s") & (rows["scheduler"] == "stride")
    rows.loc[metric, "value"] -= 0.0099
    result = open_result((manifest, tables))
    own = fairness(result)
    lottery, stride = own["lottery"]["response_mean_s"], own["stride"]["response_mean_s"]
    assert abs(lottery.mean - stride.mean) < lottery.half_width
    paired = differences(result)
    row = paired[(paired["metric"] == "response_mean_s") & (paired["job"] == "")].iloc[0]
    assert (row["first"], row["second"]) == ("lottery", "stride")
    assert row["mean"] == pytest.approx(-0.0001)
    assert row["real"]


def test_a_difference_within_the_noise_is_not_real(compare, open_result):
    """Independent noise around the same mean shows no real difference."""
    manifest, tables = compare(("lottery", "stride"), 20)
    rows = tables["replications"]
    jain = rows["metric"] == "jain"
    rows.loc[jain, "value"] = 0.9 + 0.01 * np.random.default_rng(5).standard_normal(int(jain.sum()))
    paired = differences(open_result((manifest, tables)))
    row = paired[paired["metric"] == "jain"].iloc[0]
    assert abs(row["mean"]) < row["half_width"]
    assert not row["real"]


def test_every_pair_is_compared_once(compare, open_result):
    """Three schedulers make three pairs, in the order compared."""
    paired = differences(open_result(compare(("a", "b", "c"), 3)))
    assert list(dict.fromkeys(zip(paired["first"], paired["second"], strict=True))) == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]


def test_a_replication_without_the_metric_is_left_out(compare, open_result):
    """A pair is compared over the replications in which both have the metric."""
    manifest, tables = compare(("a", "b"), 6)
    rows = tables["replications"]
    lost = (rows["scheduler"] == "b") & (rows["metric"] == "jain") & (rows["replication"] == 2)
    tables["replications"] = rows[~lost]
    paired = differences(open_result((manifest, tables)))
    assert paired[paired["metric"] == "jain"].iloc[0]["replications"] == 5


def test_the_summary_keeps_the_order_of_the_scenario(compare, open_result):
    """Schedulers as compared, the machine first, then jobs as in the scenario."""
    rows = summarise(open_result(compare(("stride", "lottery"), 3)))
    assert list(dict.fromkeys(rows["scheduler"])) == ["stride", "lottery"]
    assert list(dict.fromkeys(rows["job"])) == ["", "gate", "yard", "night"]
