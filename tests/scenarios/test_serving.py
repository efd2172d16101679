"""Bursts, files of times and MLPerf's scenarios: from the scenario file to the table of requests."""

from __future__ import annotations

import numpy as np
import pytest

from scenarios.arrivals import KINDS, Bursts
from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation

BOX = """
name: box
duration: 2s
seed: 5
machine: {cpus: 4}
scheduler: stride
jobs:
  gate: {workload: vision, profile: mobilenet_v3_small, arrivals: ARRIVALS}
"""


def requests(arrivals, more="", **options):
    """Simulate and return the table of requests."""
    text = BOX.replace("ARRIVALS", arrivals) + more
    return Simulation(parse_scenario(text), **options).run().tables["requests"].to_pandas()


def problem(arrivals, directory="."):
    """Return the text of the error of a scenario that must not load."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(BOX.replace("ARRIVALS", arrivals), "box.yaml", directory=directory)
    return str(caught.value)


def test_bursts_arrive_together_and_pause():
    """Two bursts a second of three frames, 5 ms apart, the first after 100 ms."""
    found = requests("{bursts: {every: 500ms, count: 3, spacing: 5ms, phase: 100ms, queue: 3}}")
    expected = [0.1 + 0.5 * burst + 0.005 * frame for burst in range(4) for frame in range(3)]
    assert found["arrived_s"].to_numpy() == pytest.approx(expected)
    assert (found["outcome"] == "finished").all()


def test_bursts_that_overlap_are_refused():
    """A burst must be over before the next begins."""
    assert "a burst lasts 90ms, and the next comes before it is over" in problem(
        "{bursts: {every: 90ms, count: 10, spacing: 10ms}}"
    )
    assert Bursts(every="91ms", count=10, spacing="10ms").count == 10


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("times.txt", "# of the gate\n0.25\n\n500ms\n1.2500000000000001\n"),
        ("times.csv", '\ufeffarrived,who\n"0.25",a\n500ms,b\n1.25,c\n'),
    ],
)
def test_requests_arrive_when_a_file_says(tmp_path, name, text):
    """The file lies beside the scenario's, with or without units, as text or as a CSV file's first column."""
    (tmp_path / name).write_text(text, encoding="utf-8")
    scenario = tmp_path / "box.yaml"
    scenario.write_text(BOX.replace("ARRIVALS", f"{{file: {{path: {name}}}}}"), encoding="utf-8")
    table = Simulation(load_scenario(scenario)).run().tables["requests"]
    assert table["arrived_s"].to_pylist() == [0.25, 0.5, 1.25]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"0.1\nsoon\n", "times.csv:2: soon is not a time; write seconds, or a unit, such as 1.5 or 1500ms"),
        (b"0.1\n-3\n", "times.csv:2: -3 is not a time"),
        (b"1s\n900ms\n", "times.csv:2: 900ms comes before the time above it"),
        (b"1 parsec\n", "times.csv:1: 1 parsec is not a time"),
        (b"99999999999\n", "times.csv:1: 99999999999 is not a time"),
        (b"arrived\n", "times.csv: holds no time"),
        (b"1\n\xff\n", "times.csv:2: not UTF-8 text"),
        (None, "times.csv: cannot be read: No such file or directory"),
    ],
)
def test_a_bad_file_is_told_with_its_line(tmp_path, content, said):
    """Whoever wrote the scenario sees where in which file what is wrong."""
    if content is not None:
        (tmp_path / "times.csv").write_bytes(content)
    text = problem("{file: {path: times.csv}}", tmp_path)
    assert said in text
    assert text.startswith("box.yaml:8:")


def test_a_single_stream_sends_the_next_query_with_the_answer_to_the_last():
    """No two queries are under way at once, and none waits."""
    found = requests("single-stream")
    done = found[found["outcome"] == "finished"]
    assert len(done) > 100
    assert found["arrived_s"].to_numpy()[1:] == pytest.approx(done["finished_s"].to_numpy()[: len(found) - 1])


def test_a_multi_stream_sends_eight_samples_and_waits_for_all():
    """Query after query, each when the last sample of the one before is answered."""
    found = requests("multi-stream")
    whole = found.iloc[: len(found) // 8 * 8]
    arrived = whole["arrived_s"].to_numpy().reshape(-1, 8)
    finished = whole["finished_s"].to_numpy().reshape(-1, 8)
    assert len(arrived) > 10
    assert (arrived == arrived[:, :1]).all()
    assert arrived[1:, 0] == pytest.approx(finished[:-1].max(axis=1))


def test_a_server_is_offered_queries_at_random_and_its_bound_is_the_deadline():
    """At the target rate within four standard errors; none is dropped."""
    found = requests("{server: {rate: 500, bound: 20ms}}")
    assert len(found) == pytest.approx(1000, abs=4 * np.sqrt(1000))
    assert (found["deadline_s"] == 0.02).all()
    assert not (found["outcome"] == "dropped").any()
    done = found[found["outcome"] == "finished"]
    assert (done["met"] == (done["latency_s"] <= 0.02)).all()


def test_a_server_takes_no_second_deadline():
    """The bound is one already."""
    text = BOX.replace("ARRIVALS", "{server: {rate: 5, bound: 20ms}}, deadline: 30ms")
    with pytest.raises(ScenarioError, match="leave `deadline` out"):
        parse_scenario(text)


def test_missed_deadlines_of_a_server_can_be_a_threshold():
    """The bound counts as the deadline there, too."""
    text = BOX.replace("ARRIVALS", "{server: {rate: 5, bound: 20ms}}")
    assert parse_scenario(f"{text}thresholds: [gate.missed_deadlines == 0]").thresholds


def test_offline_all_samples_are_there_at_once_and_the_job_exits_when_done():
    """So many samples, more than are made at once, and no more."""
    output = Simulation(parse_scenario(BOX.replace("ARRIVALS", "{offline: {samples: 280}}"))).run()
    found = output.tables["requests"].to_pandas()
    assert found["arrived_s"].tolist() == [0.0] * 280
    assert output.tables["processes"]["exited_s"].to_pylist() == [found["finished_s"].max()]


RANDOM = {
    "camera": "{fps: 50, jitter: 9ms}",
    "poisson": "{rate: 50}",
    "bursts": "{every: 300ms, count: 9, spacing: 3ms, jitter: 9ms}",
    "server": "{rate: 50, bound: 20ms}",
}


@pytest.mark.parametrize("kind", RANDOM)
def test_other_jobs_and_policies_leave_arrivals_as_they_were(kind):
    """Each job draws from a stream of its own; another seed gives other times."""
    arrivals = f"{{{kind}: {RANDOM[kind]}}}"
    alone = requests(arrivals)["arrived_s"].tolist()
    beside = requests(
        arrivals, f"  dock: {{workload: vision, profile: resnet18, arrivals: {arrivals}}}\n", policy="lottery"
    )
    assert beside.loc[beside["job"] == "gate", "arrived_s"].tolist() == alone
    assert beside.loc[beside["job"] == "dock", "arrived_s"].tolist() != alone
    assert requests(arrivals, replication=1)["arrived_s"].tolist() != alone


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in {"closed-loop", *RANDOM, "file"}])
def test_what_needs_no_chance_is_the_same_in_every_replication(kind):
    """Single stream, multi-stream and offline draw nothing."""
    assert requests(kind)["arrived_s"].tolist() == requests(kind, replication=1)["arrived_s"].tolist()
