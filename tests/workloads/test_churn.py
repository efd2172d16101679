"""The program whose heap fragments."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.loader import parse_scenario
from scenarios.problems import ScenarioError
from timeshare.running import simulate
from workloads.base import Context
from workloads.churn import _sizes, heap_churn

TEXT = """\
name: x
duration: 1s
scheduler: stride
jobs:
  a: {{workload: heap-churn, blocks: 10, smallest: 16B, largest: {largest}, events: 2500, event: 1us}}
  b: {{workload: heap-churn, blocks: 10, smallest: 16B, largest: {largest}, events: 2500, event: 1us}}
"""


def test_it_keeps_its_number_of_blocks_and_sizes_within_drifting_bounds():
    """Every free is of a block alive; at the end blocks are `growth` times as large."""
    names, changes, most = _sizes(np.random.default_rng(1), 50, (16, 1024), 10.0, 4000)
    alive, live, peak = {}, 0, 0
    for event, (name, change) in enumerate(zip(names, changes, strict=True)):
        if change > 0:
            alive[name] = change
            drift = 10 ** (event / 4000)
            assert 16 * drift - 1 <= change <= 1024 * drift
        else:
            assert alive.pop(name) == -change
        assert len(alive) <= 50
        live += change
        peak = max(peak, live)
    assert len(alive) >= 49
    assert peak == most


def test_jobs_with_the_same_options_do_the_same_and_exit():
    """A heap is compared with another on equal terms."""
    result = simulate(parse_scenario(TEXT.format(largest="4KiB")))
    processes = result.table("processes").set_index("job")
    columns = ["mallocs", "frees", "cpu_s", "exit_reason"]
    assert processes.loc["a", columns].tolist() == processes.loc["b", columns].tolist()
    assert processes.loc["a", "mallocs"] + processes.loc["a", "frees"] == 2500
    assert processes.loc["a", "exit_reason"] == "exited"


def test_bounds_the_wrong_way_round_are_refused_at_their_place():
    """One error for each job."""
    with pytest.raises(ScenarioError, match=r"jobs\.a\.largest: smaller than the smallest, 16B"):
        parse_scenario(TEXT.format(largest="8B"))


def test_the_room_it_asks_for_is_a_multiple_of_what_it_needs():
    """Unless the job has a limit."""
    workload = heap_churn(Context("a", None, np.random.default_rng(0)), events=100, blocks=100)
    assert workload.heap_bytes > 1 << 20
    assert not workload.recorded
