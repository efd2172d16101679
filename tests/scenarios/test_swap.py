"""Swap and page replacement in a scenario: forms, defaults, each mistake at its place, and their effects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scenarios.loader import parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation
from simulator.memory.paging.replacement.registry import POLICIES

if TYPE_CHECKING:
    import pyarrow as pa

BOX = """\
name: box
duration: 1s
scheduler: stride
machine:
  memory:
    size: 16MiB
    translation: paging
    swap: {size: 64MiB}
    replacement: REPLACEMENT
jobs:
  walk: {workload: memory-walk, size: 1MiB, passes: 2, rounds: 20}
  camera: {workload: vision, profile: mobilenet_v3_small, requests: 20}
"""


def box(replacement: str = "lru", *changes: tuple[str, str]) -> str:
    """Return a scenario with a replacement policy, and other texts replaced."""
    text = BOX.replace("REPLACEMENT", replacement)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def same(one: pa.Table, other: pa.Table) -> bool:
    """Say whether two tables have the same bytes, where there is no value too."""
    return one.schema == other.schema and one.to_pandas().equals(other.to_pandas())


def test_a_swap_device_has_a_size_and_may_have_more() -> None:
    """The usual disk is a SATA SSD; a bandwidth may be written with what it is, bytes a second."""
    memory = parse_scenario(box()).machine.memory
    assert (memory.swap.latency_ns, memory.swap.bandwidth_bytes, memory.swap.cluster) == (
        100_000,
        500_000_000,
        8,
    )
    assert (memory.scope, memory.working_set_ns) == ("global", 1_000_000_000)
    slow = "{size: 64MiB, latency: 5ms, bandwidth: 100MiB/s, cluster: 1}"
    swap = parse_scenario(box("fifo", ("{size: 64MiB}", slow))).machine.memory.swap
    assert (swap.latency_ns, swap.bandwidth_bytes, swap.cluster) == (5_000_000, 100 << 20, 1)
    assert swap.model_dump(mode="json", by_alias=True)["bandwidth"] == "100MiB/s"


def test_a_scenario_with_swap_can_be_written_down_and_read_again() -> None:
    """What is dumped is what was read."""
    scenario = parse_scenario(box("inverse-lottery"))
    assert scenario.model_dump(mode="json")["machine"]["memory"]["scope"] == "global"
    assert type(scenario).model_validate(scenario.model_dump(mode="json", by_alias=True)) == scenario


@pytest.mark.parametrize(
    ("replacement", "change", "place", "message"),
    [
        ("lur", None, "9 replacement", "unknown value lur; did you mean lru?"),
        ("my:Own", None, "9 replacement", "importing my failed"),
        ("simulator.burst:Burst", None, "9 replacement", "is no subclass of"),
        ("lru", ("    swap: {size: 64MiB}\n", ""), "8 replacement", "give it `swap: {size: 2GiB}`"),
        (
            "lru",
            ("translation: paging", "translation: segmentation"),
            "8 swap",
            "write `translation: paging`",
        ),
        ("lru", ("{size: 64MiB}", "{size: 65kB}"), "8 swap.size", "65kB is no whole number of pages of 4KiB"),
        ("lru", ("{size: 64MiB}", "{latency: 1ms}"), "8 swap", "size is missing: Room for pages"),
        ("lru", ("{size: 64MiB}", "{size: 0B}"), "8 swap.size", "must be more than 0"),
        ("lru", ("{size: 64MiB}", "{size: 1MiB, bandwidth: 5MB/h}"), "8 swap.bandwidth", "is not a unit"),
        ("lru", ("{size: 64MiB}", "{size: 1MiB, latncy: 5ms}"), "8 swap.latncy", "did you mean latency?"),
        ("lru", ("{size: 64MiB}", "{size: 1MiB, cluster: 0}"), "8 swap.cluster", "0 is too small"),
        ("lru\n    scope: own", None, "10 scope", "unknown value own"),
        ("lru\n    working_set: 0s", None, "10 working_set", "must be more than 0"),
        ("opt", ("passes: 2,", "passes: 2, order: random,"), "9 replacement", "of walk it cannot"),
    ],
)
def test_a_mistake_is_told_at_its_place(
    replacement: str, change: tuple | None, place: str, message: str
) -> None:
    """File, line and key, and what would be right."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(box(replacement, *([change] if change else [])), "box.yaml")
    line, key = place.split()
    assert f"box.yaml:{line}" in str(caught.value)
    assert f"machine.memory.{key}" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["replacement: lru", "scope: local", "working_set: 2s"])
def test_without_swap_there_is_nothing_to_say_about_it(key: str) -> None:
    """An option that would do nothing is refused."""
    text = box().replace("    swap: {size: 64MiB}\n    replacement: lru\n", f"    {key}\n")
    with pytest.raises(ScenarioError, match="nothing is swapped or replaced without a swap device"):
        parse_scenario(text, "box.yaml")


def test_a_scenario_that_fits_is_the_same_whatever_the_policy() -> None:
    """All tables, to the byte; and those of requests and CPU time are what they are without a disk."""
    roomy = ("size: 16MiB", "size: 256MiB")
    first, *others = (Simulation(parse_scenario(box(name, roomy))).run().tables for name in POLICIES)
    for tables in others:
        assert [name for name, table in tables.items() if not same(table, first[name])] == []
    without = box("lru", roomy).replace("    swap: {size: 64MiB}\n    replacement: lru\n", "")
    plain = Simulation(parse_scenario(without)).run().tables
    for name in ("requests", "cpu", "processes", "cpus", "translation", "events"):
        assert same(plain[name], first[name])
    assert "paging" not in plain


@pytest.mark.parametrize("name", list(POLICIES))
def test_a_run_that_swaps_repeats_itself(name: str) -> None:
    """The same scenario and seed give the same bytes; both jobs end their work."""
    short = (("size: 16MiB", "size: 12MiB"), ("duration: 1s", "duration: 9s"))
    runs = [Simulation(parse_scenario(box(name, *short))).run().tables for _ in range(2)]
    assert [key for key, table in runs[0].items() if not same(table, runs[1][key])] == []
    rows = runs[0]["translation"].to_pylist()
    assert sum(row["file_read_faults"] + row["swap_in_faults"] for row in rows) > 0
    assert rows[1]["blocked_s"] > 0
    assert runs[0]["processes"]["exit_reason"].to_pylist() == ["exited", "exited"]


def test_swap_that_is_too_small_is_found_out_when_it_is_full() -> None:
    """No mistake of the scenario's: the process that finds no frame is killed."""
    text = box("lru", ("size: 16MiB", "size: 1MiB"), ("{size: 64MiB}", "{size: 64KiB}"))
    reasons = Simulation(parse_scenario(text)).run().tables["processes"]["exit_reason"].to_pylist()
    assert any(reason.startswith("killed: out of memory: ") for reason in reasons)


def test_a_policy_of_one_s_own_is_used() -> None:
    """`module:Class`, as a scheduler."""
    named = parse_scenario(box("lru", ("size: 16MiB", "size: 12MiB")))
    own = parse_scenario(box("simulator.memory.paging.replacement.lru:Lru", ("size: 16MiB", "size: 12MiB")))
    tables = [Simulation(scenario).run().tables for scenario in (named, own)]
    assert [key for key, table in tables[0].items() if not same(table, tables[1][key])] == []
