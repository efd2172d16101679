"""Limits on memory, killers and memory tickets in scenarios: what they do, and what is wrong with them."""

from __future__ import annotations

import re
import shlex
from functools import cache

import pytest

from reports.plots.draw import draw_all
from reports.result import Result
from reports.summary import summary
from reports.thresholds import evaluate
from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation
from scenarios.schema import Scenario

SMALL = """
name: small
duration: 2s
machine:
  memory: {size: 8MiB, translation: paging, oom: linux}
scheduler: stride
groups:
  batch: {memory: {max: 4MiB, high: 3MiB}}
  inner: {of: batch, memory: {max: 3MiB}}
jobs:
  gate: {workload: memory-walk, size: 2MiB, stride: 4KiB, pause: 10ms, memory: {code: 16KiB, tickets: 300}}
  leak: {workload: heap-churn, blocks: 9000, events: 9000, event: 100us, group: inner, memory: {code: 16KiB}}
changes:
  - {at: 1s, job: gate, memory_tickets: 50}
"""


def as_result(scenario: Scenario) -> Result:
    """Simulate."""
    output = Simulation(scenario).run()
    return Result.from_tables(output.manifest, output.tables)


@cache
def result_of(name: str, *changes: str) -> Result:
    """Run a library scenario, with changes."""
    return as_result(load_scenario(name, changes))


@pytest.mark.parametrize("name", ["oom", "memory-limits"])
def test_thresholds_of_the_library_hold(name: str) -> None:
    """A scenario that teaches something shows it."""
    outcomes = evaluate(result_of(name))
    assert [outcome.threshold.text for outcome in outcomes if not outcome.passed] == []


@pytest.mark.parametrize(
    ("change", "killed"),
    [
        ("machine.memory.oom=tickets", ["night"]),
        ("machine.memory.oom=linux", ["gate"]),
        ("machine.memory.oom=kill-asking", ["dock", "night"]),
    ],
)
def test_the_killers_differ_as_the_scenario_says(change: str, killed: list[str]) -> None:
    """The leak, the largest, or whoever asked."""
    assert result_of("oom", change).table("kills")["job"].tolist() == killed


CASES = [
    ("oom",),
    ("oom", "machine.memory.oom=linux"),
    ("oom", "machine.memory.oom=kill-asking"),
    ("memory-limits",),
    ("memory-limits", "groups.batch.memory={}", "jobs.night.memory.max=30MiB"),
    ("memory-limits", "jobs.night.memory.max=30MiB", "groups.batch.memory={max: 31MiB}"),
    ("memory-squeeze",),
    ("memory-squeeze", "jobs.refused.start=35s"),
    ("external-fragmentation",),
    ("segmentation", "machine.memory.size=200MiB"),
    ("base-and-bounds",),
    ("shared-weights", "machine.memory.size=90MiB"),
    ("shared-weights", "jobs.roof.memory.limit=8MiB"),
]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_what_would_have_prevented_the_first_kill_does_prevent_it(case: tuple[str, ...]) -> None:
    """Each way that a report names, pasted as it stands: that process does not end at that time."""
    name, *changes = case
    kill = result_of(name, *changes).table("kills").iloc[0]
    ways = [shlex.split(way) for way in kill["saved_by"].split(" or ")]
    assert ways[0]
    for way in ways:
        again = as_result(load_scenario(name, [*changes, *way])).table("kills")
        same = again[(again["pid"] == kill["pid"]) & (again["time_s"] <= kill["time_s"] + 1e-3)]
        assert same.empty, way


def test_no_less_would_have_done() -> None:
    """A page less than the size that is named, and it comes to the same."""
    kill = result_of("oom").table("kills").iloc[0]
    size = int(re.fullmatch(r"machine.memory.size=(\d+)KiB", kill["saved_by"])[1])
    again = as_result(load_scenario("oom", [f"machine.memory.size={size - 4}KiB"])).table("kills").iloc[0]
    assert (again["job"], again["time_s"]) == (kill["job"], kill["time_s"])


def test_a_kill_is_told_in_every_way() -> None:
    """In the events, the notes, the summary's JSON, and a threshold of the job."""
    result = result_of("oom")
    content = summary(result)
    (kill,) = content["kills"]
    assert (kill["job"], kill["asking_job"], kill["killer"], kill["kind"]) == (
        "night",
        "dock",
        "tickets",
        "killed",
    )
    assert [one["job"] for one in kill["candidates"]] == ["night", "gate", "lobby", "dock"]
    assert kill["candidates"][0]["score"] > 4
    assert kill["candidates"][1]["score"] < 1
    event = result.table("events").query("kind == 'kill'").iloc[0]
    assert event["detail"] == kill["reason"]
    note = next(
        one for one in content["notes"] if one.startswith("night was killed at 30.0 s: out of memory: dock")
    )
    assert note.endswith(f"It would not have come to this with --set {kill['saved_by']}.")
    assert [(row["name"], row["oom_kills"]) for row in content["memory_limits"]] == [
        ("gate", 0),
        ("lobby", 0),
        ("dock", 0),
        ("night", 1),
    ]


def test_a_result_has_its_picture_of_limits(tmp_path) -> None:
    """Drawn where a scenario says who may hold what, and nowhere else."""
    plain = parse_scenario("name: x\nduration: 1s\nscheduler: cfs\njobs: {a: {workload: cpu-bound}}\n")
    for result, drawn in ((as_result(parse_scenario(SMALL)), True), (as_result(plain), False)):
        names = [path.name for path in draw_all(result, tmp_path / str(drawn))]
        assert ("memory_limits.png" in names) is drawn


def test_limits_hold_at_every_window_and_count_in_the_groups_around() -> None:
    """Memory of a group is that of what is in it; tickets may change on the way."""
    result = as_result(parse_scenario(SMALL))
    table = result.table("memory_control").pivot_table(
        ["held_bytes", "entitled_resident_bytes", "memory_tickets"], index="time_s", columns="name"
    )
    held = table["held_bytes"]
    assert (held["batch"] == held["inner"]).all()
    assert (held["inner"] == held["leak"]).all()
    assert (held["inner"] <= 3 << 20).all()
    tickets = table["memory_tickets"]["gate"]
    assert (tickets.iloc[0], tickets.iloc[-1]) == (300, 50)
    first = table["entitled_resident_bytes"].iloc[0]
    assert (first["gate"], first["leak"]) == (6 << 20, 2 << 20)
    kill = result.table("kills").iloc[0]
    assert (kill["job"], kill["limit"], kill["short"]) == ("leak", "inner", "memory.max")
    assert kill["saved_by"].startswith("groups.inner.memory.max=")
    assert "tickets" in result.table("events")["kind"].tolist()


def test_the_same_scenario_gives_the_same_tables() -> None:
    """Kills and sleeps included."""
    first, second = (Simulation(parse_scenario(SMALL)).run().tables for _ in range(2))
    assert list(first) == list(second)
    assert all(first[name].to_pandas().equals(second[name].to_pandas()) for name in first)


@pytest.mark.parametrize("name", ["shared-weights", "memory-squeeze"])
def test_limits_that_nobody_reaches_change_no_other_table(name: str) -> None:
    """And a killer that nobody needs."""
    plain = Simulation(load_scenario(name)).run().tables
    job = next(iter(load_scenario(name).jobs))
    changes = [f"jobs.{job}.memory.max=180MiB", f"jobs.{job}.memory.tickets=7"]
    limited = Simulation(load_scenario(name, changes)).run().tables
    assert sorted(set(limited) - set(plain)) == ["memory_control", "memory_limits"]
    kills = ("kills", "kill_candidates")  # who was in line for a kill depends on tickets
    same = [plain[name].to_pandas().equals(limited[name].to_pandas()) for name in plain if name not in kills]
    assert all(same)


def test_groups_for_memory_alone_leave_the_cpu_to_the_scheduler() -> None:
    """Whatever scheduler; with weights too, one that looks at groups is needed."""
    scenario = parse_scenario(SMALL)
    assert [process.group for process in Simulation(scenario).machine.processes] == ["root", "root"]
    fair = Simulation(scenario, policy="eevdf").machine
    assert [process.group for process in fair.processes] == ["root", "inner"]
    with pytest.raises(ScenarioError, match="stride cannot share the CPU between groups"):
        parse_scenario(SMALL.replace("inner: {of", "inner: {weight: 50, of"))


def test_a_written_scenario_reads_the_same_again() -> None:
    """With all that can be said of memory."""
    scenario = parse_scenario(SMALL)
    assert Scenario.model_validate(scenario.model_dump(by_alias=True)) == scenario


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("max: 4MiB, high: 3MiB", "max: 4MiB, high: 5MiB", r"x.yaml:8:.*5MiB is above max, 4MiB"),
        ("max: 4MiB, high: 3MiB", "max: 9MiB", r"x.yaml:8:.*9MiB is more than the memory"),
        ("tickets: 300", "high: 1GiB", r"jobs.gate.memory.high: 1GiB is more than the memory"),
        (
            "tickets: 300",
            "max: 20KiB",
            r"jobs.gate.memory.max: 20KiB is less than gate needs to start, 32KiB",
        ),
        (
            "max: 3MiB}}",
            "max: 20KiB}}",
            r"groups.inner.memory.max: 20KiB is less than leak needs to start, 32KiB",
        ),
        ("tickets: 300", "oom_score_adj: -1001", "-1001 is too small; it must be -1000 or more"),
        ("tickets: 300", "oom_score_adj: 1001", "1001 is too large; it must be 1000 or less"),
        ("tickets: 300", "tickets: 0", r"jobs.gate.memory.tickets: 0 is too small; it must be 1 or more"),
        ("tickets: 300", "tickets: 99999999999999999999", r"it must be 1000000 or less"),
        ("tickets: 300", "tickets: many", "many is not a whole number such as 3"),
        ("memory_tickets: 50", "memory_tickets: 0", r"changes\[0\].memory_tickets: 0 is too small"),
        (
            "job: gate, memory_tickets: 50",
            "memory_tickets: 50",
            "a change names a job and its tickets, nice value or memory_ti",
        ),
        ("oom: linux", "oom: linus", r"did you mean linux\? \(known: kill-asking, linux, tickets\)"),
        ("oom: linux", "oom_killer: linux", r"memory.oom_killer: unknown key \(known here: .* oom,"),
        ("max: 3MiB}}", "maximum: 3MiB}}", r"groups.inner.memory.maximum: unknown key; did you mean max\?"),
        ("max: 3MiB}}", "tickets: 3}}", r"groups.inner.memory.tickets: unknown key"),
        ("translation: paging", "translation: none", "nobody else's end would make room; write kill-asking"),
    ],
)
def test_a_mistake_is_explained_at_its_place(old: str, new: str, message: str) -> None:
    """One clear error: what, where, and what would be right."""
    assert old in SMALL
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(SMALL.replace(old, new), "x.yaml")
