"""What a report says on the terminal, and as JSON."""

import io
import json

import pytest
from rich.console import Console

from reports import units
from reports.fitted import Column, FittedTable
from reports.summary import summary
from reports.tables import report


def printed(renderable, width=120):
    """What a renderable looks like on a terminal of a given width."""
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("shape", [{"jobs": 1, "requests": 0}, {"jobs": 3}, {"jobs": 12, "refused": True}])
def test_a_run_fits_narrow_and_wide_terminals(invent, open_result, shape):
    """No line is longer than the terminal, and nothing essential is cut."""
    content = summary(open_result(invent(**shape)))
    for width in (80, 100, 130):
        text = printed(report(content), width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "\u2026" not in text
        assert all(job["job"] in text for job in content["jobs"])
        assert "entitled" in text


def test_a_wide_terminal_shows_more_columns(three_jobs, open_result):
    """Waiting time and peak heap appear where there is room for them."""
    content = summary(open_result(three_jobs))
    narrow, wide = printed(report(content), 80), printed(report(content), 130)
    assert "wait" not in narrow
    assert "7.20 s" in wide
    assert "400 MiB" in wide


def test_the_least_important_column_goes_first():
    """Columns leave by rank, and those of rank 0 never."""
    table = FittedTable(
        [Column("name", ["x" * 10]), Column("minor", ["y" * 10], rank=9), Column("major", ["z" * 10], rank=1)]
    )
    console = Console(width=25)
    assert [c.header for c in table.fitting(console, console.options)] == ["name", "major"]
    console = Console(width=5)
    assert [c.header for c in table.fitting(console, console.options)] == ["name"]


def test_of_equally_important_columns_the_right_one_goes_first():
    """What stands on the left stays."""
    columns = [Column(name, ["x" * 10], rank=int(name != "name")) for name in ("name", "left", "right")]
    console = Console(width=25)
    assert [c.header for c in FittedTable(columns).fitting(console, console.options)] == ["name", "left"]


def test_a_comparison_says_in_how_many_replications_a_promise_held(compare, open_result):
    """Thresholds of a comparison are told per scheduler."""
    manifest, tables = compare(("lottery", "stride"), 10)
    manifest["thresholds"] = [{"text": "jain > 0.992", "metric": "jain", "op": ">", "value": 0.992}]
    lines = printed(report(summary(open_result((manifest, tables))))).splitlines()
    found = [line.split() for line in lines if "jain > 0.992" in line]
    assert found == [
        ["✗", "lottery", "jain", ">", "0.992", "0.9900", "0", "of", "10"],
        ["✓", "stride", "jain", ">", "0.992", "0.9930", "10", "of", "10"],
    ]


def test_a_column_with_nothing_to_show_is_left_out(invent, open_result):
    """A run without requests has no latency columns."""
    assert "latency" not in printed(report(summary(open_result(invent(requests=0)))))


def test_a_name_is_not_taken_for_markup():
    """A job may be called "[red]"."""
    assert "[red]" in printed(FittedTable([Column("job", ["[red]"], left=True)]))


def test_refusals_and_kills_are_explained(three_jobs, open_result):
    """Who was refused, when and why, in a sentence."""
    manifest, tables = three_jobs
    tables["processes"].loc[1, ["exit_reason", "exited_s"]] = ["killed: out of memory: heap is full", 8.0]
    notes = summary(open_result((manifest, tables)))["notes"]
    assert "night was refused at 4 s: out of memory: needs 2.0 GiB, 0.2 GiB free." in notes
    assert "batch was killed at 8 s: out of memory: heap is full." in notes


def test_thin_evidence_and_models_are_admitted(three_jobs, open_result):
    """A p99 of four requests, requests left over and a modelled job are each told."""
    notes = " ".join(summary(open_result(three_jobs))["notes"])
    assert "p99 latency of gate: it takes 662" in notes
    assert "in no latency: 2 of gate's requests" in notes
    assert "What batch cost is modelled" in notes


def test_starvation_and_failure_are_told(three_jobs, open_result):
    """A job that waited and never ran, and one that exited in error."""
    manifest, tables = three_jobs
    tables["processes"].loc[2, ["exit_reason", "wait_s"]] = ["", 6.0]
    tables["processes"].loc[1, ["exit_reason", "exit_code"]] = ["exited", 3]
    notes = summary(open_result((manifest, tables)))["notes"]
    assert "night waited 6 s for a CPU and never ran." in notes
    assert "batch exited with code 3." in notes


def test_the_summary_is_json_without_nan(three_jobs, open_result):
    """What has no value is null, counts are whole, and the numbers are those of the metrics."""
    content = json.loads(json.dumps(summary(open_result(three_jobs)), allow_nan=False))
    gate, batch, night = content["jobs"]
    assert gate["cpu_share"] == pytest.approx(7 / 9.8)
    assert gate["finished"] == 4
    assert batch["latency_p99_s"] is None
    assert (gate["ended"], night["ended"]) == ("alive", "refused")
    assert content["machine"]["peak_resident_bytes"] == 800 << 20


def test_thresholds_are_ticked_or_crossed(three_jobs, open_result):
    """Each promise with its mark and what was measured."""
    manifest, tables = three_jobs
    kept = {"text": "jain > 0.9", "metric": "jain", "op": ">", "value": 0.9}
    broken = {"text": "oom_kills == 0", "metric": "oom_kills", "op": "==", "value": 0}
    manifest["thresholds"] = [kept, broken]
    lines = printed(report(summary(open_result((manifest, tables))))).splitlines()
    assert next(line for line in lines if "jain > 0.9" in line).split() == ["✓", "jain", ">", "0.9", "0.9918"]
    assert next(line for line in lines if "oom_kills" in line).split()[::4] == ["✗", "1"]


def test_a_comparison_shows_intervals_and_real_differences(compare, open_result):
    """Mean, half-width and a mark at what is real; and what the signs mean."""
    content = summary(open_result(compare()))
    json.dumps(content, allow_nan=False)
    for width in (80, 130):
        text = printed(report(content), width)
        assert max(len(line) for line in text.splitlines()) <= width
        assert "1.037 ± 0.019" in text
        assert "lottery - stride" in text
        assert "+0.500 *" in text
        assert "Student's t" in text


def test_one_replication_says_that_it_gives_no_interval(compare, open_result):
    """No ± without spread, no mark at differences, and a sentence why."""
    text = printed(report(summary(open_result(compare(replications=1)))))
    assert "±" not in text
    assert "*" not in text
    assert "One replication gives no interval" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (units.duration(0.0832), "83.2 ms"),
        (units.duration(3e-6), "3 µs"),
        (units.duration(0.0), "0 s"),
        (units.duration(60.0), "60 s"),
        (units.duration(3600.0), "60 min"),
        (units.duration(float("nan")), "-"),
        (units.size(1536 << 20), "1.50 GiB"),
        (units.size(0), "0 B"),
        (units.percent(0.4981), "49.8 %"),
        (units.points(-0.0021), "-0.21"),
        (units.points(-1e-9), "0.00"),
        (units.number(9.9999999999), "10"),
        (units.number(14400.4), "14,400"),
        (units.number(0.00001234), "1.23e-05"),
        (units.with_error(1.0374, 0.0193), "1.037 ± 0.019"),
        (units.with_error(137.2, 19.4, signed=True), "+137 ± 19"),
        (units.with_error(0.5, float("nan"), signed=True), "+0.500"),
    ],
)
def test_numbers_read_as_people_write_them(text, expected):
    """Three digits, the unit that suits, no noise."""
    assert text == expected
