"""A result directory appears whole or not at all."""

from __future__ import annotations

import pytest

from scenarios.result import MANIFEST, OutputError, check_writable, result_directory


def leftovers(parent):
    """Return what lies in a directory."""
    return sorted(path.name for path in parent.iterdir())


def test_a_result_appears_only_when_it_is_whole(tmp_path):
    """Nothing is at the target while it is being written."""
    target = tmp_path / "deep" / "result"
    with result_directory(target) as directory:
        (directory / MANIFEST).write_text("{}")
        assert not target.exists()
    assert leftovers(target) == [MANIFEST]
    assert leftovers(tmp_path / "deep") == ["result"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_result_leaves_nothing_behind_and_the_old_one_alone(tmp_path, interruption):
    """Ctrl-C in the middle: the older result is as it was."""
    target = tmp_path / "result"
    with result_directory(target) as directory:
        (directory / MANIFEST).write_text("old")
    with pytest.raises(interruption), result_directory(target) as directory:  # noqa: PT012 - what is interrupted
        (directory / MANIFEST).write_text("new")
        raise interruption
    assert (target / MANIFEST).read_text() == "old"
    assert leftovers(tmp_path) == ["result"]


def test_a_newer_result_replaces_the_older_one(tmp_path):
    """Files of the older one do not linger."""
    target = tmp_path / "result"
    for text in ("old", "new"):
        with result_directory(target) as directory:
            (directory / MANIFEST).write_text(text)
            (directory / text).touch()
    assert leftovers(target) == [MANIFEST, "new"]
    assert leftovers(tmp_path) == ["result"]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """An error of the file system names the target and what would help."""
    with (
        pytest.raises(OutputError, match="cannot be written: No space left on device"),
        result_directory(tmp_path / "result"),
    ):
        raise OSError(28, "No space left on device")
    assert leftovers(tmp_path) == []


def test_places_that_cannot_be_written_are_refused_before_any_work(tmp_path):
    """A file, somebody's directory, and a directory inside a file."""
    (tmp_path / "file").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(OutputError, match="is a file"):
        check_writable(tmp_path / "file")
    with pytest.raises(OutputError, match="holds other files"):
        check_writable(tmp_path / "photos")
    with pytest.raises(OutputError, match="cannot write into"):
        check_writable(tmp_path / "file" / "result")
    check_writable(tmp_path / "new" / "result")
