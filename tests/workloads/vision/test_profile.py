"""The profile format: what goes in comes out, and what is wrong is said."""

from __future__ import annotations

import dataclasses
import gzip
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.vision.profile import (
    MemoryEvents,
    Operations,
    Profile,
    ProfileError,
    list_profiles,
    load_profile,
    save_profile,
    to_burst,
)
from workloads.vision.profile_json import decode, encode

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Profile(
    model="tiny",
    source="tests:tiny",
    task="other",
    description="Two operations.",
    weights="random",
    parameters=3,
    weights_bytes=12,
    buffers_bytes=0,
    input_shape=(1, 3),
    image="example inputs",
    dtype="float32",
    notes=("A note.",),
    grad_mode="inference_mode",
    threads=1,
    warmups=1,
    runs=3,
    kernels={"torchvision::nms": "timeshare"},
    versions={"python": "3.11"},
    host={"cpu": "some", "cores": "2"},
    plain_cpu_ns=60,
    plain_cpu_p10_ns=58,
    plain_cpu_p90_ns=70,
    overhead_ns=5,
    peak_bytes=96,
    ops=Operations(
        name=("python", "aten::relu", "python"),
        module=("", "act", ""),
        cpu_ns=(10, 40, 10),
        cpu_p10_ns=(9, 39, 9),
        cpu_p90_ns=(12, 50, 11),
    ),
    memory=MemoryEvents(
        op=(1, 1, 1, 2), after=(False, False, True, False), block=(0, 1, 0, 1), bytes=(32, 64, -32, -64)
    ),
)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    """Any sound profile: its events follow the rules, its texts and numbers are arbitrary."""
    text, count = st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.integers(0, 2**40)
    ops = draw(st.integers(1, 8))
    moments = sorted(draw(st.lists(st.tuples(st.integers(0, ops - 1), st.booleans()), max_size=30)))
    live: list[tuple[int, int]] = []
    frees: list[bool] = draw(st.lists(st.booleans(), min_size=len(moments), max_size=len(moments)))
    blocks, sizes = [], []
    for number in range(len(moments)):
        if live and frees[number]:
            block, size = live.pop(draw(st.integers(0, len(live) - 1)))
            size = -size
        else:
            block, size = number, draw(st.integers(1, 2**40))
            live.append((block, size))
        blocks.append(block)
        sizes.append(size)
    column = st.tuples(*[count] * ops)
    return dataclasses.replace(
        SMALL,
        description=draw(text),
        task=draw(st.sampled_from(["classification", "segmentation", "detection", "other"])),
        notes=tuple(draw(st.lists(text, max_size=3))),
        kernels=draw(st.dictionaries(text, text, max_size=3)),
        plain_cpu_ns=draw(count),
        ops=Operations(
            name=draw(st.tuples(*[text] * ops)),
            module=draw(st.tuples(*[text] * ops)),
            cpu_ns=draw(column),
            cpu_p10_ns=draw(column),
            cpu_p90_ns=draw(column),
        ),
        memory=MemoryEvents(
            op=tuple(op for op, _ in moments),
            after=tuple(after for _, after in moments),
            block=tuple(blocks),
            bytes=tuple(sizes),
        ),
    )


@given(profiles())
def test_a_profile_survives_its_file(profile: Profile) -> None:
    """Reading back what was written gives an equal profile, and equal bytes again."""
    packed = encode(profile)
    again = decode(packed, "file")
    assert again == profile
    assert encode(again) == packed


def test_save_and_load_by_path(tmp_path: Path) -> None:
    """A saved profile is read back whole, and nothing else is left in the directory."""
    path = tmp_path / "deep" / "tiny.json.gz"
    save_profile(SMALL, path)
    save_profile(SMALL, path)
    assert load_profile(path) == load_profile(str(path)) == SMALL
    assert list(path.parent.iterdir()) == [path]


def test_the_file_carries_no_time_of_writing() -> None:
    """The gzip header holds neither a time nor a name, so equal profiles are equal files."""
    packed = encode(SMALL)
    assert packed[3:8] == bytes(5)
    assert packed == encode(dataclasses.replace(SMALL))


def test_a_users_profile_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles in the user's directory are listed and read like shipped ones."""
    monkeypatch.setenv("TIMESHARE_PROFILES", str(tmp_path))
    save_profile(SMALL, tmp_path / "tiny.json.gz")
    assert "tiny" in list_profiles()
    assert load_profile("tiny") == SMALL


def test_a_users_profile_stands_before_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model recorded anew on the user's machine replaces the shipped recording."""
    shipped = next(iter(list_profiles()))
    monkeypatch.setenv("TIMESHARE_PROFILES", str(tmp_path))
    save_profile(SMALL, tmp_path / f"{shipped}.json.gz")
    assert load_profile(shipped) == SMALL


def test_the_default_user_directory_lies_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the environment variable, profiles are looked for below ~/.local/share."""
    monkeypatch.delenv("TIMESHARE_PROFILES", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    save_profile(SMALL, tmp_path / ".local/share/timeshare/profiles/tiny.json.gz")
    assert load_profile("tiny") == SMALL


def test_a_profile_becomes_a_burst() -> None:
    """The burst has the profile's times, names and memory events, at the right moments."""
    burst = to_burst(SMALL)
    assert burst.cpu_ns == SMALL.cpu_ns == 60
    assert list(burst.op_names) == ["python", "aten::relu in act", "python"]
    np.testing.assert_array_equal(burst.event_offset_ns, [10, 10, 50, 50])
    np.testing.assert_array_equal(burst.event_bytes, [32, 64, -32, -64])
    assert burst.op_cpu_ns.dtype == np.int64


def test_kinds_and_recorded_peak() -> None:
    """Python time is told from operations, and the events have a peak of their own."""
    assert SMALL.ops.kind == ("python", "op", "python")
    assert SMALL.memory.peak_bytes == 96


def test_an_unknown_name_gets_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt name is answered with the names it may have meant; a strange one with all of them."""
    monkeypatch.setenv("TIMESHARE_PROFILES", str(tmp_path))
    save_profile(SMALL, tmp_path / "tiny.json.gz")
    with pytest.raises(ProfileError, match=r"named 'tinny'. Did you mean tiny\?"):
        load_profile("tinny")
    with pytest.raises(ProfileError, match=r"Known profiles: .*tiny"):
        load_profile("zzzzzzzzz")


def changed(**changes: object) -> bytes:
    """The small profile's file with some keys of its JSON replaced (None: left out)."""
    plain: dict[str, Any] = json.loads(gzip.decompress(encode(SMALL)))
    for key, value in changes.items():
        table, _, column = key.partition("__")
        place, name = (plain[table], column) if column else (plain, table)
        if value is None:
            del place[name]
        else:
            place[name] = value
    return gzip.compress(json.dumps(plain).encode(), mtime=0)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04 something else", "not gzip-compressed"),
        (encode(SMALL)[:-30], "ends too early"),
        (encode(SMALL)[:-8] + bytes(8), "checksum"),
        (gzip.compress(b"{", mtime=0), "not a sound profile"),
        (gzip.compress(b"\xff\xfe\x00", mtime=0), "not a sound profile"),
        (gzip.compress(b"[]", mtime=0), "lacks the mark"),
        (changed(format="chrome-trace"), "lacks the mark"),
        (changed(version=2), r"version 2; this timeshare knows up to version 1\. Upgrade timeshare"),
        (changed(version="1"), "version must be a whole number"),
        (changed(model=None), "lacks 'model'"),
        (changed(model=3), "model must be a text"),
        (changed(notes="a"), "notes must be a list"),
        (changed(host=[]), "host must be an object"),
        (changed(plain_cpu_ns=2**63), "plain_cpu_ns does not fit 64 bits"),
        (changed(plain_cpu_ns=-1), "plain_cpu_ns is negative"),
        (changed(runs=True), "runs must be a whole number"),
        (changed(task="dancing"), "task is 'dancing'"),
        (changed(ops__cpu_ns=None), "ops lacks 'cpu_ns'"),
        (changed(ops__cpu_ns=[1.5, 2, 3]), "cpu_ns must be a whole number"),
        (changed(ops__cpu_ns=[10, -40, 10]), r"cpu_ns of operation 1 is negative \(-40\)"),
        (changed(ops__cpu_ns=[10, 40]), "columns differ in length"),
        (changed(ops__name=[0, 1, 2]), "name points outside names"),
        (changed(memory__op=[1, 1, 1, 3]), "event 3 belongs to operation 3, of 3"),
        (changed(memory__op=[1, 1, 2, 1]), "event 3 is out of order"),
        (changed(memory__after=[0, 1, 0, 0]), "event 2 is out of order"),
        (changed(memory__after=[0, 0, 2, 0]), "after must be 0 or 1"),
        (changed(memory__bytes=[32, 64, -32, 0]), "bytes are 0"),
        (changed(memory__bytes=[32, 64, -31, -64]), "frees 31 bytes as block 0"),
        (changed(memory__block=[0, 1, 0, 0]), "frees 64 bytes as block 0"),
        (changed(memory__bytes=[32, 64, 32, -64]), "allocates block 0 a second time"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path: Path, packed: bytes, message: str) -> None:
    """Whatever is wrong with a file, the message names the file and the fault."""
    path = tmp_path / "wrong.json.gz"
    path.write_bytes(packed)
    with pytest.raises(ProfileError, match=message) as caught:
        load_profile(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is an error that names it."""
    with pytest.raises(ProfileError, match=r"nowhere.json.gz: No such file"):
        load_profile(tmp_path / "nowhere.json.gz")


def test_an_unsound_profile_is_not_written(tmp_path: Path) -> None:
    """Saving checks first, so a wrong profile leaves no file."""
    wrong = dataclasses.replace(SMALL, weights_bytes=-1)
    with pytest.raises(ProfileError, match="weights_bytes is negative"):
        save_profile(wrong, tmp_path / "wrong.json.gz")
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A path below a file is an error, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(ProfileError, match="Cannot write the profile"):
        save_profile(SMALL, tmp_path / "file" / "tiny.json.gz")


def test_reading_profiles_needs_nothing_heavy() -> None:
    """Importing the module and reading every profile imports neither torch nor a table library."""
    program = (
        "import sys; from workloads.vision.profile import list_profiles, load_profile\n"
        "for name in list_profiles(): load_profile(name)\n"
        "print({'torch', 'torchvision', 'pandas', 'matplotlib', 'numba'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
