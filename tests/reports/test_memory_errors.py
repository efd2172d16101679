"""The section on memory errors: what is shown, and of how much."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from reports.memory_errors import checked_jobs, errors_found, findings, leaked_bytes, lines
from reports.result import Result
from scenarios.loader import parse_scenario
from scenarios.runner import Simulation

SCENARIO = """\
name: x
duration: 1s
scheduler: round-robin
jobs:
  plain: {workload: cpu-bound}
  checked: {workload: memory-walk, size: 4KiB, rounds: 1, memory: {memcheck: report}}
"""


@pytest.fixture(name="result")
def _result() -> Result:
    output = Simulation(parse_scenario(SCENARIO)).run()
    return Result.from_tables(output.manifest, output.tables)


def with_rows(result: Result, *rows: dict) -> Result:
    """Return the result with other findings."""
    usual = {
        "time_s": 0.0,
        "job": "checked",
        "pid": 1,
        "detail": "something",
        "function": "main",
        "place": "step 1",
        "callers": "",
        "address": 0,
        "size_bytes": 8,
        "block_bytes": 8.0,
        "allocated": "",
        "freed": "",
        "count": 1,
    }
    frame = pd.DataFrame([usual | row for row in rows])
    manifest = result.manifest.model_dump()
    names = ["processes", "cpus", "cpu", "memory", "requests", "slices", "events"]
    tables = {name: result.table(name) for name in names} | {"memory_errors": frame}
    return Result.from_tables(manifest, tables)


def test_a_job_without_an_error_says_so(result: Result) -> None:
    """Only jobs that were checked are told of."""
    assert checked_jobs(result) == ["checked"]
    (found,) = findings(result)
    assert list(lines(found)) == ["checked under memcheck: 0 errors, no leaks"]
    assert errors_found(result) == 0
    assert leaked_bytes(result, "checked") == 0
    assert math.isnan(leaked_bytes(result, "plain"))


def test_errors_are_counted_and_leaks_apart(result: Result) -> None:
    """What is possibly lost or still reachable is no loss."""
    kinds = ("invalid-write", "definitely-lost", "indirectly-lost", "possibly-lost", "still-reachable")
    found = with_rows(result, *({"kind": kind, "count": 3, "size_bytes": 100} for kind in kinds))
    assert errors_found(found) == 3
    assert leaked_bytes(found, "checked") == 200
    text = list(lines(findings(found)[0]))
    assert text[:3] == ["checked under memcheck: 3 errors", "  something (3 times)", "    in main, step 1"]
    assert len(text) == 3 + 4


def test_a_place_that_is_not_known_is_said_to_be(result: Result) -> None:
    """A program need not say where it is."""
    found = with_rows(result, {"kind": "double-free", "function": "", "place": "", "freed": "f, line 3"})
    text = list(lines(findings(found)[0]))
    assert text[2:] == ["    in a place that the program does not tell", "    freed in f, line 3"]


def test_of_many_places_the_first_are_shown(result: Result) -> None:
    """The table has all."""
    errors = [{"kind": "invalid-read", "place": f"step {number}"} for number in range(20)]
    leaks = [{"kind": "definitely-lost", "size_bytes": 1024} for _ in range(10)]
    text = list(lines(findings(with_rows(result, *errors, *leaks))[0]))
    assert "  and at 12 more places; the table memory_errors has all" in text
    assert text[-1] == "  definitely lost: 2 KiB more, of other places"


def test_a_result_without_the_table_has_no_section() -> None:
    """Older ones, and those of jobs that nobody checked."""
    output = Simulation(parse_scenario(SCENARIO.replace("memcheck: report", "code: 1MiB"))).run()
    plain = Result.from_tables(output.manifest, output.tables)
    assert "memory_errors" not in output.tables
    assert findings(plain) == []
    assert math.isnan(errors_found(plain))
