"""Which percentiles a run supports, and what is said of those that it does not."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reports.latency import latency_metrics, query_latencies
from reports.plots.latency import latency
from reports.result import Result
from reports.summary import summary
from reports.support import needed, requests_needed
from reports.tables import report
from scenarios.loader import parse_scenario
from scenarios.runner import Simulation

BOX = """
name: box
duration: 2s
scheduler: stride
machine: {cpus: 2}
jobs:
  gate: {workload: vision, profile: mobilenet_v3_small, arrivals: {server: {rate: 100, bound: 50ms}}}
  dock: {workload: vision, profile: mobilenet_v3_small, arrivals: {camera: {fps: 20}}}
thresholds:
  - gate.latency.p99 < 1h
  - dock.latency.p90 < 1h
"""


def run(text=BOX):
    """Simulate a scenario and return its result."""
    output = Simulation(parse_scenario(text)).run()
    return Result.from_tables(output.manifest, output.tables)


@pytest.mark.parametrize(
    ("percentile", "queries"), [(90.0, 23_886), (95.0, 50_425), (97.0, 85_811), (99.0, 262_742)]
)
def test_mlperf_needs_as_many_queries_as_it_has_published(percentile, queries):
    """Table IV of the paper, and the rules of version 0.5 for 97 %."""
    assert needed(percentile, "mlperf") == queries


@given(st.floats(0.1, 99.99))
def test_each_rule_is_stricter_than_the_one_before(percentile):
    """From any to mlperf, a percentile takes more queries, and at least one."""
    counts = [needed(percentile, rule) for rule in ("any", "soft", "early-stopping")]
    assert counts == sorted(counts)
    assert counts[0] == 1
    if percentile >= 50:
        assert needed(percentile, "mlperf") > requests_needed(percentile)


@given(st.floats(1, 99.9))
def test_the_soft_rule_leaves_one_request_beyond(percentile):
    """With one request less the percentile would be the maximum."""
    count = needed(percentile, "soft")
    assert count * (1 - percentile / 100) >= 1 - 1e-6
    assert (count - 1) * (1 - percentile / 100) < 1


@pytest.mark.parametrize("rule", ["soft", "early-stopping"])
def test_a_percentile_is_stated_from_so_many_queries_on(rule):
    """One query less, and it has no value; mean and maximum always have."""
    enough = needed(90.0, rule)
    for count in (enough - 1, enough):
        found = latency_metrics(np.arange(1.0, count + 1), (90.0,), rule)
        assert np.isnan(found["latency_p90_s"]) == (count < enough)
        assert found["latency_max_s"] == count


def test_a_query_is_answered_when_its_last_sample_is():
    """The slowest sample's latency counts; a query with an unanswered sample has none."""
    requests = pd.DataFrame(
        {"latency_s": [1.0, 3.0, 2.0, np.nan, 5.0], "outcome": [*["finished"] * 3, "unfinished", "finished"]}
    )
    assert query_latencies(requests, 2).tolist() == [3.0]
    assert query_latencies(requests).tolist() == [1.0, 3.0, 2.0, 5.0]


def test_what_a_run_does_not_support_is_null_with_the_number_it_takes():
    """A server's p99 by MLPerf's rule, a camera's by the soft one; a threshold on it is missed."""
    found = summary(run())
    gate, dock = found["jobs"]
    assert gate["latency_p99_s"] is None
    assert gate["latency_needs"] == {"p50": 2654, "p90": 23_886, "p95": 50_425, "p99": 262_742}
    assert dock["latency_p95_s"] is not None
    assert dock["latency_needs"] == {"p99": 100}
    missed, kept = found["thresholds"]
    assert kept["passed"]
    assert not missed["passed"]
    assert missed["measured"] is None
    assert missed["reason"].startswith("p99 takes 262,742 queries (MLPerf's rule), ")
    assert ": a run of about " in missed["reason"]
    assert any(note.startswith("No p99 latency of dock: p99 takes 100 queries") for note in found["notes"])


def test_the_rule_can_be_chosen_and_is_never_lax_for_mlperf():
    """`any` states all that there is, but of MLPerf's arrivals."""
    gate, dock = summary(run(f"{BOX}percentiles: any\n"))["jobs"]
    assert dock["latency_needs"] == {}
    assert dock["latency_p99_s"] > 0
    assert gate["latency_needs"]["p99"] == 262_742


def test_early_stopping_holds_for_mlperf_too_when_chosen():
    """As LoadGen has it, 64 queries state a p90, and 662 a p99."""
    gate, dock = summary(run(f"{BOX}percentiles: early-stopping\n"))["jobs"]
    assert gate["latency_needs"] == {"p99": 662}
    assert gate["latency_p90_s"] > 0
    assert dock["latency_needs"] == {"p90": 64, "p95": 130, "p99": 662}


def test_no_longer_run_is_advised_where_requests_come_to_an_end():
    """All samples of an offline query are there; it takes more samples."""
    text = BOX.replace("{server: {rate: 100, bound: 50ms}}", "{offline: {samples: 40}}")
    missed = summary(run(text))["thresholds"][0]
    assert missed["reason"] == "p99 takes 262,742 queries (MLPerf's rule), 262,702 more than 40"


def test_the_picture_marks_the_maximum_where_there_is_no_p99():
    """As the table does, it names no percentile that is not supported."""
    figure = latency(run())
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert any(text.startswith("max ") for text in texts)
    assert not any(text.startswith("p99 ") for text in texts)


def test_the_terminal_says_how_many_more_queries_it_takes():
    """They stand in place of the percentile, and in a sentence below the tables."""
    found = summary(run())
    console = Console(width=200, file=StringIO())
    console.print(report(found))
    text = console.file.getvalue()
    assert f"{262_742 - found['jobs'][0]['queries']:,} more  " in text
    assert "No p99 latency of gate: p99 takes 262,742 queries" in text
