"""From a scenario to tables."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from scenarios.library_index import library_names
from scenarios.loader import load_scenario, parse_scenario
from scenarios.runner import Simulation

LONG_NS = 5 * 60 * 10**9

SMALL = """
name: small
duration: 2s
scheduler: lottery
machine: {cpus: 2, context_switch: 5us}
jobs:
  camera:
    workload: vision
    profile: mobilenet_v3_small
    tickets: 300
    arrivals: {camera: {fps: 20, jitter: 5ms}}
    deadline: 100ms
  server: {workload: vision, profile: mobilenet_v3_small, arrivals: {poisson: {rate: 5, queue: 3}}}
  hog: {workload: cpu-bound, tickets: 50, start: 500ms}
  editor: {workload: interactive, compute: 2ms, sleep: 30ms}
changes:
  - {at: 1s, job: hog, tickets: 500}
"""


def outputs(text=SMALL, **options):
    """Simulate and return the tables as frames."""
    output = Simulation(parse_scenario(text), **options).run()
    return {name: table.to_pandas() for name, table in output.tables.items()}


def digests(directory, **options):
    """Simulate, write, and return a digest of every file."""
    Simulation(parse_scenario(SMALL), **options).run().write(directory)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.iterdir())}


def test_the_same_seed_gives_the_same_bytes_twice_in_one_process(tmp_path):
    """Every table and the manifest are byte-identical; another replication differs."""
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    first = digests(tmp_path / "a")
    assert digests(tmp_path / "b") == first
    other = digests(tmp_path / "c", replication=1)
    assert other["requests.parquet"] != first["requests.parquet"]


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    """Nothing depends on the process: not on its hash seed, not on its clock."""
    code = (
        "import sys, pathlib; from scenarios.loader import parse_scenario;"
        "from scenarios.runner import Simulation;"
        "Simulation(parse_scenario(sys.argv[1])).run().write(pathlib.Path(sys.argv[2]))"
    )
    digested = []
    for seed in ("1", "2"):
        directory = tmp_path / seed
        directory.mkdir()
        subprocess.run(
            [sys.executable, "-c", code, SMALL, str(directory)], check=True, env={"PYTHONHASHSEED": seed}
        )
        digested.append({path.name: path.read_bytes() for path in sorted(directory.iterdir())})
    assert digested[0] == digested[1]
    assert len(digested[0]) == 15


def test_windows_add_up_to_what_processes_received():
    """The share tables and the process table tell the same story."""
    tables = outputs()
    by_window = tables["cpu"].groupby("job")["cpu_s"].sum()
    for _, process in tables["processes"].iterrows():
        assert by_window[process["job"]] == pytest.approx(process["cpu_s"], abs=1e-9)
    assert tables["cpu"].groupby("window_end_s")["share"].sum().max() <= 1 + 1e-9
    cpus = tables["cpus"]
    assert np.allclose(cpus["busy_s"] + cpus["switching_s"] + cpus["idle_s"], cpus["elapsed_s"])
    assert tables["processes"]["cpu_s"].sum() == pytest.approx(cpus["busy_s"].sum())


def test_every_request_is_accounted_for():
    """Twenty frames a second for two seconds are forty requests, each with one outcome."""
    requests = outputs()["requests"]
    camera = requests[requests["job"] == "camera"]
    assert camera["request"].tolist() == list(range(40))
    finished = camera[camera["outcome"] == "finished"]
    assert np.allclose(finished["latency_s"], finished["finished_s"] - finished["arrived_s"])
    assert (finished["met"] == (finished["latency_s"] <= 0.1)).all()
    assert set(camera["outcome"]) <= {"finished", "dropped", "unfinished"}


def test_changing_the_policy_leaves_the_arrivals_as_they_were():
    """Common random numbers: two policies see the same requests at the same times."""
    first, second = outputs()["requests"], outputs(policy="stride")["requests"]
    for job in ("camera", "server"):
        one, other = first[first["job"] == job], second[second["job"] == job]
        assert one["arrived_s"].tolist() == other["arrived_s"].tolist()


def test_all_slices_are_kept_when_asked_for():
    """With every slice on record they cover all CPU time that was delivered."""
    few, every = outputs()["slices"], outputs(all_slices=True)["slices"]
    assert len(few) <= 410
    busy = outputs()["cpus"]["busy_s"].sum()
    assert (every["end_ns"] - every["start_ns"]).sum() / 1e9 == pytest.approx(busy)
    for _, own in every.groupby("cpu"):
        assert (own["start_ns"].to_numpy()[1:] >= own["end_ns"].to_numpy()[:-1]).all()


def test_the_manifest_is_plain_json_and_tells_what_was_run():
    """Scenario, policy, seed, jobs and versions are in it."""
    manifest = json.loads(json.dumps(Simulation(parse_scenario(SMALL), policy="stride").run().manifest))
    assert (manifest["format"], manifest["version"], manifest["kind"]) == ("timeshare-result", 1, "run")
    assert manifest["scheduler"] == "stride"
    assert manifest["scenario"]["scheduler"]["policy"] == "lottery"
    assert [job["modelled"] for job in manifest["jobs"]] == [False, False, True, True]


@pytest.mark.parametrize("name", library_names())
def test_every_library_scenario_runs_under_every_scheduler(name):
    """What we ship works; what is long is shortened."""
    scenario = load_scenario(name)
    if scenario.duration_ns > LONG_NS:
        scenario = load_scenario(name, ["duration=10s"])
    policies = ("cfs", "eevdf") if scenario.groups else ("lottery", "stride", "round-robin", "fifo")
    threads = sum(getattr(job, "threads", 1) for job in scenario.jobs.values())
    for policy in policies:
        tables = Simulation(scenario, policy=policy).run().tables
        assert tables["processes"].num_rows == threads
