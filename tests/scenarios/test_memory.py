"""Physical memory and translation in a scenario: forms, defaults, and each mistake at its place."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.loader import parse_scenario
from scenarios.memory import TRANSLATIONS, Paging, make_mechanism
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation

HEAD = """\
name: box
duration: 1s
scheduler: stride
machine:
  memory:
    size: 16MiB
    translation: TRANSLATION
jobs:
  walk: {workload: memory-walk, size: 1MiB, passes: 2, rounds: 1}
"""


def box(translation: str, *changes: tuple[str, str]) -> str:
    """Return a scenario with a translation, and other texts replaced."""
    text = HEAD.replace("TRANSLATION", translation)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def failure(text: str) -> ScenarioError:
    """Return the error of a scenario that must not load."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "box.yaml")
    return caught.value


@pytest.mark.parametrize("name", list(TRANSLATIONS))
def test_every_translation_runs_the_same_program(name: str) -> None:
    """By its name alone; the program makes as many accesses and ends well."""
    output = Simulation(parse_scenario(box(name))).run()
    walk = output.tables["translation"].to_pylist()[0]
    assert walk["accesses"] == 2 * (1 << 20) // 64
    assert output.tables["processes"]["exit_reason"].to_pylist() == ["exited"]
    assert output.manifest["translation"] == name
    assert walk["tlb_hits"] + walk["tlb_misses"] == (walk["accesses"] if name == "paging" else 0)


def test_options_reach_the_hardware() -> None:
    """Page size, levels and the TLB are as the file says."""
    text = "{paging: {page_size: 16KiB, levels: 2, tlb: {entries: 8, ways: 2, policy: fifo, asids: false}}}"
    memory = parse_scenario(box(text)).machine.memory
    assert isinstance(memory.translation, Paging)
    mechanism = make_mechanism(memory, cpus=3, random=np.random.default_rng(0))
    assert mechanism.shape.page_size == 16384
    assert mechanism.shape.address_bits == 32
    assert len(mechanism.tlbs) == 3
    shape = mechanism.tlbs[0].shape
    assert (shape.entries, shape.ways, shape.policy, shape.asids) == (8, 2, "fifo", False)


def test_costs_reach_the_machine() -> None:
    """A dear reference to memory makes the same walk take longer."""
    times = []
    for cost in ("10ns", "50ns"):
        text = box("paging", ("size: 16MiB", f"size: 16MiB\n    fault: 0ns\n    reference: {cost}"))
        times += Simulation(parse_scenario(text)).run().tables["processes"]["cpu_s"].to_pylist()
    assert times[1] == pytest.approx(5 * times[0])


@pytest.mark.parametrize(
    ("translation", "place", "message"),
    [
        ("pagin", "7 translation", "unknown value pagin; did you mean paging?"),
        ("[paging]", "7 translation", "write how addresses are translated"),
        (
            "{pagin: {}}",
            "7 translation.pagin",
            "unknown kind of translations; did you mean",
        ),
        ("{paging: {}, none: {}}", "7 translation", "are of one kind, not of 2"),
        (
            "{paging: {page_size: 3000B}}",
            "7 translation.paging.page_size",
            "3kB is no power of two; write 2KiB or 4KiB",
        ),
        (
            "{paging: {page_size: 32MiB}}",
            "6 size",
            "16MiB is no whole number of pages of 32MiB",
        ),
        (
            "{paging: {pagesize: 4KiB}}",
            "7 translation.paging.pagesize",
            "did you mean page_size?",
        ),
        ("{paging: {levels: 0}}", "7 translation.paging.levels", "0 is too small"),
        (
            "{paging: {levels: 1, address_bits: 48}}",
            "7 translation.paging.levels",
            "the first page table of a process takes 512GiB, more than the memory has; give it more levels",
        ),
        (
            "{paging: {levels: 6, address_bits: 16}}",
            "7 translation.paging.levels",
            "6 levels for 4 bits of virtual page number",
        ),
        (
            "{paging: {levels: 1, address_bits: 16}}",
            "7 translation.paging.tlb.entries",
            "a TLB of 64 entries is larger than the page table, which has 16",
        ),
        (
            "{paging: {levels: 1, address_bits: 16, tlb: {entries: 32}}}",
            "7 translation.paging.tlb.entries",
            "a TLB of 32 entries is larger than the page table, which has 16",
        ),
        (
            "{paging: {tlb: {entries: 64, ways: 5}}}",
            "7 translation.paging.tlb.ways",
            "64 entries cannot be 5-way; write a divisor of the entries",
        ),
        (
            "{paging: {tlb: {policy: clock}}}",
            "7 translation.paging.tlb.policy",
            "unknown value clock (known: fifo, lru, random)",
        ),
        (
            "{base-and-bounds: {compaction: 1}}",
            "7 translation.base-and-bounds.compaction",
            "",
        ),
    ],
)
def test_a_mistake_is_shown_at_its_place(translation: str, place: str, message: str) -> None:
    """One mistake, one problem: its line, its key, and advice."""
    error = failure(box(translation))
    assert len(error.problems) == 1
    line, key = place.split()
    assert str(error).startswith(f"box.yaml:{line}:")
    assert f": machine.memory.{key}: " in str(error)
    assert message in str(error)


@pytest.mark.parametrize(
    ("translation", "limit", "message"),
    [
        (
            "base-and-bounds",
            "16MiB",
            "walk needs 25MiB for code, stack and heap; it lies in one piece",
        ),
        ("none", "16MiB", "walk needs 25MiB"),
        ("static-relocation", "16MiB", "walk needs 25MiB"),
        (
            "{paging: {levels: 2}}",
            "4GiB",
            "walk needs 4105MiB for code, stack and heap; addresses of 32 bits",
        ),
        ("{segmentation: {address_bits: 24}}", "5MiB", "a segment has at most 4MiB"),
    ],
)
def test_a_space_larger_than_can_be_is_refused(translation: str, limit: str, message: str) -> None:
    """At the line of the job's limit."""
    error = failure(box(translation, ("rounds: 1}", f"rounds: 1, memory: {{limit: {limit}}}}}")))
    assert "jobs.walk.memory.limit" in str(error)
    assert message in str(error)


def test_early_systems_have_one_cpu() -> None:
    """One program is in memory at a time; a second CPU would have nothing to run."""
    error = failure(box("none", ("machine:\n", "machine:\n  cpus: 2\n")))
    assert "box.yaml:5:9: machine.cpus: with translation none one program is in memory at" in str(error)


def test_a_stride_stays_in_the_block() -> None:
    """A walk needs one step at least."""
    error = failure(box("paging", ("size: 1MiB,", "size: 1MiB, stride: 2MiB,")))
    assert "jobs.walk.stride: a stride of 2MiB leads out of a block of 1MiB" in str(error)


def test_paging_counts_what_vision_jobs_touch() -> None:
    """Weights are shared by jobs of one model, and the faults of first touches are CPU time."""
    text = box("paging", ("size: 16MiB", "size: 256MiB"), ("duration: 1s", "duration: 2s"))
    text = text[: text.index("jobs:")] + (
        "jobs:\n  a: {workload: vision, profile: resnet18, requests: 3}\n"
        "  b: {workload: vision, profile: resnet18, requests: 3}\n"
    )
    paged = Simulation(parse_scenario(text)).run().tables
    whole = Simulation(parse_scenario(text.replace("paging", "base-and-bounds"))).run().tables
    rows = paged["translation"].to_pylist()
    assert rows[0]["shared_page_faults"] == rows[1]["shared_page_faults"] > 10_000
    for row, slow, fast in zip(
        rows, paged["processes"].to_pylist(), whole["processes"].to_pylist(), strict=True
    ):
        assert slow["cpu_s"] - fast["cpu_s"] == pytest.approx(row["faults"] * 500e-9, abs=1e-9)
        assert row["kernel_s"] == pytest.approx(row["faults"] * 500e-9)
        assert slow["exit_reason"] == "exited"
    most = max(row["used_bytes"] for row in paged["physical"].to_pylist())
    assert most < 1.3 * max(row["resident_bytes"] for row in paged["memory"].to_pylist())
