"""Recording whole models."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from workloads.vision.models import CATALOGUE  # noqa: E402  # sorted with the import below
from workloads.vision.profile import (  # noqa: E402  # sorted with the import below, which needs torch
    Profile,
    ProfileError,
    load_profile,
    save_profile,
    to_burst,
)
from workloads.vision.record import _disagreement, record  # noqa: E402  # needs torch

if TYPE_CHECKING:
    from pathlib import Path

MODULE = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.act = nn.ReLU()
    def forward(self, x):
        return self.act(self.conv(x)).flatten(1).sum(1)

class Wavering(nn.Module):
    runs = 0
    def forward(self, x):
        self.runs += 1
        return x.relu() if self.runs % 2 else x.sigmoid()

class Failing(nn.Module):
    def forward(self, x):
        raise ValueError("wrong shape")

class Empty(nn.Module):
    def forward(self, x):
        return x

class Keeper(nn.Module):
    def forward(self, x):
        self.kept = x + 1
        return self.kept

def tiny(): return nn.Sequential(Block()), torch.ones(1, 3, 8, 8)
def on_image(): return Block()
def empty(): return Empty(), torch.ones(1)
def text(): return Block(), "inputs"
"""


@pytest.fixture(autouse=True)
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own."""
    (tmp_path / "own_models.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "own_models", raising=False)


def require_sound_memory(profile: Profile) -> None:
    """Nothing is freed that is not allocated, live bytes never fall below zero, the peak is torch's own."""
    live: dict[int, int] = {}
    for block, size in zip(profile.memory.block, profile.memory.bytes, strict=True):
        if size > 0:
            assert block not in live
            live[block] = size
        else:
            assert live.pop(block) == -size
    assert profile.memory.peak_bytes == pytest.approx(profile.peak_bytes, rel=0.03)


def test_a_small_model_is_recorded_whole(tmp_path: Path) -> None:
    """Operations, modules, sizes and the blocks of a small network are what its source says."""
    before = torch.get_num_threads()
    steps: list[tuple[str, int, int]] = []
    profile = record("own_models:tiny", runs=3, progress=lambda *step: steps.append(step))
    assert torch.get_num_threads() == before
    assert profile.model == "tiny"
    assert profile.ops.name == (
        *("python", "aten::conv2d", "python", "aten::relu"),
        *("python", "aten::flatten", "python", "aten::sum", "python"),
    )
    assert profile.ops.module == ("0.conv", "0.conv", "0.act", "0.act", "0", "0", "0", "0", "")
    assert profile.ops.kind.count("op") == 4
    assert profile.parameters == 3 * 4 * 9 + 4
    assert profile.weights_bytes == 4 * profile.parameters
    assert profile.input_shape == (1, 3, 8, 8)
    assert (profile.image, profile.weights, profile.dtype) == ("example inputs", "random", "float32")
    require_sound_memory(profile)
    assert sum(profile.memory.bytes) == 0
    assert 4 * 4 * 6 * 6 in profile.memory.bytes  # the convolution's output
    assert all(low <= high for low, high in zip(profile.ops.cpu_p10_ns, profile.ops.cpu_p90_ns, strict=True))
    assert profile.plain_cpu_p10_ns <= profile.plain_cpu_ns <= profile.plain_cpu_p90_ns
    assert steps[-1] == ("memory", 1, 1)
    assert ("timing", 6, 6) in steps
    save_profile(profile, tmp_path / "tiny.json.gz")
    assert load_profile(tmp_path / "tiny.json.gz") == profile
    assert to_burst(profile).cpu_ns == profile.cpu_ns


def test_times_that_do_not_add_up_are_noted() -> None:
    """Within 5 % nothing is said; beyond, the profile says by how much."""
    assert _disagreement(105, 100) == ()
    assert _disagreement(95, 100) == ()
    assert "sum to 1.06 of" in _disagreement(106, 100)[0]
    assert "sum to 0.94 of" in _disagreement(94, 100)[0]


def test_a_model_without_inputs_gets_the_photograph() -> None:
    """The photograph is resized to the size asked for."""
    profile = record("own_models:on_image", size=(20, 30), runs=1)
    assert profile.input_shape == (1, 3, 20, 30)
    assert profile.image == "grace_hopper.jpg"


def test_a_model_that_computes_nothing_is_all_python() -> None:
    """No operation, no memory; still a profile."""
    profile = record("own_models:empty", runs=2)
    assert profile.ops.name == ("python",)
    assert len(profile.memory) == 0
    assert profile.peak_bytes == 0


def test_a_model_that_keeps_a_tensor_keeps_its_block() -> None:
    """A block that outlives the inference is not freed in the profile; the one it replaces is older."""
    profile = record("own_models:Keeper", size=(4, 4), runs=2)
    assert sum(profile.memory.bytes) == 3 * 4 * 4 * 4


def test_weights_are_named(tmp_path: Path) -> None:
    """A profile says whose weights it was made with."""
    source = torch.nn.ModuleDict({"conv": torch.nn.Conv2d(3, 4, 3)})
    torch.save(source.state_dict(), tmp_path / "trained.pt")
    assert record("own_models:on_image", weights=tmp_path / "trained.pt", runs=1).weights == "trained.pt"


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("own_models:Wavering", {}, "did not repeat its operations"),
        ("own_models:Failing", {}, "own_models:Failing failed to infer .*ValueError: wrong shape"),
        ("own_models:tiny", {"size": (8, 8)}, "brings its own example inputs"),
        ("own_models:text", {}, "must return a tensor, or a tuple of tensors"),
        ("own_models:on_image", {"size": (0, 8)}, "at least 1x1, not 0x8"),
        ("own_models:tiny", {"threads": 2}, "Cannot record with 2 threads"),
        ("own_models:tiny", {"runs": 0}, "Cannot record 0 runs"),
    ],
)
def test_what_cannot_be_recorded_is_said(model: str, options: dict[str, Any], message: str) -> None:
    """Each is one message, and the number of threads is as it was."""
    before = torch.get_num_threads()
    with pytest.raises(ProfileError, match=message):
        record(model, **options)
    assert torch.get_num_threads() == before


def test_resnet18_agrees_with_torch() -> None:
    """A real model: its operations, its weights, and a peak within 3 % of the profiler's own."""
    profile = record("resnet18", size=(64, 64), runs=2)
    kinds = profile.ops.name
    assert kinds.count("aten::conv2d") == kinds.count("aten::batch_norm") == 20
    assert kinds.count("aten::linear") == 1
    assert "layer2.0.downsample.0" in profile.ops.module
    assert profile.parameters == 11_689_512  # as published
    assert profile.weights_bytes == 4 * profile.parameters
    require_sound_memory(profile)
    assert sum(profile.memory.bytes) == 0


@pytest.mark.slow
def test_a_detector_is_recorded_with_its_post_processing() -> None:
    """The boxes' suppression is among the operations, and the profile says what it worked on."""
    profile = record("ssdlite320_mobilenet_v3_large", runs=1)
    assert "torchvision::nms" in profile.ops.name
    assert set(profile.kernels) <= {"torchvision::nms"}
    assert "boxes above its score threshold" in profile.notes[0]
    require_sound_memory(profile)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_shipped_profiles_hold_against_their_evidence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each sums to its plain CPU time within 5 %, peaks within 3 % of torch's own, and frees what it took."""
    monkeypatch.setenv("TIMESHARE_PROFILES", str(tmp_path))  # not the user's own
    profile = load_profile(name)
    assert profile.model == name
    assert profile.cpu_ns == pytest.approx(profile.plain_cpu_ns, rel=0.05)
    assert sum(profile.memory.bytes) == 0
    require_sound_memory(profile)
