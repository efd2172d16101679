"""Thresholds held against what was measured."""

import pytest

from reports.errors import ReportError
from reports.manifest import Threshold
from reports.thresholds import evaluate, holds


def promise(metric, op, value, job="gate", statistic=None, tolerance=None):
    """A threshold as the manifest stores it."""
    text = f"{job}.{metric} {op} {value}"
    return {"text": text, "metric": metric, "job": job, "statistic": statistic, "op": op, "value": value} | {
        "tolerance": tolerance
    }


@pytest.fixture
def outcome(three_jobs, open_result):
    """Evaluate one threshold on the three-job run."""

    def evaluated(threshold):
        manifest, tables = three_jobs
        manifest["thresholds"] = [threshold]
        return evaluate(open_result((manifest, tables)))[0]

    return evaluated


@pytest.mark.parametrize(
    ("threshold", "measured", "passed"),
    [
        (promise("latency", "<", 0.2, statistic="p99"), 0.15, True),
        (promise("latency", "<", 0.1, statistic="p99"), 0.15, False),
        (promise("latency", "<=", 0.07, statistic="p75"), 0.07, True),
        (promise("latency", "<", 0.1, statistic="mean"), 0.0825, True),
        (promise("latency", ">", 0.1, statistic="max"), 0.15, True),
        (promise("cpu_share", "~", 0.71, tolerance=0.01), 7 / 9.8, True),
        (promise("cpu_share", "~", 0.75, tolerance=0.01), 7 / 9.8, False),
        (promise("missed_deadlines", "==", 2), 2, True),
        (promise("drops", "==", 0), 1, False),
        (promise("throughput", ">=", 0.4), 0.4, True),
        (promise("response", "<", 0.1, job="batch"), 0.2, False),
        (promise("lag", "<=", 0.35), 0.35, True),
        (promise("peak_heap", "<", 300 << 20), 200 << 20, True),
        (promise("peak_resident", "<", 300 << 20), 300 << 20, False),
        (promise("oom_kills", "==", 0, job=None), 1, False),
        (promise("jain", ">", 0.99, job=None), 0.9918, True),
        (promise("switches", "<", 100, job=None), 180, False),
        (promise("idle_share", "<", 0.01, job=None), 0.002, True),
    ],
)
def test_a_promise_is_kept_or_broken(outcome, threshold, measured, passed):
    """Each known metric is measured, and its promise judged."""
    found = outcome(threshold)
    assert found.measured == pytest.approx(measured, rel=1e-4)
    assert found.passed is passed
    assert found.reason == ""


@pytest.mark.parametrize(
    ("threshold", "reason"),
    [
        (promise("latency", "<", 1.0, job="batch", statistic="p99"), "no request arrived"),
        (promise("drops", "==", 0, job="batch"), "no request arrived"),
        (promise("missed_deadlines", "==", 0, job="batch"), "no request had a deadline"),
        (promise("response", "<", 1.0, job="night"), "it never ran"),
        (promise("cpu_share", ">", 0.0, job="nobody"), 'there is no job "nobody"'),
    ],
)
def test_a_promise_about_nothing_is_broken(outcome, threshold, reason):
    """Where there is nothing to measure the promise is not kept, and the reason is given."""
    found = outcome(threshold)
    assert not found.passed
    assert found.measured_text == reason


def test_requests_of_which_none_finished(three_jobs, open_result):
    """Latency has no value if requests came and none was finished."""
    manifest, tables = three_jobs
    manifest["thresholds"] = [promise("latency", "<", 1.0, statistic="p50")]
    tables["requests"] = tables["requests"].iloc[4:]
    assert evaluate(open_result((manifest, tables)))[0].reason == "no request finished"


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (promise("latency", "<", 1.0, statistic="q99"), "no statistic"),
        (promise("beauty", ">", 1.0), 'no metric "beauty"; known: cpu_share'),
        (promise("cpu_share", ">", 1.0, job=None), "the machine has no metric"),
    ],
)
def test_an_unknown_metric_is_refused(outcome, threshold, message):
    """A threshold on what is not measured is an error, not a failure."""
    with pytest.raises(ReportError, match=message):
        outcome(threshold)


def test_a_measured_value_is_shown_with_its_unit(outcome):
    """Latency in milliseconds, shares in per cent, memory in MiB."""
    assert outcome(promise("latency", "<", 1, statistic="p99")).measured_text == "150 ms"
    assert outcome(promise("cpu_share", "<", 1)).measured_text == "71.4 %"
    assert outcome(promise("peak_heap", "<", 1)).measured_text == "200 MiB"


def test_the_ends_of_a_tolerance_are_inside():
    """~ allows exactly the tolerance."""
    near = Threshold(text="", metric="drops", op="~", value=10, tolerance=2)
    assert holds(near, 12)
    assert holds(near, 8)
    assert not holds(near, 12.001)


def test_a_comparison_passes_only_if_every_replication_does(compare, open_result):
    """Each scheduler's replications are judged one by one."""
    manifest, tables = compare(("lottery", "stride"), 10)
    manifest["thresholds"] = [promise("jain", ">", 0.992, job=None)]
    rows = tables["replications"]
    first = (rows["scheduler"] == "stride") & (rows["metric"] == "jain") & (rows["replication"] == 0)
    rows.loc[first, "value"] = 0.5
    lottery, stride = evaluate(open_result((manifest, tables)))
    assert (lottery.scheduler, lottery.kept, lottery.replications) == ("lottery", 0, 10)
    assert (stride.kept, stride.passed) == (9, False)
    assert stride.measured == pytest.approx((9 * 0.993 + 0.5) / 10)
