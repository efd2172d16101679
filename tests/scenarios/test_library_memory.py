"""The library's scenarios about memory keep what they promise, and differ where they say so."""

from __future__ import annotations

from functools import cache

import pytest

from reports.metrics import machine_metrics
from reports.paging import by_degree
from reports.result import Result
from reports.thresholds import evaluate
from scenarios.loader import load_scenario
from scenarios.runner import Simulation

NAMES = (
    "early-system",
    "time-sharing",
    "relocation",
    "base-and-bounds",
    "segmentation",
    "external-fragmentation",
    "compaction",
    "paging-and-tlb",
    "shared-weights",
    "thrash",
    "page-replacement",
)


@cache
def result_of(name: str, *changes: str) -> Result:
    """Run a library scenario, with changes."""
    output = Simulation(load_scenario(name, changes)).run()
    return Result.from_tables(output.manifest, output.tables)


@pytest.mark.parametrize("name", NAMES)
def test_thresholds_hold(name: str) -> None:
    """A scenario that teaches something shows it."""
    outcomes = evaluate(result_of(name))
    assert outcomes
    assert [outcome.threshold.text for outcome in outcomes if not outcome.passed] == []


def test_the_same_programs_share_time_a_thousand_times_cheaper_in_memory_than_on_disk() -> None:
    """early-system and time-sharing run the same three; one switches for half of the time."""
    disk, memory = (result_of(name).table("cpus") for name in ("early-system", "time-sharing"))
    assert disk["switching_s"].sum() > 300 * memory["switching_s"].sum()
    assert memory["switches"].sum() > 50 * disk["switches"].sum()


def test_compaction_is_all_that_tells_compaction_from_external_fragmentation() -> None:
    """The two files are one scenario; with and without it `late` lives and is refused."""
    refused = result_of("external-fragmentation").table("processes")
    assert refused["exit_reason"].str.startswith("refused").sum() == 1
    option = "machine.memory.translation.base-and-bounds.compaction"
    other = result_of("external-fragmentation", f"{option}=true").table("processes")
    assert other.equals(result_of("compaction").table("processes"))


def test_equal_shares_of_the_cpu_are_unequal_work_for_the_tlb() -> None:
    """Every access of `columns` costs five references to memory, most of `rows`' one."""
    table = result_of("paging-and-tlb").table("translation").set_index("job")
    assert table.loc["rows", "accesses"] > 4 * table.loc["columns", "accesses"]
    each = table["references"] / table["accesses"]
    assert each["columns"] == pytest.approx(4, abs=0.05)
    assert each["rows"] == pytest.approx(4 / 64, abs=0.01)


def test_static_relocation_gives_each_program_addresses_of_its_own() -> None:
    """They begin where its piece of memory does; under base and bounds all begin at 0."""
    static = result_of("relocation").table("address_spaces")
    assert static.groupby("job")["start"].min().nunique() == 3
    dynamic = result_of("relocation", "machine.memory.translation=base-and-bounds").table("address_spaces")
    assert set(dynamic.groupby("job")["start"].min()) == {0}


def test_a_map_has_pieces_that_do_not_overlap() -> None:
    """At every time, under paging too, and never more than there is."""
    for name in ("segmentation", "shared-weights", "early-system"):
        result = result_of(name)
        for _, pieces in result.table("memory_map").groupby("time_s"):
            ordered = pieces.sort_values("base")
            ends = ordered["base"] + ordered["size_bytes"]
            assert (ordered["base"].iloc[1:].to_numpy() >= ends.iloc[:-1].to_numpy()).all()
            assert ends.iloc[-1] <= result.manifest.memory_bytes


def test_one_camera_too_many_leaves_the_cpu_idle() -> None:
    """The CPU is used better up to four; beyond, all wait for the disk, unless there is memory for all."""
    rows = by_degree(result_of("thrash"))
    busy = [row["busy_share"] for row in rows]
    assert [row["processes"] for row in rows] == [1, 2, 3, 4, 5]
    assert busy[0] < busy[1] < busy[2] < busy[3] > 1.5 * busy[4]
    assert rows[4]["disk_busy_share"] > 0.95
    roomy = by_degree(result_of("thrash", "machine.memory.size=400MiB"))
    assert roomy[4]["busy_share"] > 0.99
    assert [row["busy_share"] for row in roomy[:4]] == pytest.approx(busy[:4])
    assert all(row["major_faults_per_s"] == 0 for row in roomy)


def test_a_loop_is_what_lru_handles_worst() -> None:
    """Chance keeps most of the loop, the optimum all that fits, and LRU nothing."""
    option = "machine.memory.replacement"
    lru, chance, best = (
        machine_metrics(result_of("page-replacement", f"{option}={name}"))
        for name in ("lru", "random", "opt")
    )
    assert lru["busy_share"] < 0.05
    assert 0.7 < chance["busy_share"] < best["busy_share"]
    assert best["major_faults"] < chance["major_faults"] < lru["major_faults"]
