"""Comparisons from Python and in worker processes: adaptive, in order, and the same whoever computes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import timeshare
from scenarios.loader import parse_scenario
from simulator.errors import TimeshareError
from timeshare import running
from timeshare.running import run_comparison
from timeshare.workers import Workers

TINY = """
name: tiny
duration: 1s
scheduler: stride
jobs:
  a: {workload: cpu-bound, tickets: 300}
  b: {workload: cpu-bound, tickets: 100}
"""


def test_a_deterministic_comparison_ends_after_three():
    """Stride and round robin on CPU-bound jobs: nothing is left to chance."""
    result = timeshare.compare(parse_scenario(TINY), ["stride", "round-robin"])
    assert result.manifest.replications == 3
    assert result.manifest.adaptive


def test_a_lottery_goes_on_to_the_cap():
    """One second of lottery is never known to 1 % from twelve replications."""
    result = timeshare.compare(parse_scenario(TINY), ["lottery", "stride"], max_replications=12)
    assert result.manifest.replications == 12
    table = result.table("replications")
    assert table.groupby("scheduler")["replication"].nunique().tolist() == [12, 12]


def test_a_number_is_kept_to():
    """Whatever the intervals say."""
    result = timeshare.compare(parse_scenario(TINY), ["stride"], replications=5)
    assert (result.manifest.replications, result.manifest.adaptive) == (5, False)


def test_adding_replications_changes_none_that_were_there():
    """Replication 4 is the same whether 5 or 12 are made."""
    few = timeshare.compare(parse_scenario(TINY), ["lottery"], replications=5).table("replications")
    many = timeshare.compare(parse_scenario(TINY), ["lottery"], max_replications=12).table("replications")
    assert many[many["replication"] < 5].reset_index(drop=True).equals(few)


@pytest.mark.parametrize("wrong", [{"replications": 0}, {"max_replications": 0}, {"jobs": 0}])
def test_nothing_below_one_is_taken(wrong):
    """Zero replications are no comparison."""
    with pytest.raises(ValueError, match="at least 1"):
        timeshare.compare(parse_scenario(TINY), ["stride"], **wrong)


def test_worker_processes_write_the_same_bytes(tmp_path, monkeypatch):
    """Two workers, or none: every file of the result is equal byte for byte."""
    scenario = parse_scenario(TINY)
    written = []
    for jobs, worth_s in ((1, 2.0), (2, 0.0)):
        started = []

        def workers(function, jobs, worth_s=worth_s, started=started):
            started.append(Workers(function, jobs, worth_s=worth_s))
            return started[0]

        monkeypatch.setattr(running, "Workers", workers)
        output = run_comparison(scenario, ["lottery", "stride"], max_replications=10, jobs=jobs)
        assert (started[0]._pool is not None) == (jobs == 2)
        directory = tmp_path / str(jobs)
        directory.mkdir()
        output.write(directory)
        written.append({path.name: path.read_bytes() for path in sorted(directory.iterdir())})
    assert written[0] == written[1]
    assert len(written[0]) == 5


def test_results_come_in_order_from_workers_too():
    """In the order of the calls, over several rounds, and no process is left behind."""
    before = set(multiprocessing.active_children())
    with Workers(pow, 2, worth_s=0.0) as workers:
        assert list(workers.results([(2, n) for n in range(20)])) == [2**n for n in range(20)]
        assert list(workers.results([(3, n) for n in range(5)])) == [3**n for n in range(5)]
        assert workers._pool is not None
    assert set(multiprocessing.active_children()) <= before


def test_little_work_stays_in_this_process():
    """Processes that take a second to start are not started for a millisecond of work."""
    with Workers(pow, 2) as workers:
        assert list(workers.results([(2, n) for n in range(20)])) == [2**n for n in range(20)]
        assert workers._pool is None


def test_a_worker_that_is_killed_is_one_clear_error():
    """And not a traceback from the depths of the standard library."""
    with pytest.raises(TimeshareError, match="--jobs"), Workers(os._exit, 2, worth_s=0.0) as workers:
        list(workers.results([(9,), (9,)]))


def test_an_error_in_a_worker_is_the_users_to_see():
    """It is raised here as it would be without workers."""
    with pytest.raises(ZeroDivisionError), Workers(pow, 2, worth_s=0.0) as workers:
        list(workers.results([(0, 1), (0, 1), (0, -1)]))


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_ctrl_c_ends_the_workers_and_writes_nothing(tmp_path):
    """Exit code 130, no process left, no file left."""
    long = TINY.replace("duration: 1s", "duration: 20s").replace("jobs:", "machine: {quantum: 1ms}\njobs:")
    (tmp_path / "long.yaml").write_text(long)
    command = ["compare", "long.yaml", "--jobs", "2", "--max-replications", "5000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "timeshare", *command],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and len(members(process.pid)) < 4:  # itself, two workers and their tracker
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to all of them
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (out, err.lstrip()) == ("", "interrupted; nothing was written\n")
    deadline = time.monotonic() + 20
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert members(process.pid) == []
    assert [path.name for path in tmp_path.iterdir()] == ["long.yaml"]


def members(group):
    """Return the living processes of a process group."""
    found = []
    for directory in Path("/proc").iterdir():
        if directory.name.isdecimal():
            try:
                stat = (directory / "stat").read_text(encoding="utf-8")
            except OSError:  # it has ended
                continue
            state, _, of = stat.rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                found.append(int(directory.name))
    return found
