"""The pictures of memory: the map of physical memory over time, and the address spaces."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from figures import words

from reports.metrics import job_metrics, machine_metrics
from reports.plots.address_space import address_space
from reports.plots.memory_map import memory_map
from reports.summary import summary

MIB = 1 << 20


@pytest.fixture
def mapped(three_jobs) -> Any:
    """Two jobs, of which batch ends and leaves a hole; night is refused."""
    manifest, tables = three_jobs
    maps = [(5.0, 0, 300, "gate"), (5.0, 300, 500, "batch"), (10.0, 0, 300, "gate")]
    tables["memory_map"] = pd.DataFrame(
        [(time, base * MIB, size * MIB, owner) for time, base, size, owner in maps],
        columns=["time_s", "base", "size_bytes", "owner"],
    )
    tables["physical"] = pd.DataFrame(
        {
            "time_s": [5.0, 10.0],
            "used_bytes": [800 * MIB, 300 * MIB],
            "free_bytes": [224 * MIB, 724 * MIB],
            "largest_hole_bytes": [224 * MIB, 600 * MIB],
            "compactions": [0, 0],
        }
    )
    regions = [
        (1, "gate", "code", 0, 10, 10, "rx"),
        (1, "gate", "unused", 10, 190, 190, "rwx"),
        (1, "gate", "stack", 10_000, 8, 2, "rw"),
        (2, "batch", "weights", 0, 100, 0, "r"),
    ]
    columns = ["pid", "job", "region", "start", "size_bytes", "resident_bytes", "allows"]
    frame = pd.DataFrame(regions, columns=columns)
    frame[["start", "size_bytes", "resident_bytes"]] *= MIB
    tables["address_spaces"] = frame
    tables["translation"] = pd.DataFrame(
        {
            "pid": [1, 2, 3],
            "job": ["gate", "batch", "night"],
            "accesses": [100, 0, 0],
            "references": [40, 0, 0],
            "tlb_hits": [90, 0, 0],
            "tlb_misses": [10, 0, 0],
            "faults": [7, 3, 0],
        }
    )
    return manifest, tables


def test_a_piece_lasts_until_it_is_gone(mapped, open_result) -> None:
    """A piece that stays is one rectangle, from the start of the window it came in."""
    (ax,) = memory_map(open_result(mapped)).axes
    (pieces,) = ax.collections
    spans = sorted(
        (path.vertices[:, 0].min(), path.vertices[:, 0].max(), path.vertices[:, 1].max() * 1024)
        for path in pieces.get_paths()
    )
    assert spans == [(0.0, 5.0, 800.0), (0.0, 10.0, 300.0)]


def test_the_map_says_what_the_holes_were_worth(mapped, open_result) -> None:
    """Who was refused stands in the finding and at its time."""
    text = words(memory_map(open_result(mapped)))
    assert "night found no hole: 724 MiB were free, 600 MiB in one piece" in text
    assert "night refused" in text
    assert "physical address (GiB)" in text


def test_compaction_is_marked(mapped, open_result) -> None:
    """A dashed line where processes were moved together."""
    manifest, tables = mapped
    tables["physical"]["compactions"] = [0, 1]
    text = words(memory_map(open_result((manifest, tables))))
    assert "moved together" in text
    assert "Processes were moved together once; night was refused" in text


def test_shared_memory_and_page_tables_have_colours_of_their_own(mapped, open_result) -> None:
    """What is no job's own is named; the tables of all jobs are one kind."""
    manifest, tables = mapped
    owners = ["weights of resnet18", "page tables of gate", "page tables of batch"]
    tables["memory_map"]["owner"] = owners
    text = words(memory_map(open_result((manifest, tables))))
    assert "weights of resnet18" in text
    assert text.count("page tables") == 1


def test_where_little_was_ever_used_the_rest_is_not_drawn(mapped, open_result) -> None:
    """And the picture says so."""
    manifest, tables = mapped
    manifest["memory_bytes"] = 1 << 40
    figure = memory_map(open_result((manifest, tables)))
    assert "Above, nothing ever was" in words(figure)
    assert figure.axes[0].get_ylim()[1] < 1000


def test_an_address_space_shows_what_is_held_and_what_is_of_no_use(mapped, open_result) -> None:
    """Regions from the bottom up, gaps cut short."""
    text = words(address_space(open_result(mapped)))
    assert "Address spaces of 308 MiB in all hold 202 MiB of memory, 94.1 % of it without use" in text
    assert "code (rx)\n10 MiB" in text
    assert "9.57 GiB of nothing" in text
    assert "held by another" in text
    assert "from 0x0" in text


def test_results_of_older_programs_have_no_maps(three_jobs, open_result) -> None:
    """Both pictures say that nothing is known, and the metrics have no value."""
    result = open_result(three_jobs)
    assert "Nothing is known of physical memory" in words(memory_map(result))
    assert "No process had an address space" in words(address_space(result))
    assert job_metrics(result)[["faults", "tlb_hit_share"]].isna().all(axis=None)
    assert "compactions" not in machine_metrics(result)


def test_faults_and_tlb_hits_are_in_the_summary(mapped, open_result) -> None:
    """Per job: how many faults were served, and which part of the translations the TLB knew."""
    jobs = {job["job"]: job for job in summary(open_result(mapped))["jobs"]}
    assert (jobs["gate"]["faults"], jobs["gate"]["tlb_hit_share"]) == (7, 0.9)
    assert (jobs["batch"]["faults"], jobs["batch"]["tlb_hit_share"]) == (3, None)


def test_internal_fragmentation_is_the_most_at_once(mapped, open_result) -> None:
    """Summed over jobs at each time, and of those the highest."""
    manifest, tables = mapped
    tables["memory"]["internal_fragmentation_bytes"] = [1, 2, 3, 10, 20, 0]
    found = machine_metrics(open_result((manifest, tables)))
    assert found["internal_fragmentation_bytes"] == 30
    assert found["compactions"] == 0
