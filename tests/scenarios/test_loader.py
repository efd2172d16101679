"""Loading a scenario file: every mistake is shown at its line, with what would be right."""

from pathlib import Path

import pytest

from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import MAX_SHOWN, ScenarioError
from simulator.errors import TimeshareError

BOX = """\
name: box
duration: 60s
scheduler: stride
machine:
  cpus: 1
  memory: {size: 4GiB}
jobs:
  gate:
    workload: vision
    profile: resnet18
    tickets: 300
    arrivals: {camera: {fps: 10, queue: 2}}
    deadline: 100ms
  batch: {workload: cpu-bound}
changes:
  - {at: 30s, job: batch, tickets: 400}
thresholds:
  - gate.latency.p99 < 100ms
"""


def box(*replacements: tuple[str, str]) -> str:
    """Return the good file with parts of it replaced."""
    text = BOX
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def failure(text: str) -> ScenarioError:
    """Return the error of a text that must not load."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "box.yaml")
    return caught.value


def test_the_good_file_loads() -> None:
    """The file all the stories below break is itself right."""
    assert parse_scenario(BOX).jobs["gate"].tickets == 300


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("duration: 60s", "duration: 60", "2:11: duration", "60 has no unit; write 60s, 60ms ..."),
        ("duration: 60s", "duration:", "2:1: duration", "nothing is not a duration; write 10s"),
        ("duration: 60s", "duration: 0s", "2:11: duration", "a duration here must be more than 0"),
        ("name: box", "name: 5", "1:7: name", '5 is not text; put it in quotes: "5"'),
        ("name: box", "name: a/b", "1:7: name", "a/b is not a name; use letters, digits, dot, - and _"),
        ("cpus: 1", "cpus: 0", "5:9: machine.cpus", "0 is too small; it must be 1 or more"),
        ("cpus: 1", "cpus: 1.5", "5:9: machine.cpus", "1.5 is not a whole number such as 3"),
        ("cpus: 1", "cpus: true", "5:9: machine.cpus", "true is not a whole number such as 3"),
        (
            "cpus: 1",
            "cpu: 1",
            "5:3: machine.cpu",
            "unknown key; did you mean cpus? (known here: cpus, quantum,",
        ),
        ("4GiB", "4gib", "6:18: machine.memory.size", "gib is not a unit of a size; did you mean GiB?"),
        (
            "{size: 4GiB}",
            "{translation: pagin}",
            "6:25: machine.memory.translation",
            "unknown value pagin; did you mean paging? (known: none, static-relocation, base-and-bounds",
        ),
        (
            "scheduler: stride",
            "scheduler: strid",
            "3:12: scheduler",
            "unknown scheduler strid; did you mean stride?",
        ),
        (
            "tickets: 300",
            "tickts: 300",
            "11:5: jobs.gate.tickts",
            (
                "unknown key; did you mean tickets? "
                "(workload vision takes: tickets, nice, group, currency, start, affinity, memory, profile"
            ),
        ),
        ("tickets: 300", "tickets: -3", "11:14: jobs.gate.tickets", "-3 is too small; it must be 0 or more"),
        (
            "workload: vision",
            "workload: vison",
            "9:15: jobs.gate.workload",
            "unknown workload vison; did you mean vision? (known: cpu-bound, heap-churn, interactive",
        ),
        ("    workload: vision\n", "", "8:3: jobs.gate", "workload is missing: what the job runs (known:"),
        ("    profile: resnet18\n", "", "8:3: jobs.gate", "give one of `profile` and `model`"),
        (
            "profile: resnet18",
            "profile: resnet18\n    model: a:b",
            "11:5: jobs.gate.model",
            "give one of `profile` and `model`, not both",
        ),
        ("fps: 10, ", "", "12:16: jobs.gate.arrivals.camera", "fps is missing: Frames per second"),
        (
            "fps: 10",
            "fps: 0",
            "12:30: jobs.gate.arrivals.camera.fps",
            "0 is too small; it must be more than 0",
        ),
        ("fps: 10", "fps: .nan", "12:30: jobs.gate.arrivals.camera.fps", "nan is not a finite number"),
        (
            "queue: 2",
            "when_full: drop-old",
            "12:45: jobs.gate.arrivals.camera.when_full",
            "unknown value drop-old; did you mean drop-oldest? (known: drop-oldest, drop-newest, wait)",
        ),
        (
            "{camera:",
            "{camra:",
            "12:16: jobs.gate.arrivals.camra",
            "unknown kind of arrivals; did you mean camera? (known: closed-loop, camera, poisson, ",
        ),
        (
            "{camera: {fps: 10, queue: 2}}",
            "camera",
            "12:15: jobs.gate.arrivals",
            "camera needs options; write {camera: {fps: 10}}",
        ),
        (
            "queue: 2",
            "queue: 2, when_full: wait",
            "12:34: jobs.gate.arrivals.camera.queue",
            "with `when_full: wait` the queue has no bound; leave `queue` out",
        ),
        (
            "{workload: cpu-bound}",
            "{workload: cpu-bound, deadline: 3s}",
            "14:32: jobs.batch.deadline",
            (
                "only workload vision takes deadline "
                "(workload cpu-bound takes: tickets, nice, group, currency, start, affinity, memory, work)"
            ),
        ),
        (
            "{workload: cpu-bound}",
            "{workload: interactive, compute: 5ms}",
            "14:3: jobs.batch",
            "sleep is missing: Sleep between two rounds.",
        ),
        (
            "{workload: cpu-bound}",
            "{workload: 'a:b', work: 5s}",
            "14:28: jobs.batch.work",
            "unknown key; what is for the workload goes under options: {work: ...}",
        ),
        (
            "{workload: cpu-bound}",
            "{workload: 'workloads.synthetic:cpu_bound', deadline: 5s}",
            "14:54: jobs.batch.deadline",
            "a deadline is for requests, and this job has none; give it `arrivals`",
        ),
        ("{workload: cpu-bound}", "fast", "14:10: jobs.batch", "fast is not a job; write a mapping with"),
        (
            "job: batch",
            "job: bach",
            "16:20: changes[0].job",
            "unknown job bach; did you mean batch? (known: gate",
        ),
        ("at: 30s", "at: 60s", "16:10: changes[0].at", "the change would come when the run is over; it ends"),
        (
            "{workload: cpu-bound}",
            "{workload: cpu-bound, start: 60s}",
            "14:39: jobs.batch.start",
            "batch would start when the run is over; it ends at 1min",
        ),
        (
            "{workload: cpu-bound}",
            "{workload: cpu-bound, start: 40s}",
            "16:10: changes[0].at",
            "the change comes before batch starts at 40s",
        ),
        ("- gate.", "- gat.", "18:5: thresholds[0]", "unknown job gat; did you mean gate?"),
        ("gate.lat", "batch.lat", "18:5: thresholds[0]", "batch serves no requests, so it has no latency"),
        ("gate.latency.p99", "gate.latncy.p99", "18:5: thresholds[0]", "did you mean latency?"),
        ("name: box", "name: box\nwindow: 1ns", "2:9: window", "gives more than 100000 windows in 1min"),
    ],
)
def test_a_mistake_is_shown_at_its_place_with_what_would_be_right(
    old: str, new: str, place: str, message: str
) -> None:
    """One mistake, one problem: its line, column, key, and advice."""
    error = failure(box((old, new)))
    assert len(error.problems) == 1
    line, column = (int(number) for number in place.split(":")[:2])
    assert str(error).startswith(f"box.yaml:{place}: ")
    assert message in str(error)
    shown, carets = str(error).splitlines()[1:]
    assert shown == f"{line:>5} | " + box((old, new)).splitlines()[line - 1]
    assert carets.index("^") == len("    1 | ") + column - 1


def test_all_mistakes_are_shown_together_in_the_order_of_the_file() -> None:
    """A person corrects a file once, not once per mistake; dangling names count among them."""
    text = box(("cpus: 1", "cpus: 0"), ("tickets: 300", "tickts: 300"), ("- gate.", "- gat."), ("60s", "60"))
    places = [(problem.line, problem.key) for problem in failure(text).problems]
    assert places == [(2, "duration"), (5, "machine.cpus"), (11, "jobs.gate.tickts"), (18, "thresholds[0]")]


def test_very_many_mistakes_are_cut() -> None:
    """The first ten are shown and the rest counted; all are kept on the error."""
    error = failure(BOX + "".join(f"extra{number}: 1\n" for number in range(14)))
    assert len(error.problems) == 14
    assert str(error).count("unknown key") == MAX_SHOWN
    assert str(error).endswith("... and 4 more problems")


def test_missing_keys_of_the_file_are_named() -> None:
    """A file that only has a name is told what else it needs."""
    error = failure("name: x\n")
    assert [problem.message.split(" ")[0] for problem in error.problems] == ["duration", "scheduler", "jobs"]


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    """A path works as text and as a Path, with and without a byte-order mark."""
    path = tmp_path / "box.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + BOX.encode())
    assert load_scenario(path) == load_scenario(str(path)) == parse_scenario(BOX)


def test_mistakes_in_a_file_name_the_file(tmp_path: Path) -> None:
    """The place begins with the path as it was given."""
    path = tmp_path / "mine.yaml"
    path.write_text(box(("60s", "60")))
    with pytest.raises(TimeshareError, match=r"mine\.yaml:2:11: duration: 60 has no unit"):
        load_scenario(path)


def test_a_missing_file_names_the_nearest_library_scenario(tmp_path: Path) -> None:
    """A typing error in a library name is the likely reason."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario("camra-box")
    assert "camra-box: no such file or library scenario; did you mean camera-box? (known:" in str(
        caught.value
    )
    with pytest.raises(ScenarioError, match="did you mean fair-three"):
        load_scenario(tmp_path / "fair-tree.yaml")


def test_a_directory_and_other_encodings_are_refused(tmp_path: Path) -> None:
    """What cannot be text is said to be so."""
    with pytest.raises(ScenarioError, match="a directory; name the scenario file in it"):
        load_scenario(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: x\ndescription: Köln\n".encode("latin-1"))
    with pytest.raises(ScenarioError, match=r"latin\.yaml: line 2 is not UTF-8 text; save the file as UTF-8"):
        load_scenario(path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario("a\0b")


def test_an_endless_file_is_not_read_to_its_end() -> None:
    """Only as much is read as a scenario may have."""
    endless = Path("/dev/zero")
    if not endless.exists():
        pytest.skip("this system has no /dev/zero")
    with pytest.raises(ScenarioError, match="too large"):
        load_scenario(endless)
