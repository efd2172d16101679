"""Groups and nice values in scenario files."""

from __future__ import annotations

import pytest

from reports.summary import summary
from scenarios.loader import parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation
from scenarios.schema import Scenario
from simulator.dispatcher import PolicyError
from timeshare.running import as_result

TWO = """\
name: two
duration: 10s
machine: {cpus: 1}
scheduler: eevdf
groups:
  large: {weight: 300}
  small: {weight: 100}
  limited: {of: large, weight: 100, cpu_max: {quota: 20ms}}
jobs:
  a: {workload: cpu-bound, group: large, nice: 0}
  b: {workload: cpu-bound, group: small, nice: 0}
  c: {workload: cpu-bound, group: small, nice: 5}
  d: {workload: cpu-bound, group: limited}
"""


def run(text):
    """Simulate and return the tables of groups and processes as plain dictionaries, and the output."""
    output = Simulation(parse_scenario(text)).run()
    processes = output.tables["processes"].to_pylist()
    return (
        {row["group"]: row for row in output.tables["groups"].to_pylist()},
        {row["job"]: row["cpu_s"] for row in processes},
        output,
    )


def test_weights_and_quotas_decide_what_groups_get():
    """Three to one between groups, nice within; a nested quota of a fifth of the CPU is never exceeded."""
    groups, cpu_s, _ = run(TWO)
    assert groups["large"]["cpu_s"] == pytest.approx(7.5, abs=0.02)
    assert groups["small"]["cpu_s"] == pytest.approx(2.5, abs=0.02)
    assert groups["limited"]["cpu_s"] == pytest.approx(2.0, abs=0.01)
    assert sum(cpu_s.values()) == pytest.approx(10.0)
    # Nice 0 against 5 is 1024 : 335.
    assert cpu_s["b"] / cpu_s["c"] == pytest.approx(1024 / 335, rel=0.02)
    assert groups["limited"]["throttled_periods"] > 90
    assert groups["large"]["throttled_periods"] == 0


def test_the_report_says_who_was_held_back():
    """In the notes, in words; results without groups say nothing of them."""
    result = as_result(run(TWO)[2])
    assert any(
        sentence.startswith("Held back because the quota was spent, over all CPUs: limited")
        for sentence in summary(result)["notes"]
    )
    plain = parse_scenario("name: x\nduration: 1s\nscheduler: cfs\njobs: {a: {workload: cpu-bound}}\n")
    assert as_result(Simulation(plain).run()).table("groups").empty


def test_nice_is_the_kernels_weight_as_tickets():
    """And a written scenario reads the same again."""
    scenario = parse_scenario(TWO)
    assert (scenario.jobs["a"].tickets, scenario.jobs["c"].tickets) == (1024, 335)
    assert Scenario.model_validate(scenario.model_dump(by_alias=True)) == scenario


def test_renice_changes_the_weight():
    """A job that is reniced half-way has the kernel's weight of the new value from then on."""
    text = """
name: renice
duration: 2s
scheduler: cfs
jobs:
  a: {workload: cpu-bound, nice: 0}
  b: {workload: cpu-bound, nice: 0}
changes:
  - {at: 1s, job: b, nice: 5}
"""
    scenario = parse_scenario(text)
    assert scenario.changes[0].tickets == 335
    cpu = as_result(Simulation(scenario).run()).table("cpu")
    half = cpu[cpu["window_start_s"] >= 1].groupby("job")["cpu_s"].sum()
    assert half["a"] / half.sum() == pytest.approx(1024 / 1359, abs=0.02)
    assert cpu["cpu_s"].sum() - half.sum() == pytest.approx(1, abs=0.02)
    with pytest.raises(ScenarioError, match=r"give tickets or nice, not both; nice 5 is 335 tickets"):
        parse_scenario(text.replace("nice: 5}", "nice: 5, tickets: 3}"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "quota: 20ms",
            "quota: 120ms",
            r"two.yaml:8:.*120ms in each 100ms is more than the CPU has: at most 100ms",
        ),
        (
            "of: large",
            "of: larg",
            r"unknown group larg; did you mean large\? \(known: root, large, small, limited\)",
        ),
        ("group: small, nice: 5", "group: smal", r"jobs.c.group: unknown group smal; did you mean small"),
        ("large: {weight: 300}", "large: {weight: 300, of: limited}", "in each other in a circle"),
        ("weight: 300", "weight: 30000", "a weight is from 1 to 10000, not 30000"),
        ("quota: 20ms}", "quota: 20ms, perod: 1s}", r"unknown key; did you mean period\?"),
        ("nice: 5}", "nice: 5, tickets: 7}", "give tickets or nice, not both; nice 5 is 335 tickets"),
        ("nice: 5}", "nice: 25}", "25 is too large; it must be 19 or less"),
        ("scheduler: eevdf", "scheduler: stride", "the scheduler stride cannot share the CPU between groups"),
    ],
)
def test_a_mistake_is_explained_at_its_place(old, new, message):
    """One clear error: what, where, and what would be right."""
    assert old in TWO
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(TWO.replace(old, new), "two.yaml")


def test_another_scheduler_that_knows_no_groups_says_so():
    """When it is chosen beside the file."""
    with pytest.raises(PolicyError, match="scheduler 'lottery' cannot share the CPU between groups"):
        Simulation(parse_scenario(TWO), policy="lottery")
