"""Jobs bound to CPUs."""

from __future__ import annotations

import pytest

from scenarios.loader import parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation

BOUND = """
name: bound
duration: 1s
machine: {cpus: 2}
scheduler: stride
jobs:
  left: {workload: cpu-bound, affinity: [0]}
  also-left: {workload: cpu-bound, affinity: [0]}
  free: {workload: cpu-bound}
"""


@pytest.mark.parametrize("scheduler", ["stride", "lottery", "round-robin"])
def test_bound_jobs_never_run_elsewhere(scheduler: str) -> None:
    """Every slice on the second CPU is the free job's, and the first serves all three."""
    slices = Simulation(parse_scenario(BOUND), policy=scheduler, all_slices=True).run().tables["slices"]
    by_cpu: dict[int, set[str]] = {0: set(), 1: set()}
    for cpu, job in zip(slices["cpu"].to_pylist(), slices["job"].to_pylist(), strict=True):
        by_cpu[cpu].add(job)
    assert by_cpu[1] == {"free"}
    assert by_cpu[0] >= {"left", "also-left"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("affinity: [0]", "affinity: [2]"), "jobs.left.affinity.*there is no CPU 2; the machine has 0 to 1"),
        (("affinity: [0]", "affinity: []"), "jobs.left.affinity"),
        (("affinity: [0]", "affinity: 0"), "jobs.left.affinity"),
        (("cpus: 2", "cpus: 1"), "FITS"),
    ],
)
def test_a_cpu_that_is_not_there_is_named_at_its_line(change: tuple[str, str], message: str) -> None:
    """File, line, key, and which CPUs there are."""
    text = BOUND.replace(*change, 1)
    if message == "FITS":
        assert parse_scenario(text).jobs["left"].cpu_mask == 1
        return
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(text)
