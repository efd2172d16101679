"""Thresholds: what they say, and what is wrong with those that say nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.thresholds import METRICS, Threshold, ThresholdError, parse_threshold

_BOUNDS = {
    "seconds": st.integers(0, 10**6).map(lambda n: (f"{n}ms", n * 1_000_000 / 1e9)),
    "bytes": st.integers(0, 2**20).map(lambda n: (f"{n}MiB", float(n * 2**20))),
    "fraction": st.integers(0, 100).map(lambda n: (f"{n}%", n / 100)),
    "count": st.integers(0, 10**9).map(lambda n: (str(n), float(n))),
    "per second": st.integers(0, 10**6).map(lambda n: (f"{n}/s", float(n))),
}


@pytest.mark.parametrize(
    ("text", "metric", "job", "statistic", "op", "value", "tolerance"),
    [
        ("gate.latency.p99 < 100ms", "latency", "gate", "p99", "<", 0.1, None),
        ("gate.latency.p99.9<=1.5s", "latency", "gate", "p99.9", "<=", 1.5, None),
        ("gate.cpu_share ~ 0.75 +- 0.02", "cpu_share", "gate", None, "~", 0.75, 0.02),
        ("gate.cpu_share ~ 75% ± 2%", "cpu_share", "gate", None, "~", 0.75, 0.02),
        ("gate.latency.mean ~ 50ms +- 5ms", "latency", "gate", "mean", "~", 0.05, 0.005),
        ("oom_kills == 0", "oom_kills", None, None, "==", 0.0, None),
        ("gate.missed_deadlines <= 3", "missed_deadlines", "gate", None, "<=", 3.0, None),
        ("gate.throughput >= 9.5", "throughput", "gate", None, ">=", 9.5, None),
        ("jain >= 0.99", "jain", None, None, ">=", 0.99, None),
        ("gate.peak_heap < 1GiB", "peak_heap", "gate", None, "<", 2.0**30, None),
        ("gate.lag > 3us", "lag", "gate", None, ">", 3e-6, None),
    ],
)
def test_a_threshold_is_read_in_base_units(
    text: str,
    metric: str,
    job: str | None,
    statistic: str | None,
    op: str,
    value: float,
    tolerance: float | None,
) -> None:
    """Seconds, bytes, fractions and counts come out as plain numbers."""
    assert parse_threshold(text) == Threshold(text, metric, job, statistic, op, value, tolerance)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "gate.latncy.p99 < 1s",
            "unknown metric latncy; did you mean latency? (a job's: latency, missed_dea",
        ),
        (
            "oom_kill == 0",
            "unknown metric oom_kill; did you mean oom_kills? (the machine's: oom_kills, jain,",
        ),
        ("latency.p99 < 1s", "latency is a job's; write JOB.latency.p99"),
        ("cpu_share > 3%", "cpu_share is a job's; write JOB.cpu_share"),
        ("latency < 3s", "latency is a job's; write JOB.latency.p99"),
        ("gate.jain > 0.9", "jain is the whole machine's; write jain without gate"),
        (
            "gate.latency < 1s",
            "latency needs a statistic; write gate.latency.mean, gate.latency.max or a perce",
        ),
        ("gate.latency.p101 < 1s", "unknown statistic p101; write gate.latency.mean"),
        ("gate.latency.median < 1s", "unknown statistic median"),
        ("gate.drops.p99 < 1", "drops has one value in a run; write gate.drops without p99"),
        ("oom_kills = 0", "unknown comparison =; did you mean ==? (known: <, <=, >, >=, ==, ~)"),
        ("oom_kills => 0", "unknown comparison =>; did you mean >=?"),
        ("oom_kills != 0", "unknown comparison != (known: <, <=, >, >=, ==, ~)"),
        ("gate.latency.p99 < 100", "latency: 100 has no unit; write 100s, 100ms ..."),
        ("gate.latency.p99 < 1MiB", "latency: 1MiB: MiB is not a unit of a duration"),
        ("gate.peak_heap < 1s", "peak_heap: 1s: s is not a unit of a size"),
        ("gate.cpu_share > 75", "cpu_share is at most 1, not 75; write 75% for hundredths"),
        ("gate.cpu_share > 100ms", "cpu_share is a fraction such as 0.75 or 75%, not 100ms"),
        ("gate.drops <= 2.5", "drops is counted in whole numbers, not 2.5"),
        ("gate.drops <= 3%", "drops is a whole number such as 3, not 3%"),
        ("gate.throughput > nan", "throughput is a number such as 9.5, not nan"),
        ("gate.cpu_share ~ 0.75", "~ needs one tolerance: gate.cpu_share ~ 0.75 +- TOLERANCE"),
        ("gate.cpu_share < 0.75 +- 0.1", "a tolerance goes with ~, not with <"),
        ("gate.drops <", "no value for drops; write METRIC OPERATOR VALUE"),
        ("gate is fast", "'gate is fast' is not a threshold; write METRIC OPERATOR VALUE"),
    ],
)
def test_a_wrong_threshold_says_what_would_be_right(text: str, message: str) -> None:
    """Each mistake has its own message, with the known words or the nearest one."""
    with pytest.raises(ThresholdError) as caught:
        parse_threshold(text)
    assert message in str(caught.value)


@given(st.data())
def test_every_metric_can_be_written_and_read(data: st.DataObject) -> None:
    """For every metric, operator and bound, reading gives back what was composed."""
    name = data.draw(st.sampled_from(sorted(METRICS)))
    metric = METRICS[name]
    job = data.draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,10}", fullmatch=True)) if metric.per_job else None
    percentiles = st.integers(0, 100).map(lambda n: f"p{n}")
    statistic = data.draw(st.sampled_from(["mean", "max"]) | percentiles) if metric.statistics else None
    op = data.draw(st.sampled_from(["<", "<=", ">", ">=", "==", "~"]))
    bound, value = data.draw(_BOUNDS[metric.unit])
    tolerance, width = data.draw(_BOUNDS[metric.unit]) if op == "~" else ("", None)
    space = data.draw(st.sampled_from(["", " ", "  "]))
    left = ".".join(part for part in (job, name, statistic) if part)
    text = f"{left}{space}{op}{space}{bound}" + (f"{space}+-{space}{tolerance}" if tolerance else "")

    assert parse_threshold(text) == Threshold(text, name, job, statistic, op, value, width)


@given(st.text(alphabet="gatelncyp9.<>=~+-0 %s", max_size=40))
def test_any_text_is_a_threshold_or_a_threshold_error(text: str) -> None:
    """No text makes the reader fail otherwise."""
    try:
        threshold = parse_threshold(text)
    except ThresholdError:
        return
    assert threshold.text == text
