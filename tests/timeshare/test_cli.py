"""The command line, as a user meets it."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from timeshare.figures import figure

PICTURES = (
    "cpu_share",
    "memory",
    "memory_map",
    "address_space",
    "latency",
    "gantt",
    "runqueue_latency",
)
SCENARIO = """
name: tiny
duration: 1s
scheduler: stride
jobs:
  a: {workload: cpu-bound, tickets: 300}
  b: {workload: cpu-bound, tickets: 100}
thresholds:
  - a.cpu_share ~ 0.75 +- 0.02
"""


@pytest.fixture
def timeshare(tmp_path):
    """Return a function that runs the program in an empty directory with a scenario `tiny.yaml` in it."""
    (tmp_path / "tiny.yaml").write_text(SCENARIO)

    def run(*arguments, cwd=tmp_path, **environment):
        return subprocess.run(
            [sys.executable, "-m", "timeshare", *arguments],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "COLUMNS": "100", **environment},
        )

    return run


def test_run_shows_tables_and_leaves_a_whole_result(timeshare, tmp_path):
    """Tables on standard output, the rest on standard error, manifest, tables and pictures on disk."""
    done = timeshare("run", "tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "tiny under stride: 1 s on 1 CPU" in done.stdout
    assert "result in results/tiny-stride" in done.stderr
    files = {path.name for path in (tmp_path / "results/tiny-stride").rglob("*") if path.is_file()}
    assert files == {
        "manifest.json",
        *(
            f"{name}.parquet"
            for name in (
                *("processes", "cpus", "cpu", "memory", "requests", "slices", "events"),
                "runqueue_latency",
                *("translation", "physical", "memory_map", "address_spaces"),
                *("kills", "kill_candidates"),
            )
        ),
        *(f"{name}.png" for name in PICTURES),
    }


def test_a_kill_is_explained_and_can_be_reported_from_the_directory_alone(timeshare, tmp_path):
    """The run, its JSON and the report of its directory tell the same; pasting the way out avoids it."""
    tight = """
name: tight
duration: 1s
machine: {memory: {size: 4MiB, translation: paging, oom: linux}}
scheduler: stride
jobs:
  large: {workload: memory-walk, size: 2MiB, stride: 4KiB, pause: 10ms, memory: {code: 16KiB}}
  late: {workload: memory-walk, size: 2MiB, stride: 4KiB, start: 500ms, memory: {code: 16KiB}}
thresholds: [large.oom_kills == 0]
"""
    (tmp_path / "tight.yaml").write_text(tight)
    done = timeshare("run", "tight.yaml", "--json", "--out", "here")
    assert done.returncode == 1
    (kill,) = json.loads(done.stdout)["kills"]
    assert (kill["job"], kill["asking_job"], len(kill["candidates"])) == ("large", "late", 2)
    again = timeshare("report", "here")
    assert "large was killed at 500 ms: out of memory: late asked for" in " ".join(again.stdout.split())
    assert "badness" in again.stdout
    assert timeshare("run", "tight.yaml", "--set", kill["saved_by"], "--out", "there").returncode == 0
    wrong = timeshare("run", "tight.yaml", "--set", "jobs.late.memory.max=5MiB")
    assert wrong.returncode == 2
    assert "--set jobs.late.memory.max=5MiB: 5MiB is more than the memory, which has 4MiB" in wrong.stderr


def test_json_is_all_there_is_on_standard_output(timeshare):
    """One JSON document, with what the tables say."""
    done = timeshare("run", "tiny.yaml", "--json", "--out", "here")
    content = json.loads(done.stdout)
    assert [job["job"] for job in content["jobs"]] == ["a", "b"]
    assert content["jobs"][0]["cpu_share"] == pytest.approx(0.75)
    assert content["thresholds"][0]["passed"] is True
    quiet = timeshare("run", "tiny.yaml", "--quiet", "--out", "here")
    assert (quiet.stdout, quiet.stderr) == ("", "")


def test_a_missed_threshold_exits_with_1_and_keeps_the_result(timeshare, tmp_path):
    """The run itself is fine; what it shows is not."""
    done = timeshare("run", "tiny.yaml", "--scheduler", "round-robin", "--out", "r")
    assert done.returncode == 1
    assert "✗" in done.stdout
    assert (tmp_path / "r/manifest.json").is_file()


def test_set_and_seed_change_the_scenario(timeshare):
    """What is set is what runs, and the manifest says so."""
    done = timeshare("run", "tiny.yaml", "--set", "jobs.b.tickets=300", "--seed", "9", "--json", "--out", "r")
    content = json.loads(done.stdout)
    assert content["seed"] == 9
    assert content["jobs"][1]["cpu_share"] == pytest.approx(0.5)


def test_compare_gives_intervals_and_real_differences(timeshare, tmp_path):
    """Two schedulers, four replications each, one picture."""
    done = timeshare(
        "compare", "tiny.yaml", "--schedulers", "lottery,stride", "--replications", "4", "--out", "c"
    )
    assert "tiny: 4 replications of 1 s" in done.stdout
    assert "±" in done.stdout
    assert (tmp_path / "c/plots/comparison.png").is_file()


def test_compare_without_a_number_says_how_many_it_took_and_why(timeshare):
    """Nothing random: three replications, alike, and a word about it."""
    done = timeshare("compare", "tiny.yaml", "--schedulers", "stride,round-robin", "--out", "c")
    assert "tiny: 3 replications of 1 s" in done.stdout
    assert "3 replications came out alike, so there were no more." in done.stdout
    done = timeshare("compare", "tiny.yaml", "--max-replications", "11", "--json", "--out", "c")
    stopping = json.loads(done.stdout)["stopping"]
    assert (stopping["replications"], stopping["precise"], stopping["scheduler"]) == (11, False, "lottery")
    assert "11 replications, the most allowed" in done.stderr


def test_a_published_figure_is_drawn_where_it_is_wanted(tmp_path, monkeypatch):
    """In the format that the name ends in, with the same bytes each time."""
    monkeypatch.setattr("timeshare.figures.LENGTHS", (1, 2, 3))
    for name in ("a.png", "b.png"):
        assert figure(name="ostep-fairness", out=tmp_path / name, jobs=1, as_json=False, quiet=True) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_report_draws_everything_again_from_the_directory_alone(timeshare, tmp_path):
    """The pictures come out byte for byte as before, and SVG on request."""
    timeshare("run", "tiny.yaml", "--out", "r")
    before = {path.name: path.read_bytes() for path in (tmp_path / "r/plots").iterdir()}
    (tmp_path / "tiny.yaml").unlink()
    done = timeshare("report", "r", "--svg", "--out", "again")
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert {name: after[name] for name in before} == before
    assert sorted(name for name in after if name.endswith(".svg"))


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("scenarios", {"camera-box", "fair-three", "memory-squeeze"}),
        ("schedulers", {"fifo", "lottery", "round-robin", "stride"}),
        ("workloads", {"cpu-bound", "interactive", "vision"}),
        ("models", {"fcn_resnet50", "mobilenet_v3_small", "resnet18", "retinanet_resnet50_fpn"}),
        ("figures", {"ostep-fairness"}),
    ],
)
def test_list_says_what_there_is(timeshare, what, expected):
    """Every list is a table for people and a list of objects for programs."""
    listed = json.loads(timeshare("list", what, "--json").stdout)
    assert expected <= {row["name"] for row in listed}
    shown = timeshare("list", what)
    assert all(name in shown.stdout for name in expected)


def test_schema_is_a_json_schema(timeshare):
    """Editors can use it."""
    schema = json.loads(timeshare("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "jobs" in schema["properties"]


def cpu_s(pid):
    """Return the CPU time that a running process has used, in seconds (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


MISTAKES = [
    (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
    (["run", "tiny.yaml", "--set", "jobs.a.tickts=3"], "did you mean tickets?"),
    (["run", "tiny.yaml", "--set", "duration=60"], "60s"),
    (["run", "tiny.yaml", "--set", "duration=10MB"], "duration"),
    (["run", "tiny.yaml", "--set", "jobs.a.tickets=-1"], "jobs.a.tickets"),
    (["run", "tiny.yaml", "--set", "jobs.a.tickets=0", "--set", "jobs.b.tickets=0"], "0 tickets"),
    (["run", "tiny.yaml", "--scheduler", "strid"], "did you mean stride?"),
    (["run", "tiny.yaml", "--out", "tiny.yaml"], "is a file"),
    (["run", "tiny.yaml", "--out", "/proc/nowhere/r"], "--out /proc/nowhere/r"),
    (["compare", "tiny.yaml", "--schedulers", "stride,stride"], "named twice"),
    (["compare", "tiny.yaml", "--schedulers", ","], "none named"),
    (["report", "nowhere"], "nowhere: no such directory"),
    (["report", "."], "not a timeshare result"),
    (["compare", "tiny.yaml", "--replications", "some"], "neither auto nor a whole number"),
    (["compare", "tiny.yaml", "--replications", "0"], "neither auto nor a whole number"),
    (["figure", "ostep"], "there are: ostep-fairness"),
    (["figure", "ostep-fairness", "--out", "f.txt"], "end the name in .png"),
    (["figure", "ostep-fairness", "--out", "nowhere/f.png"], "there is no directory nowhere"),
    (["profile", "resnet19"], "Did you mean resnet18"),
    (["profile", "resnet18", "--size", "big"], "320x240"),
    (["list", "cats"], "cats"),
]


@pytest.mark.parametrize(("arguments", "expected"), MISTAKES, ids=[" ".join(case[0]) for case in MISTAKES])
def test_a_mistake_is_answered_in_one_message_and_writes_nothing(timeshare, tmp_path, arguments, expected):
    """Exit code 2, what is wrong and what would be right, no traceback, nothing written."""
    done = timeshare(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.yaml"]


def test_a_mistake_in_the_file_is_shown_at_its_line(timeshare, tmp_path):
    """File, line, column, key, the line itself, and the nearest key: also for a profile that is missing."""
    (tmp_path / "bad.yaml").write_text(
        SCENARIO.replace("b: {workload: cpu-bound, tickets: 100}", "b: {workload: vision, profile: resnet81}")
    )
    done = timeshare("run", "bad.yaml")
    assert done.returncode == 2
    assert "bad.yaml:7:" in done.stderr
    assert "jobs.b.profile" in done.stderr
    assert "resnet18" in done.stderr


def test_a_job_named_twice_is_refused_with_both_lines(timeshare, tmp_path):
    """YAML would silently take the last one."""
    (tmp_path / "twice.yaml").write_text(SCENARIO.replace("  b: {", "  a: {"))
    done = timeshare("run", "twice.yaml")
    assert done.returncode == 2
    assert re.search(r"twice\.yaml:7:.*line 6", done.stderr)


def test_a_profile_from_a_newer_version_is_told_so(timeshare, tmp_path):
    """The format's version is checked before anything else is read."""
    newer = json.dumps({"format": "timeshare-profile", "version": 99}).encode()
    (tmp_path / "new.json.gz").write_bytes(gzip.compress(newer))
    (tmp_path / "bad.yaml").write_text(
        SCENARIO.replace("b: {workload: cpu-bound,", "b: {workload: vision, profile: new.json.gz,")
    )
    done = timeshare("run", "bad.yaml")
    assert done.returncode == 2
    assert "version 99" in done.stderr
    assert "bad.yaml:7:" in done.stderr


@pytest.mark.usefixtures("timeshare")
def test_interrupting_leaves_nothing_and_exits_with_130(tmp_path):
    """Ctrl-C in the middle of a long run."""
    long = SCENARIO.replace("duration: 1s", "duration: 1000h").replace(
        "jobs:", "machine: {quantum: 1us}\njobs:"
    )
    (tmp_path / "long.yaml").write_text(long)
    running = subprocess.Popen(
        [sys.executable, "-m", "timeshare", "run", "long.yaml"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while cpu_s(running.pid) < 1:
        time.sleep(0.05)
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert "interrupted" in err
    assert out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.yaml", "tiny.yaml"]


def test_without_torch_recording_names_the_pip_command(timeshare, tmp_path):
    """Everything else works without it."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
    done = timeshare("profile", "resnet18", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "pip install 'timeshare[vision]'" in done.stderr
    assert timeshare("list", "models", PYTHONPATH=str(tmp_path)).returncode == 0


def test_a_model_of_ones_own_that_raises_is_one_clear_error(timeshare, tmp_path):
    """The model's own message, its name, and no half-written profile."""
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text("def model():\n    raise RuntimeError('no such backbone')\n")
    done = timeshare("profile", "mine:model", "--out", "p.json.gz")
    assert done.returncode == 2
    assert "mine:model" in done.stderr
    assert "no such backbone" in done.stderr
    assert not (tmp_path / "p.json.gz").exists()


TINY_MODEL = """
import torch

def model():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()), torch.rand(1, 3, 32, 32)
"""


def test_a_model_of_ones_own_is_recorded_when_a_scenario_first_names_it(timeshare, tmp_path):
    """`model: module:callable` records, keeps the profile, and does not record again."""
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(TINY_MODEL)
    (tmp_path / "own.yaml").write_text(
        SCENARIO.replace("b: {workload: cpu-bound,", "b: {workload: vision, model: 'mine:model',")
    )
    kept = {"TIMESHARE_PROFILES": str(tmp_path / "profiles")}
    done = timeshare("run", "own.yaml", "--json", **kept)
    assert done.returncode == 0, done.stderr
    jobs = {job["job"]: job for job in json.loads(done.stdout)["jobs"]}
    assert jobs["b"]["finished"] > 100
    profile = tmp_path / "profiles/mine.model.json.gz"
    first = profile.stat().st_mtime_ns
    assert timeshare("run", "own.yaml", "--quiet", **kept).returncode == 0
    assert profile.stat().st_mtime_ns == first


def test_profile_records_and_says_what_is_dear(timeshare, tmp_path):
    """A table for people, JSON for programs, and a file that scenarios can use."""
    pytest.importorskip("torch")
    (tmp_path / "mine.py").write_text(TINY_MODEL)
    done = timeshare("profile", "mine:model", "--out", "mine.json.gz", "--json", "--runs", "3")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["model"], said["input_shape"], said["weights"]) == ("model", [1, 3, 32, 32], "random")
    assert said["peak_bytes"] > 0
    assert "aten::conv2d" in done.stderr
    (tmp_path / "own.yaml").write_text(
        SCENARIO.replace("b: {workload: cpu-bound,", "b: {workload: vision, profile: mine.json.gz,")
    )
    assert timeshare("run", "own.yaml", "--quiet").returncode == 0
