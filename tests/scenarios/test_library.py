"""The library: every scenario loads, explains itself and is listed."""

import pytest

from scenarios.arrivals import Camera, ClosedLoop
from scenarios.jobs import VisionJob
from scenarios.library_index import library_names, library_text, library_titles
from scenarios.loader import load_scenario


def test_the_library_has_its_scenarios() -> None:
    """Tutorial and references name these."""
    assert {"camera-box", "fair-three", "memory-squeeze"} <= set(library_names())


@pytest.mark.parametrize("name", library_names())
def test_a_library_scenario_loads_under_its_own_name_and_is_held_to_something(name: str) -> None:
    """The file's name is the scenario's, and each has thresholds to keep."""
    scenario = load_scenario(name)
    assert scenario.name == name
    assert scenario.thresholds


@pytest.mark.parametrize("name", library_names())
def test_a_library_scenario_teaches(name: str) -> None:
    """A one-line title, a blank line, then what to look at and what to try with --set."""
    title, blank, *lesson = load_scenario(name).description.splitlines()
    assert title.endswith(".")
    assert blank == ""
    assert any("--set" in line for line in lesson)


@pytest.mark.parametrize("name", library_names())
def test_what_a_library_scenario_suggests_to_set_can_be_set(name: str) -> None:
    """Each --set in a description is a real override."""
    words = [word.strip(".,:;()") for word in load_scenario(name).description.split()]
    suggestions = [words[index + 1] for index, word in enumerate(words) if word == "--set"]
    for suggestion in suggestions:
        assert load_scenario(name, [suggestion]) != load_scenario(name)


def test_titles_are_the_first_lines_of_the_descriptions() -> None:
    """What `timeshare list scenarios` shows, in the order of the names."""
    titles = library_titles()
    assert tuple(titles) == library_names()
    assert titles["camera-box"] == "Three cameras and a nightly batch share one CPU of an edge box."


def test_library_files_are_plain_text_of_modest_width() -> None:
    """They are read in terminals and copied into documents."""
    for name in library_names():
        assert max(len(line) for line in library_text(name).splitlines()) <= 110


def test_the_camera_box_is_three_cameras_and_a_batch() -> None:
    """The scenario that the documentation is built on keeps its cast."""
    jobs = load_scenario("camera-box").jobs
    assert list(jobs) == ["gate", "lobby", "dock", "batch"]
    for name in ("gate", "lobby", "dock"):
        job = jobs[name]
        assert isinstance(job, VisionJob)
        assert isinstance(job.arrivals, Camera)
        assert job.deadline_ns
    batch = jobs["batch"]
    assert isinstance(batch, VisionJob)
    assert isinstance(batch.arrivals, ClosedLoop)
