"""Run-queue latency, wasted CPU time, finish ratio and mean lag, against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.fairness import finish_ratio, histogram_quantile
from reports.metrics import job_metrics, long_metrics, machine_metrics
from reports.plots.waits import runqueue_latency
from reports.result import load
from reports.summary import summary
from reports.tables import machine_line


@pytest.fixture
def with_waits(three_jobs):
    """The three jobs' run with a histogram: gate mostly ran at once, batch waited tens of milliseconds."""
    manifest, tables = three_jobs
    rows = [("gate", 0, 1, 650), ("gate", 9_000_000, 10_000_000, 50)]
    rows += [("batch", 20_000_000, 25_000_000, 270), ("batch", 80_000_000, 90_000_000, 10)]
    columns = ["job", "bucket_low_ns", "bucket_high_ns", "count"]
    return manifest, tables | {"runqueue_latency": pd.DataFrame(rows, columns=columns)}


def test_percentiles_of_waits_are_upper_ends_of_their_buckets(with_waits, open_result):
    """Of gate's 700 dispatches 650 were at once and all others after less than 10 ms."""
    jobs = job_metrics(open_result(with_waits))
    assert jobs["queue_p50_s"].tolist()[:2] == pytest.approx([0.0, 0.025], abs=1e-8)
    assert jobs["queue_p99_s"].tolist()[:2] == pytest.approx([0.01, 0.09], abs=1e-8)
    assert math.isnan(jobs["queue_p50_s"]["night"])
    machine = machine_metrics(open_result(with_waits))
    assert machine["queue_p50_s"] == 0
    assert machine["queue_p99_s"] == pytest.approx(0.09, abs=1e-8)  # 970 of 980 are not yet 99 %


def test_a_result_from_before_waits_were_kept_still_reads(three_jobs, write, tmp_path, open_result):
    """No table, no column: the metrics are left out, nothing fails, and the picture says so."""
    for result in (open_result(three_jobs), load(write(tmp_path / "old", three_jobs))):
        found = long_metrics(result)["metric"].unique()
        assert not {"queue_p50_s", "queue_p99_s", "migrations", "wasted_s"} & set(found)
        assert summary(result)["jobs"][0]["queue_p99_s"] is None
        assert "on record" in runqueue_latency(result).texts[0].get_text()


def test_migrations_and_wasted_time_are_summed_and_told(three_jobs, open_result):
    """Both are said in the line about the machine when there were any."""
    manifest, tables = three_jobs
    tables["processes"]["migrations"] = [3, 4, 0]
    tables["cpus"]["wasted_s"] = [0.25]
    result = open_result((manifest, tables))
    assert job_metrics(result)["migrations"].tolist() == [3, 4, 0]
    machine = machine_metrics(result)
    assert (machine["migrations"], machine["wasted_s"]) == (7, 0.25)
    words = str(machine_line(summary(result)))
    assert "7 migrations" in words
    assert "250 ms of CPU time idle while a process waited" in words


def test_the_mean_lag_is_over_jobs_and_the_ends_of_windows(three_jobs, open_result):
    """Gate was 0.3 s behind after 5 s and 0.35 s after 10 s, batch as much ahead: 32.5 quanta of 10 ms."""
    assert machine_metrics(open_result(three_jobs))["lag_quanta_mean"] == pytest.approx(32.5)


def test_the_finish_ratio_is_the_first_over_the_last(three_jobs, open_result):
    """Turnarounds of 2, 3 and 4 s: a half. Undefined as long as one has not ended by itself."""
    manifest, tables = three_jobs
    processes = tables["processes"]
    processes["arrived_s"] = [0.0, 1.0, 1.0]
    processes["exited_s"] = [2.0, 4.0, 5.0]
    assert "finish_ratio" not in machine_metrics(open_result((manifest, tables)))
    processes["exit_reason"] = "exited"
    assert machine_metrics(open_result((manifest, tables)))["finish_ratio"] == 0.5


@given(st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=10))
def test_a_finish_ratio_is_a_fraction_and_has_no_unit(times):
    """Between 0 and 1, and the same in minutes as in seconds."""
    ratio = finish_ratio(np.array(times))
    assert 0 < ratio <= 1
    assert finish_ratio(np.array(times) / 60) == pytest.approx(ratio)
    assert math.isnan(finish_ratio(np.array(times[:1])))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.floats(0.01, 1.0))
def test_so_much_of_a_histogram_lies_below_its_quantile(counts, quantile):
    """At least the quantile's part, and less without the last bucket."""
    high, count = np.arange(1.0, len(counts) + 1), np.array(counts, float)
    found = histogram_quantile(high, count, quantile)
    if not count.sum():
        assert math.isnan(found)
        return
    assert count[high <= found].sum() >= quantile * count.sum() * (1 - 1e-12)
    assert count[high < found].sum() < quantile * count.sum()


def test_the_histogram_has_a_panel_a_job_and_a_bar_a_bucket(with_waits, open_result):
    """Bars are shares of the job's dispatches; night, which never ran, has no panel."""
    axes = runqueue_latency(open_result(with_waits)).axes
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes]
    assert heights == [pytest.approx([650 / 7, 50 / 7]), pytest.approx([27000 / 280, 1000 / 280])]
    at_once, other = axes[0].patches
    assert at_once.get_x() + at_once.get_width() < other.get_x() == 9_000_000


def test_the_histogram_names_who_waited_longest(with_waits, open_result):
    """The heading states the finding; if nobody waited it says that."""
    assert runqueue_latency(open_result(with_waits)).texts[0].get_text().startswith("batch waited longest")
    manifest, tables = with_waits
    at_once = tables["runqueue_latency"].assign(bucket_low_ns=0, bucket_high_ns=1)
    result = open_result((manifest, tables | {"runqueue_latency": at_once}))
    assert runqueue_latency(result).texts[0].get_text() == "Nobody waited for a CPU"
