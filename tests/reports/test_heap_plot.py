"""The heap's map: a rectangle a block, free space between them."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.plots.draw import draw_all
from reports.plots.heap import heap_map
from scenarios.loader import load_scenario
from timeshare.running import as_result, run, simulate


@pytest.fixture(scope="module")
def recorded():
    """The library's scenario about fragmentation."""
    return simulate("heap-fragmentation")


def boxes(ax):
    """Extents of the rectangles of a panel: light ground first, then blocks."""
    parts = [[path.get_extents() for path in collection.get_paths()] for collection in ax.collections]
    return parts[0], [box for part in parts[1:] for box in part]


def test_every_block_is_a_rectangle_on_the_heap_s_extent(recorded):
    """As many as were recorded, none outside of what was held, no two at one place and time."""
    figure = heap_map(recorded, ["first"])
    (ax,) = figure.axes
    ground, blocks = boxes(ax)
    table = recorded.table("heap")
    table = table[table["job"] == "first"]
    assert len(ground) == (table["kind"] == "extent").sum()
    assert len(blocks) == (table["kind"] == "block").sum()
    assert max(box.y1 for box in blocks) <= max(box.y1 for box in ground)
    area = sum(box.width * box.height for box in blocks)
    held = sum(box.width * box.height for box in ground)
    last = table[["from_cpu_s", "to_cpu_s"]].max().max()
    lived = table[table["kind"] == "block"].fillna({"to_cpu_s": last})
    expected = (lived["size_bytes"] * (lived["to_cpu_s"] - lived["from_cpu_s"])).sum() * 1e3 / 2**20
    assert area == pytest.approx(expected)
    assert area < held


def test_a_panel_for_each_job_says_what_its_heap_held(recorded):
    """The finding names the best and the worst."""
    figure = heap_map(recorded)
    assert len(figure.axes) == 6
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert "held 5 MiB for 4.22 MiB" in words
    assert sum(word.endswith(", killed") for word in words) == 4
    assert figure.texts[0].get_text().startswith("first made most of its heap: 84.5 %")


def test_what_lies_below_all_that_comes_and_goes_is_cut_off():
    """The weights of a model would leave no room for its blocks."""
    scenario = load_scenario(
        "fair-three",
        [
            "duration=1s",
            "jobs.large.workload=vision",
            "jobs.large.profile=resnet18",
            "jobs.large.memory.record=heap",
        ],
    )
    (ax,) = heap_map(simulate(scenario)).axes
    assert ax.get_ylim()[0] > 40
    (whole,) = heap_map(simulate(scenario), until_s=0.01).axes
    assert whole.get_xlim()[1] == pytest.approx(10)


def test_an_unrecorded_job_is_refused_and_named(recorded):
    """With what would be right."""
    with pytest.raises(ReportError, match=r"the heap of gate was not recorded \(recorded: first, best, "):
        heap_map(recorded, ["gate"])


def test_only_recorded_heaps_are_drawn_with_the_rest(recorded, tmp_path):
    """A run without a record has no such picture, and says so when asked for one."""
    assert "heap.png" in [path.name for path in draw_all(recorded, tmp_path / "a")]
    plain = as_result(run(load_scenario("fair-three", ["duration=1s"])))
    assert "heap.png" not in [path.name for path in draw_all(plain, tmp_path / "b")]
    assert heap_map(plain).texts[0].get_text() == "No heap was recorded"
    assert isinstance(plain.table("heap"), pd.DataFrame)
