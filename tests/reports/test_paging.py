"""What paging did to a run: by job, by the number of processes, and in a picture."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from figures import words

from reports.metrics import job_metrics, machine_metrics
from reports.paging import by_degree, rates
from reports.plots.draw import draw_all
from reports.plots.paging import paging
from reports.summary import summary
from reports.tables import machine_line, paging_table
from reports.thresholds import evaluate

MIB = 1 << 20


@pytest.fixture
def swapped(three_jobs) -> Any:
    """Gate is in memory alone for five seconds, then batch comes, and both wait for the disk."""
    manifest, tables = three_jobs
    counters = [
        (5.0, 1, "gate", 100, 0, 0, 0, 0.0),
        (10.0, 1, "gate", 150, 200, 200 * MIB, 10 * MIB, 2.0),
        (10.0, 2, "batch", 300, 50, 50 * MIB, 40 * MIB, 0.5),
    ]
    names = ("minor_faults", "major_faults", "swapped_in_bytes", "swapped_out_bytes", "blocked_s")
    tables["paging"] = pd.DataFrame(counters, columns=["time_s", "pid", "job", *names])
    tables["physical"] = pd.DataFrame(
        {
            "time_s": [5.0, 10.0],
            "used_bytes": [800 * MIB] * 2,
            "free_bytes": [224 * MIB] * 2,
            "largest_hole_bytes": [224 * MIB] * 2,
            "compactions": [0, 0],
            "swap_used_bytes": [0, 50 * MIB],
            "disk_busy_s": [0.0, 4.0],
        }
    )
    tables["memory"] = tables["memory"].assign(
        working_set_bytes=[300 * MIB, 0, 0, 700 * MIB, 600 * MIB, 0], swapped_bytes=0
    )
    tables["translation"] = pd.DataFrame(
        {
            "pid": [1, 2, 3],
            "job": ["gate", "batch", "night"],
            **dict.fromkeys(("accesses", "references", "tlb_hits", "tlb_misses"), 0),
            "faults": [350, 350, 0],
            "swap_in_faults": [150, 50, 0],
            "file_read_faults": [50, 0, 0],
            "swapped_in_bytes": [200 * MIB, 50 * MIB, 0],
            "swapped_out_bytes": [10 * MIB, 40 * MIB, 0],
            "blocked_s": [2.0, 0.5, 0.0],
        }
    )
    return manifest, tables


def test_faults_and_waits_are_each_job_s(swapped, open_result) -> None:
    """Major faults are those for which something was read."""
    jobs = job_metrics(open_result(swapped))
    assert jobs["major_faults"].to_list() == [200, 50, 0]
    assert jobs["minor_faults"].to_list() == [150, 300, 0]
    assert jobs["disk_wait_s"].to_list() == [2.0, 0.5, 0.0]
    assert jobs["working_set_bytes"].to_list() == [700 * MIB, 600 * MIB, 0]


def test_the_machine_s_disk(swapped, open_result) -> None:
    """It worked for four of ten seconds."""
    machine = machine_metrics(open_result(swapped))
    assert (machine["major_faults"], machine["disk_busy_share"]) == (250, 0.4)
    assert machine["swap_used_bytes"] == 50 * MIB


def test_rates_are_what_came_within_a_window(swapped, open_result) -> None:
    """Counters count from a process's start."""
    within = rates(open_result(swapped)).sort_values(["time_s", "job"])
    assert within["major_faults"].to_list() == [0, 50, 200]
    assert within["minor_faults"].to_list() == [100, 300, 50]


def test_use_by_the_number_of_processes(swapped, open_result) -> None:
    """One process for five seconds, two for the next five."""
    one, two = by_degree(open_result(swapped))
    assert (one["processes"], one["time_s"], one["major_faults_per_s"]) == (1, 5.0, 0.0)
    assert (two["processes"], two["time_s"], two["major_faults_per_s"]) == (2, 5.0, 50.0)
    assert (one["disk_busy_share"], two["disk_busy_share"]) == (0.0, 0.8)
    assert two["busy_share"] == pytest.approx(0.98)
    assert (two["read_bytes_per_s"], two["written_bytes_per_s"]) == (50 * MIB, 10 * MIB)


def test_a_report_says_so_on_the_terminal_and_in_json(swapped, open_result) -> None:
    """A table of its own, columns of the jobs, and the disk in the machine's line."""
    content = summary(open_result(swapped))
    assert content["paging"][1]["processes"] == 2
    assert content["jobs"][0]["major_faults"] == 200
    assert "at most 50 MiB in swap, the disk 40.0 % busy" in str(machine_line(content))
    assert paging_table(content).columns[0].cells == ["1", "2"]


def test_results_without_a_swap_device_say_nothing(three_jobs, open_result, tmp_path) -> None:
    """Neither figures nor a picture."""
    result = open_result(three_jobs)
    assert by_degree(result) == []
    assert math.isnan(job_metrics(result)["major_faults"]["gate"])
    assert "disk_busy_share" not in machine_metrics(result)
    assert summary(result)["paging"] == []
    assert "paging.png" not in [path.name for path in draw_all(result, tmp_path)]


def test_thresholds_can_be_set_on_it(swapped, three_jobs, open_result) -> None:
    """With a swap device they have values, without one a reason."""
    names = [
        ("gate", "major_faults", 200.0),
        ("gate", "disk_wait", 2.0),
        ("gate", "working_set", 700.0 * MIB),
    ]
    names += [(None, "disk_busy_share", 0.4)]
    for manifest, tables in (swapped, three_jobs):
        manifest["thresholds"] = [
            {"text": name, "metric": name, "job": job, "statistic": None, "op": "==", "value": value}
            | {"tolerance": None}
            for job, name, value in names
        ]
        outcomes = evaluate(open_result((manifest, tables)))
        if "paging" in tables:
            assert [outcome.passed for outcome in outcomes] == [True] * 4
        else:
            assert {outcome.reason for outcome in outcomes} == {"there was no swap device"}


def test_the_picture_says_what_became_of_cpu_and_disk(swapped, open_result) -> None:
    """Working sets against the box, faults, and use."""
    text = words(paging(open_result(swapped)))
    assert "With 2 processes in memory the CPU was busy 98.0 % of the time, the disk 80.0 %" in text
    assert "size of the box, 1 GiB" in text
    assert "major faults/s" in text
