"""Memory held against entitlement, and kills in words."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.metrics import job_metrics, machine_metrics
from reports.notes import explain
from reports.plots.memory_limits import memory_limits
from reports.summary import summary

MIB = 1 << 20


def limited(three_jobs):
    """Return three jobs of a box of 1024 MiB with 3 : 1 memory tickets; night was refused."""
    manifest, tables = three_jobs
    rows = [
        {"time_s": time, "name": name, "kind": kind, "of": "root", "held_bytes": held * MIB}
        | {"entitled_resident_bytes": entitled * MIB, "memory_tickets": tickets, "throttled_s": slept}
        | {"high_bytes": None, "max_bytes": 600 * MIB if kind == "group" else None}
        for time, slept in ((5.0, 0.0), (10.0, 2.0))
        for name, kind, held, entitled, tickets in (
            ("gate", "job", 300, 768, 300),
            ("batch", "job", 500 if time == 5.0 else 400, 256, 100),
            ("night", "job", 0, 0, 100),
            ("gate", "group", 900, 0, 1),
        )
    ]
    control = pd.DataFrame(rows).astype({"high_bytes": "float64", "max_bytes": "float64"})
    counts = dict.fromkeys(("highs", "maxes", "ooms", "oom_kills", "oom_score_adj"), 0)
    limits = control[control["time_s"] == 10.0].drop(columns=["time_s", "held_bytes"])
    limits = limits.drop(columns="entitled_resident_bytes").assign(peak_bytes=500 * MIB, **counts)
    kill = {"time_s": 4.0, "kill": 0, "pid": 3, "job": "night", "kind": "refused", "asking_pid": 3}
    kill |= {"asking_job": "night", "needed_bytes": 2048 * MIB, "free_bytes": 224 * MIB}
    kill |= {"size_bytes": 1024 * MIB, "killer": "linux", "short": "memory", "limit": ""}
    ways = "jobs.night.memory.max=3GiB machine.memory.size=3GiB or 'machine.x={a: {b: true}}'"
    kill |= {"saved_by": ways, "reason": "needs 2.0 GiB"}
    return manifest, {
        **tables,
        "memory_control": control,
        "memory_limits": limits,
        "kills": pd.DataFrame([kill]),
    }


def test_shares_of_memory_are_means_over_the_time_a_job_was_alive(three_jobs, open_result) -> None:
    """By hand: 300 of 1024 against 768, and 450 on average against 256."""
    result = open_result(limited(three_jobs))
    jobs = job_metrics(result)
    assert jobs["memory_share"].tolist()[:2] == [300 / 1024, 450 / 1024]
    assert jobs["entitled_memory_share"].tolist()[:2] == [0.75, 0.25]
    assert jobs["memory_share_error"]["batch"] == pytest.approx(194 / 1024)
    assert jobs["memory_share"].isna()["night"]
    assert jobs["throttled_s"].tolist() == [2.0, 2.0, 2.0]
    assert jobs["oom_kills"].tolist() == [0, 0, 1]
    errors = (468 + 468 + 244 + 144) / 4
    assert machine_metrics(result)["memory_share_error_mean"] == pytest.approx(errors / 1024)


def test_ways_out_are_given_as_they_are_typed(three_jobs, open_result) -> None:
    """Settings that belong together in one go; those with spaces keep their quotes."""
    result = open_result(limited(three_jobs))
    note = next(one for one in explain(result, job_metrics(result)) if one.startswith("night was refused"))
    assert note.endswith(
        "It would not have come to this with --set jobs.night.memory.max=3GiB --set machine.memory.size=3GiB "
        "or --set 'machine.x={a: {b: true}}'."
    )


def test_results_without_these_tables_say_nothing_of_them(three_jobs, open_result) -> None:
    """Those written before, and those of scenarios without limits."""
    result = open_result(three_jobs)
    content = summary(result)
    assert content["kills"] == content["memory_limits"] == []
    assert job_metrics(result)["memory_share"].isna().all()
    assert "memory_share_error_mean" not in content["machine"]
    assert not any("It would not have" in note for note in content["notes"])


def test_the_picture_has_a_panel_for_each_job_and_group(three_jobs, open_result) -> None:
    """With what was found as its title."""
    figure = memory_limits(open_result(limited(three_jobs)))
    assert len(figure.axes) == 4
    assert (
        figure.texts[0]
        .get_text()
        .startswith("night and 2 more were throttled, 6 s in all; night was refused")
    )
