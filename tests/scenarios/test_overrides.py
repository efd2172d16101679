"""Overrides from the command line: applied before checking, and blamed by name."""

import pytest

from scenarios.arrivals import Camera
from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import ScenarioError

BOX = """\
name: box
duration: 60s
scheduler: stride
jobs:
  gate: {workload: cpu-bound, tickets: 300}
changes:
  - {at: 30s, job: gate, tickets: 400}
"""


def failure(*overrides: str) -> str:
    """Return the text of the error that the overrides lead to."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(BOX, "box.yaml", overrides)
    return str(caught.value)


def test_an_override_replaces_a_value_of_the_file() -> None:
    """Numbers, texts and mappings are read as in the file."""
    overrides = [
        "jobs.gate.tickets=400",
        "duration=90s",
        "scheduler={policy: lottery}",
        "changes[0].at = 10s",
    ]
    scenario = parse_scenario(BOX, overrides=overrides)
    assert scenario.jobs["gate"].tickets == 400
    assert scenario.duration_ns == 90_000_000_000
    assert scenario.scheduler.policy == "lottery"
    assert scenario.changes[0].at_ns == 10_000_000_000


def test_an_override_makes_the_sections_that_the_file_leaves_out() -> None:
    """The machine and its memory need not stand in the file to be set."""
    scenario = parse_scenario(BOX, overrides=["machine.memory.size=2GiB", "jobs.gate.memory.limit=64MiB"])
    assert scenario.machine.memory.size_bytes == 2**31
    assert scenario.jobs["gate"].memory.limit_bytes == 2**26


def test_a_new_job_can_be_set_as_a_whole() -> None:
    """A job is a mapping like any other value."""
    override = "jobs.dock={workload: vision, profile: resnet18, arrivals: {camera: {fps: 5}}}"
    scenario = parse_scenario(BOX, overrides=[override])
    assert scenario.jobs["dock"].arrivals == Camera(fps=5)


def test_the_last_of_several_overrides_counts() -> None:
    """They apply from left to right, and a wider one replaces what was set inside it."""
    overrides = ["jobs.gate.tickets=1", "jobs.gate={workload: cpu-bound, tickets: 2}", "jobs.gate.tickets=3"]
    assert parse_scenario(BOX, overrides=overrides).jobs["gate"].tickets == 3


def test_overrides_apply_to_library_scenarios() -> None:
    """A library scenario is a starting point for one's own questions."""
    assert load_scenario("fair-three", ["jobs.small.tickets=300"]).jobs["small"].tickets == 300


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "jobs.gate.tickts=400",
            (
                "unknown key; did you mean tickets? "
                "(workload cpu-bound takes: tickets, nice, group, currency, start"
            ),
        ),
        ("jobs.gat.tickets=400", "unknown job gat; did you mean gate? (known: gate)"),
        ("jobs.gate.tickets=many", "many is not a whole number such as 3"),
        ("duration=60", "60 has no unit; write 60s, 60ms ..."),
        ("durtion=60s", "unknown key; did you mean duration? (known here: name, description, duration"),
        ("machine.memory.size=3", "3 has no unit; write 3MiB, 3GiB ..."),
        ("machin.cpus=3", "unknown key machin (known: name, duration, scheduler, jobs, changes)"),
        (
            "scheduler.hz=3",
            "scheduler is stride, which has no keys; set scheduler itself, such as scheduler={key",
        ),
        ("changes[3].at=3s", "changes has 1 items; write changes[0] to changes[0]"),
        ("changes.at=3s", "changes has 1 items; write changes[0] to changes[0]"),
        ("jobs.gate={workload: vison}", "jobs.gate.workload: unknown workload vison; did you mean vision?"),
        ("jobs.gate.tickets", "not KEY=VALUE; write for example jobs.gate.tickets=400"),
        ("=3", "not KEY=VALUE; write for example jobs.gate.tickets=400"),
        ("jobs..tickets=3", "not KEY=VALUE; write for example jobs.gate.tickets=400"),
        ("jobs.gate=[1", "not valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("jobs.gate=!x 3", "YAML tags such as !x are not used here"),
    ],
)
def test_a_wrong_override_is_named_with_what_would_be_right(override: str, message: str) -> None:
    """The blame is the option's, not a line's of the file."""
    error = failure(override)
    assert error.startswith(f"--set {override}: ")
    assert message in error
    assert "box.yaml" not in error


def test_mistakes_of_several_overrides_are_shown_together() -> None:
    """As with a file, all at once."""
    assert failure("nonsense", "jobs.x.tickets=3").count("--set") == 2


def test_a_mistake_in_the_file_is_still_the_files() -> None:
    """An override elsewhere does not take the blame."""
    with pytest.raises(ScenarioError, match=r"^box\.yaml:2:11: duration: 60 has no unit"):
        parse_scenario(BOX.replace("60s", "60"), "box.yaml", ["jobs.gate.tickets=3"])
