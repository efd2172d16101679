"""Heaps in a scenario: by name or by what is different, and what is told of them."""

from __future__ import annotations

import pytest

from reports.thresholds import evaluate
from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation
from simulator.memory.heap_config import FIRST_FIT, GLIBC, PRESETS, HeapConfig
from timeshare.running import simulate

JOB = """\
name: x
duration: 1s
scheduler: stride
jobs:
  a: {{workload: cpu-bound, memory: {{heap: {heap}}}}}
"""


def config_of(heap: str) -> HeapConfig:
    """Return what a job's heap is run with."""
    heap_of_job = parse_scenario(JOB.format(heap=heap)).jobs["a"].memory.heap
    assert heap_of_job is not None
    return heap_of_job.config


def problem(heap: str) -> str:
    """Return the one line that tells what is wrong with a heap."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(JOB.format(heap=heap), "box.yaml")
    (found,) = caught.value.problems
    assert found.line == 5
    return f"{found.key}: {found.message}"


@pytest.mark.parametrize("name", PRESETS)
def test_a_heap_has_a_name(name):
    """What is installed is what `timeshare` knows."""
    assert config_of(name) == PRESETS[name]


def test_a_heap_is_what_differs_from_another():
    """A fixed threshold ends adapting, as with glibc; minima follow the header and the alignment."""
    written = "{placement: best, order: size, coalescing: deferred, header: 16, alignment: 64}"
    assert config_of(written) == HeapConfig(
        placement="best",
        order="size",
        coalescing="deferred",
        alignment_bytes=64,
        min_block_bytes=64,
        min_remainder_bytes=64,
    )
    config = config_of("{like: glibc, mmap_threshold: 1MiB, trim_threshold: never}")
    assert (config.mmap_threshold_bytes, config.trim_threshold_bytes) == (1 << 20, None)
    assert (GLIBC.adaptive, config.adaptive) == (True, False)
    buddy = config_of("{like: glibc, placement: buddy}")
    assert (buddy.header_bytes, buddy.top_apart, buddy.top_pad_bytes, buddy.order) == (8, False, 0, "address")


@pytest.mark.parametrize(
    ("heap", "message"),
    [
        ("glib", "jobs.a.memory.heap.like: unknown heap glib; did you mean glibc? (known: first-fit, "),
        ("{placement: bst}", "jobs.a.memory.heap.placement: unknown value bst; did you mean best? "),
        ("{plaement: best}", "jobs.a.memory.heap.plaement: unknown key; did you mean placement? "),
        ("{alignment: 24}", "jobs.a.memory.heap.alignment: 24 is no power of two from 1 to 4096"),
        ("{header: 16B}", "jobs.a.memory.heap.header: 16B is not a whole number such as 3"),
        ("{header: -8}", "jobs.a.memory.heap.header: -8 is too small"),
        (
            "{header: 16, min_block: 16}",
            "jobs.a.memory.heap.min_block: 16 leaves no byte behind a header of 16",
        ),
        ("{min_block: 40}", "jobs.a.memory.heap.min_block: 40 is no multiple of the alignment, 16"),
        ("{growth: 1000B}", "jobs.a.memory.heap.growth: 1000 B is no multiple of the alignment, 16"),
        (
            "{mmap_threshold: 5}",
            "jobs.a.memory.heap.mmap_threshold: 5 has no unit; write 5MiB, 5GiB ...; or never",
        ),
        ("{placement: buddy, coalescing: deferred}", "jobs.a.memory.heap.coalescing: buddies merge at once"),
        ("{placement: buddy, order: fifo}", "jobs.a.memory.heap.order: a buddy heap has lists of its own"),
        ("{like: buddy, min_block: 48}", "jobs.a.memory.heap.min_block: 48 is no power of two"),
        ("{like: buddy, top_pad: 64KiB}", "jobs.a.memory.heap.top_pad: a buddy heap has no top"),
        ("[best]", "jobs.a.memory.heap: a list is not a mapping"),
    ],
)
def test_a_heap_that_cannot_be_is_one_error_at_its_place(heap, message):
    """File, line, key, and what would be right."""
    assert problem(heap).startswith(message)


def test_the_machine_s_heap_is_for_jobs_without_one():
    """And the default is address-ordered first fit."""
    text = JOB.format(heap="buddy") + "  b: {workload: cpu-bound}\nmachine: {memory: {heap: glibc}}\n"
    simulation = Simulation(parse_scenario(text))
    simulation.run()
    configs = [simulation.machine.processes[at].memory.heap.config for at in (0, 1)]
    assert configs == [PRESETS["buddy"], GLIBC]
    assert load_scenario("fair-three").machine.memory.heap.config == FIRST_FIT


def test_heap_fragmentation_teaches_what_it_says():
    """First and best fit come through; next and worst fit, buddies and no coalescing do not."""
    result = simulate("heap-fragmentation")
    assert all(outcome.passed for outcome in evaluate(result))
    processes = result.table("processes").set_index("job")["exit_reason"]
    assert list(processes[processes == "exited"].index) == ["first", "best"]
    heap = result.table("memory").groupby("job").last()
    assert (heap["heap_held_bytes"] >= heap["heap_bytes"] + heap["heap_free_bytes"]).all()
    assert (heap["heap_free_bytes"] >= heap["largest_free_block_bytes"]).all()
    starved = heap.loc[["next", "worst"]]
    assert (starved["heap_free_bytes"] > 2 << 20).all()
    assert (starved["largest_free_block_bytes"] < 400 << 10).all()
    inside = heap["heap_held_bytes"] - heap["heap_bytes"] - heap["heap_free_bytes"]
    assert inside.idxmax() == "buddy"


@pytest.mark.parametrize("name", PRESETS)
def test_a_vision_job_has_the_room_that_its_heap_needs(name):
    """The workload's need is found with the job's own heap."""
    text = (
        "name: x\nduration: 1s\nscheduler: stride\n"
        f"jobs: {{a: {{workload: vision, profile: mobilenet_v3_small, memory: {{heap: {name}}}}}}}\n"
    )
    processes = simulate(parse_scenario(text)).table("processes")
    assert processes["exit_reason"].tolist() == [""]
    assert processes["mallocs"].sum() > 1000


def test_a_recorded_heap_is_a_table_and_others_are_not():
    """Blocks from malloc to free, in CPU time; recording does not change what happens."""
    text = (
        "name: x\nduration: 300ms\nscheduler: stride\njobs:\n"
        "  a: {workload: vision, profile: mobilenet_v3_small}\n"
    )
    plain = simulate(parse_scenario(text))
    recorded = simulate(parse_scenario(text, overrides=["jobs.a.memory.record=heap"]))
    assert plain.table("memory").equals(recorded.table("memory"))
    assert len(plain.table("heap")) == 0
    heap = recorded.table("heap")
    blocks = heap[heap["kind"] == "block"]
    assert len(blocks) > 1000
    assert set(heap["job"]) == {"a"}
    assert (blocks["size_bytes"] >= blocks["asked_bytes"] + 16).all()
    ended = blocks.dropna()
    assert (ended["to_cpu_s"] >= ended["from_cpu_s"]).all()
    extent = heap[heap["kind"] == "extent"]
    assert extent["size_bytes"].max() == recorded.table("memory")["heap_held_bytes"].max()
