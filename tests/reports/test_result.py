"""Opening result directories, and saying what is wrong with what is none."""

import json

import pandas as pd
import pytest

from reports.errors import ReportError
from reports.result import Result, load


def test_a_written_result_reads_back(tmp_path, three_jobs, write):
    """Manifest and tables come back as they were written."""
    result = load(write(tmp_path / "run", three_jobs))
    assert result.manifest.name == "box"
    assert result.manifest.duration_s == 10.0
    assert result.job_names == ["gate", "batch", "night"]
    assert list(result.table("processes")["cpu_s"]) == [7.0, 2.8, 0.0]


def test_a_table_is_read_once(tmp_path, three_jobs, write):
    """A table is read when first asked for, and kept."""
    result = load(write(tmp_path, three_jobs))
    assert result.table("cpu") is result.table("cpu")


def test_memory_and_directory_hold_the_same(tmp_path, three_jobs, write):
    """A result made of tables in memory is the same as one that was stored."""
    stored = load(write(tmp_path, three_jobs))
    kept = Result.from_tables(*three_jobs)
    for name in ("processes", "cpus", "cpu", "memory", "requests", "slices", "events"):
        pd.testing.assert_frame_equal(stored.table(name), kept.table(name), check_column_type=False)


def test_an_empty_table_keeps_its_types(three_jobs):
    """A run without requests has no rows, but the columns are numbers all the same."""
    manifest, tables = three_jobs
    tables["requests"] = tables["requests"].head(0)
    requests = Result.from_tables(manifest, tables).table("requests")
    assert requests.empty
    assert requests["latency_s"].dtype == "float64"
    assert requests["met"].dtype == "boolean"


def test_the_first_slices_are_read_alone(tmp_path, three_jobs, write):
    """The head of a long slices table can be had without the rest."""
    result = load(write(tmp_path, three_jobs))
    assert len(result.first_slices(5)) == 5
    assert list(result.first_slices(5)["start_ns"]) == list(result.table("slices")["start_ns"].head(5))


def test_no_such_directory(tmp_path):
    """A path that does not exist is named."""
    with pytest.raises(ReportError, match=r"nowhere: no such directory"):
        load(tmp_path / "nowhere")


def test_a_file_is_no_directory(tmp_path):
    """A file in place of a directory is called a file."""
    path = tmp_path / "result"
    path.write_text("")
    with pytest.raises(ReportError, match="is a file, not a directory"):
        load(path)


def test_a_directory_without_manifest_is_no_result(tmp_path):
    """Any other directory is not a result, and the message says what is missing."""
    with pytest.raises(ReportError, match=r"not a timeshare result \(it holds no manifest.json\)"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "parquet"}', "1"])
def test_a_foreign_manifest_is_refused(tmp_path, content):
    """A manifest.json of some other program is no result."""
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ReportError, match="not a timeshare result"):
        load(tmp_path)


def test_broken_json_is_refused_with_its_line(tmp_path):
    """Half a manifest is reported with the line at which it breaks."""
    (tmp_path / "manifest.json").write_text('{\n"format": ')
    with pytest.raises(ReportError, match=r"manifest\.json:2: not valid JSON"):
        load(tmp_path)


def test_a_newer_version_is_refused(tmp_path, three_jobs, write):
    """A result of a later program is refused with the advice to upgrade."""
    manifest, tables = three_jobs
    write(tmp_path, (manifest | {"version": 2}, tables))
    with pytest.raises(ReportError, match=r"newer timeshare.*reads up to version 1.*Upgrade"):
        load(tmp_path)


@pytest.mark.parametrize("version", [0, "1", None])
def test_a_version_that_is_none_is_refused(tmp_path, three_jobs, write, version):
    """A version is a whole number from 1."""
    manifest, tables = three_jobs
    write(tmp_path, (manifest | {"version": version}, tables))
    with pytest.raises(ReportError, match='"version" is'):
        load(tmp_path)


def test_a_missing_key_is_named(tmp_path, three_jobs, write):
    """A manifest that lacks a key is refused, and the key is named."""
    manifest, tables = three_jobs
    del manifest["quantum_ns"]
    write(tmp_path, (manifest, tables))
    with pytest.raises(ReportError, match='key "quantum_ns": Field required'):
        load(tmp_path)


def test_a_missing_table_is_named(tmp_path, three_jobs, write):
    """A directory that lacks a table is refused when it is opened."""
    (write(tmp_path, three_jobs) / "memory.parquet").unlink()
    with pytest.raises(ReportError, match='table "memory" is missing'):
        load(tmp_path)


@pytest.mark.parametrize("kept", [0, 3, 200])
def test_a_truncated_table_is_named(tmp_path, three_jobs, write, kept):
    """A table cut short in copying is refused when the directory is opened."""
    path = write(tmp_path, three_jobs) / "cpu.parquet"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ReportError, match=r"cpu\.parquet: truncated, or not a Parquet table"):
        load(tmp_path)


def test_damaged_rows_are_refused_when_read(tmp_path, three_jobs, write):
    """A table with a sound footer but damaged pages is refused when it is asked for."""
    path = write(tmp_path, three_jobs) / "processes.parquet"
    content = bytearray(path.read_bytes())
    content[4:200] = b"\xff" * 196
    path.write_bytes(bytes(content))
    with pytest.raises(ReportError, match=r"processes\.parquet"):
        load(tmp_path).table("processes")


def test_a_table_without_a_column_is_refused(tmp_path, three_jobs, write):
    """A table that lacks a column is refused, and the column is named."""
    manifest, tables = three_jobs
    tables["cpus"] = tables["cpus"].drop(columns="idle_s")
    write(tmp_path, (manifest, tables))
    with pytest.raises(ReportError, match=r"cpus\.parquet: lacks the column\(s\) idle_s; it holds cpu,"):
        load(tmp_path)


def test_a_column_of_another_kind_is_refused(tmp_path, three_jobs, write):
    """Words where numbers are due are refused, and the column is named."""
    manifest, tables = three_jobs
    tables["cpus"]["busy_s"] = "much"
    write(tmp_path, (manifest, tables))
    with pytest.raises(ReportError, match=r'column "busy_s" is of type .*string; expected float'):
        load(tmp_path)


def test_a_gap_where_a_whole_number_is_due_is_refused(three_jobs):
    """A count cannot be missing."""
    manifest, tables = three_jobs
    tables["cpus"]["switches"] = pd.array([pd.NA], dtype="Int64")
    with pytest.raises(ReportError, match="values it cannot have"):
        Result.from_tables(manifest, tables).table("cpus")


def test_an_unknown_table_is_refused(three_jobs):
    """A run has no replications, and the message says what it has."""
    with pytest.raises(ReportError, match='a run has no table "replications"; it has processes, cpus'):
        Result.from_tables(*three_jobs).table("replications")


def test_a_table_missing_in_memory_is_named(three_jobs):
    """A result made of too few tables is refused."""
    manifest, tables = three_jobs
    del tables["events"]
    with pytest.raises(ReportError, match='"events" is missing'):
        Result.from_tables(manifest, tables)


def test_more_columns_and_keys_are_no_error(tmp_path, three_jobs, write):
    """What a later program adds to version 1 does not stop this one."""
    manifest, tables = three_jobs
    tables["cpus"]["temperature"] = 40.0
    write(tmp_path, (manifest | {"mood": "fine"}, tables))
    assert json.loads((tmp_path / "manifest.json").read_text())["mood"] == "fine"
    assert load(tmp_path).table("cpus")["temperature"][0] == 40.0
