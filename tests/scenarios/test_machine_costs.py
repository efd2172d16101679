"""What the machine's own work costs, from the scenario file to the tables."""

from __future__ import annotations

import numpy as np

from scenarios.loader import parse_scenario
from scenarios.runner import Simulation

THREE_ON_TWO = """
name: x
duration: 1s
scheduler: stride
machine: {cpus: 2, migration: 50us, context_switch: 1us}
jobs: {a: {workload: cpu-bound}, b: {workload: cpu-bound}, c: {workload: cpu-bound}}
"""


def test_migrations_cost_what_the_scenario_says_and_the_books_balance():
    """Three jobs that take turns on two CPUs migrate; every nanosecond of it is in the table."""
    tables = Simulation(parse_scenario(THREE_ON_TWO)).run().tables
    cpus, processes = (tables[name].to_pandas() for name in ("cpus", "processes"))
    spent = cpus[["busy_s", "switching_s", "migrating_s", "ticking_s", "idle_s"]].sum(axis=1)
    assert np.allclose(spent, cpus["elapsed_s"], atol=1e-9, rtol=0)
    # A migration that the end of the run cuts short, at most one a CPU, is booked as far as it came.
    missing = processes["migrations"].sum() * 50e-6 - cpus["migrating_s"].sum()
    assert processes["migrations"].sum() > 0
    assert -1e-9 <= missing <= 100e-6
