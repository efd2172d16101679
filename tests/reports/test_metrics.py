"""Metrics of the three-job run, against numbers worked out by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.fairness import jain_index, pairwise_error, share_errors
from reports.latency import latency_metrics
from reports.metrics import job_metrics, long_metrics, machine_metrics
from reports.support import requests_needed

SERVICE = st.lists(st.floats(min_value=0, max_value=1e9), min_size=1, max_size=20)


def test_shares_are_of_the_cpu_time_delivered(three_jobs, open_result):
    """Gate got 7 of 9.8 s and was entitled to 7.35 of them."""
    metrics = job_metrics(open_result(three_jobs))
    assert metrics["cpu_share"]["gate"] == pytest.approx(7 / 9.8)
    assert metrics["entitled_share"]["gate"] == pytest.approx(0.75)
    assert metrics["share_error"]["gate"] == pytest.approx(-0.35 / 9.8)
    assert metrics["share_error"].sum() == pytest.approx(0)


def test_lag_is_in_quanta(three_jobs, open_result):
    """0.35 s behind the ideal are 35 quanta of 10 ms."""
    metrics = job_metrics(open_result(three_jobs))
    assert metrics["lag_quanta"]["gate"] == pytest.approx(35)
    assert metrics["ahead_quanta"]["gate"] == pytest.approx(1)


def test_response_is_from_arrival_to_first_run(three_jobs, open_result):
    """Batch first ran 0.2 s after it arrived; night never did."""
    metrics = job_metrics(open_result(three_jobs))
    assert metrics["response_s"]["batch"] == pytest.approx(0.2)
    assert math.isnan(metrics["response_s"]["night"])


def test_requests_are_counted_by_what_became_of_them(three_jobs, open_result):
    """Of gate's seven requests four finished, one was dropped and two were left unfinished."""
    gate = job_metrics(open_result(three_jobs)).loc["gate"]
    counts = [gate[name] for name in ("requests", "finished", "dropped", "unfinished")]
    assert counts == [7, 4, 1, 2]
    assert gate["throughput_per_s"] == pytest.approx(0.4)


def test_an_overdue_request_has_missed_its_deadline(three_jobs, open_result):
    """One request finished late, one was overdue at the end; one that still had time is not counted."""
    gate = job_metrics(open_result(three_jobs)).loc["gate"]
    assert gate["deadlines_met"] == 3
    assert gate["missed_deadlines"] == 2


def test_percentiles_are_latencies_that_occurred(three_jobs, open_result):
    """Of 50, 60, 70 and 150 ms, half took at most 60 and all but 1 % at most 150."""
    gate = job_metrics(open_result(three_jobs)).loc["gate"]
    assert gate["latency_p50_s"] == pytest.approx(0.06)
    assert gate["latency_p99_s"] == gate["latency_max_s"] == pytest.approx(0.15)
    assert gate["latency_mean_s"] == pytest.approx(0.0825)


def test_the_99th_percentile_of_a_hundred():
    """Of the latencies 1 to 100, 99 % are at most 99 and not a value between two of them."""
    found = latency_metrics(np.arange(1.0, 101.0), (50.0, 99.0, 99.9))
    assert found["latency_p50_s"] == 50
    assert found["latency_p99_s"] == 99
    assert found["latency_p99.9_s"] == 100


def test_a_percentile_that_a_threshold_names_is_computed(three_jobs, open_result):
    """A threshold on p75 has the metrics include it."""
    manifest, tables = three_jobs
    manifest["thresholds"] = [
        {"text": "", "metric": "latency", "job": "gate", "statistic": "p75", "op": "<", "value": 1.0}
    ]
    assert job_metrics(open_result((manifest, tables)))["latency_p75_s"]["gate"] == pytest.approx(0.07)


def test_the_machine_as_a_whole(three_jobs, open_result):
    """Shares of the CPU's time, switches, refusals and means over the two jobs that wanted the CPU."""
    found = machine_metrics(open_result(three_jobs))
    assert found["busy_share"] == pytest.approx(0.98)
    assert found["switching_share"] == pytest.approx(0.018)
    assert found["idle_share"] == pytest.approx(0.002)
    assert found["switches_per_s"] == pytest.approx(18)
    assert found["oom_kills"] == 1
    assert found["share_error_mean"] == pytest.approx(0.35 / 9.8)
    assert found["lag_quanta_worst"] == pytest.approx(35)
    assert found["response_mean_s"] == pytest.approx(0.1)
    x = np.array([7 / 7.35, 2.8 / 2.45])
    assert found["jain"] == pytest.approx(x.sum() ** 2 / (2 * (x**2).sum()))


def test_only_want_of_memory_counts_as_oom(three_jobs, open_result):
    """A segmentation fault kills, but not for want of memory."""
    manifest, tables = three_jobs
    tables["processes"]["exit_reason"] = [
        "killed: out of memory: heap is full",
        "killed: segmentation fault",
        "exited",
    ]
    assert machine_metrics(open_result((manifest, tables)))["oom_kills"] == 1


def test_pairwise_error_is_the_worst_at_any_window_end(three_jobs, open_result):
    """After 5 s gate has 3.4 s of the pair's 4.9; 74 of 98 would be 3.7: 30 quanta, and 35 at the end."""
    found = machine_metrics(open_result(three_jobs))
    assert found["pairwise_error_quanta"] == pytest.approx(35)


def test_pairwise_error_needs_two_that_are_always_runnable(three_jobs, open_result):
    """With one of the two asleep half the time there is no pair to speak of."""
    manifest, tables = three_jobs
    tables["processes"].loc[1, "wait_s"] = 2.0
    assert "pairwise_error_quanta" not in machine_metrics(open_result((manifest, tables)))


def test_stride_order_keeps_pairs_within_a_quantum():
    """The order A B A A B C of tickets 3:2:1 (TM-528) is never a whole quantum off for any pair."""
    order, tickets = "ABAABC", np.array([3.0, 2.0, 1.0])
    received = np.cumsum([[letter == job for job in "ABC"] for letter in order], axis=0, dtype=float)
    entitled = np.outer(np.arange(1, 7), tickets / 6)
    assert 0 < pairwise_error(received, entitled) < 1
    assert pairwise_error(entitled, entitled) == pytest.approx(0)


def test_pairwise_error_is_against_the_entitlement(three_jobs, open_result):
    """If both were entitled to half of the first window, gate's 3.4 s of 4.9 are 0.95 s too many."""
    manifest, tables = three_jobs
    tables["cpu"].loc[[0, 1], "entitled_share"] = 0.5
    assert machine_metrics(open_result((manifest, tables)))["pairwise_error_quanta"] == pytest.approx(95)


def test_share_errors_are_parts_of_what_was_delivered():
    """Where 1 s more was due than delivered, the missing second is a part of the 4 s delivered."""
    errors = share_errors(np.array([3.0, 1.0]), np.array([3.0, 2.0]))
    assert list(errors) == pytest.approx([0, -0.25])


def test_share_errors_of_nothing_are_no_numbers():
    """Where no CPU time was delivered nobody has a share."""
    assert np.isnan(share_errors(np.zeros(2), np.ones(2))).all()


@given(SERVICE)
def test_jain_lies_between_one_nth_and_one(service):
    """However service is spread, the index is between 1/n and 1."""
    index = jain_index(np.array(service))
    if max(service) > 0:
        assert 1 / len(service) - 1e-9 <= index <= 1 + 1e-9
    else:
        assert math.isnan(index)


@given(SERVICE.filter(lambda service: max(service) > 1e-9), st.floats(min_value=1e-6, max_value=1e6))
def test_jain_does_not_depend_on_the_unit(service, scale):
    """Twice the service for all is as fair as before."""
    assert jain_index(np.array(service) * scale) == pytest.approx(jain_index(np.array(service)))


@given(st.integers(min_value=1, max_value=50))
def test_jain_at_its_ends(n):
    """All alike is 1; one that gets everything is 1/n."""
    assert jain_index(np.ones(n)) == pytest.approx(1)
    alone = np.zeros(n)
    alone[0] = 3.0
    assert jain_index(alone) == pytest.approx(1 / n)


@pytest.mark.parametrize(("percentile", "needed"), [(90, 64), (99, 662), (99.9, 6636)])
def test_requests_needed_are_mlperfs(percentile, needed):
    """The published sizes for one overrun allowed."""
    assert requests_needed(percentile) == needed


def test_long_metrics_have_no_gaps(three_jobs, open_result):
    """Every row has a value, what has none has no row, and machine-wide rows name no job."""
    rows = long_metrics(open_result(three_jobs))
    assert list(rows.columns) == ["job", "metric", "value"]
    assert rows["value"].notna().all()
    assert not rows.duplicated(["job", "metric"]).any()
    keys = set(zip(rows["job"], rows["metric"], strict=True))
    assert ("gate", "latency_p99_s") in keys
    assert ("batch", "latency_p99_s") not in keys
    assert ("", "jain") in keys


def test_processes_of_one_job_are_taken_together(three_jobs, open_result):
    """A job's CPU time is its processes' sum, its lag the worst of them."""
    manifest, tables = three_jobs
    tables["processes"]["job"] = ["gate", "gate", "night"]
    metrics = job_metrics(open_result((manifest, tables)))
    assert metrics["cpu_s"]["gate"] == pytest.approx(9.8)
    assert metrics["lag_quanta"]["gate"] == pytest.approx(35)
    assert metrics["response_s"]["gate"] == pytest.approx(0.1)
