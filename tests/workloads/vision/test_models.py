"""Finding and constructing models, their weights and their photographs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("PIL")

from PIL import Image  # noqa: E402  # comes with torchvision

from workloads.vision.images import IMAGENET_MEAN, IMAGENET_STD, load_image  # noqa: E402  # needs torch
from workloads.vision.models import CATALOGUE, Model, build, find_model  # noqa: E402  # sorted with the above
from workloads.vision.profile_format import TASKS, ProfileError  # noqa: E402  # sorted with the above

if TYPE_CHECKING:
    from pathlib import Path

TINY = Model("tiny", "tiny_models:linear", "other", "A linear layer")
MODULE = """
import torch
answer = 42
def linear(): return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout())
def with_inputs(): return linear(), torch.ones(1, 3)
def number(): return 42
def broken(): raise RuntimeError("no such layer")
class Space: linear = linear
"""


@pytest.fixture(autouse=True)
def tiny_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's own."""
    (tmp_path / "tiny_models.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "tiny_models", raising=False)


def test_the_catalogue_is_complete_in_every_entry() -> None:
    """Each model has a source, a known task, a paper's year and a size, under its own name."""
    for name, model in CATALOGUE.items():
        assert model.name == name
        assert ":" in model.source
        assert model.task in TASKS
        assert model.description[-4:].isdigit()
        assert min(model.size) >= 224


def test_the_catalogue_needs_no_torch() -> None:
    """Listing models is quick."""
    program = "import sys, workloads.vision.models; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_models_are_found_by_name_and_by_source() -> None:
    """A catalogue's source is the catalogue's model; anything else is taken as it is."""
    assert find_model("resnet18") == CATALOGUE["resnet18"]
    assert find_model("torchvision.models:resnet18") == CATALOGUE["resnet18"]
    assert find_model("torchvision.models:resnet34").task == "classification"
    assert find_model("torchvision.models.detection:fcos_resnet50_fpn").task == "detection"
    assert find_model("torchvision.models.segmentation:deeplabv3_resnet50").task == "segmentation"
    assert find_model("tiny_models:linear") == Model(
        "linear", "tiny_models:linear", "other", "linear of tiny_models"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [("resnet81", "Did you mean resnet18"), ("zzzzzz", "Known models: retinanet"), ("a:", "module:callable")],
)
def test_an_unknown_model_gets_the_nearest(name: str, message: str) -> None:
    """The message says what there is."""
    with pytest.raises(ProfileError, match=message):
        find_model(name)


def test_random_weights_are_always_the_same() -> None:
    """Two constructions agree, the model is in evaluation mode, and the global generator is untouched."""
    before = torch.random.get_rng_state()
    one, example = build(TINY, None)
    other, _ = build(TINY, None)
    assert example is None
    assert not one.training
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(left, right)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_model_may_bring_its_inputs_and_lie_deeper() -> None:
    """A pair is a module and its example inputs; dots lead into classes."""
    _, example = build(Model("m", "tiny_models:with_inputs", "other", ""), None)
    assert torch.equal(example, torch.ones(1, 3))
    build(Model("m", "tiny_models:Space.linear", "other", ""), None)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no_such_module:linear", "Cannot import no_such_module"),
        ("tiny_models:none", "tiny_models has no none"),
        ("tiny_models:answer", "is a int, not a callable"),
        ("tiny_models:number", "returned int; it must return a torch.nn.Module"),
        ("tiny_models:broken", "failed to construct its model: RuntimeError: no such layer"),
    ],
)
def test_a_wrong_source_is_named(source: str, message: str) -> None:
    """Whatever the user's module does wrong is one message."""
    with pytest.raises(ProfileError, match=message):
        build(Model("m", source, "other", ""), None)


def test_weights_are_loaded_from_a_file(tmp_path: Path) -> None:
    """A state dict written by torch.save replaces the random weights."""
    trained = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout())
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    module, _ = build(TINY, tmp_path / "w.pt")
    assert torch.equal(module[0].weight, trained[0].weight)


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    """Missing, damaged, of another model, or able to run code: each is one message."""
    with pytest.raises(ProfileError, match=r"Cannot read the weights .*nowhere.pt: No such file"):
        build(TINY, tmp_path / "nowhere.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(ProfileError, match="is not a file of weights"):
        build(TINY, tmp_path / "text.pt")
    torch.save(torch.nn.Linear(3, 2), tmp_path / "module.pt")
    with pytest.raises(ProfileError, match="is not a file of weights"):
        build(TINY, tmp_path / "module.pt")
    torch.save(torch.nn.Linear(3, 2).state_dict(), tmp_path / "other.pt")
    with pytest.raises(ProfileError, match=r"(?s)do not fit tiny: .*0\.weight"):
        build(TINY, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ProfileError, match="do not fit tiny"):
        build(TINY, tmp_path / "list.pt")


def test_a_photograph_becomes_a_tensor(tmp_path: Path) -> None:
    """Resized to height and width, in [0, 1]; normalised by ImageNet's figures where wanted."""
    Image.new("L", (30, 10), 255).save(tmp_path / "white.png")
    pixels, name = load_image(tmp_path / "white.png", (8, 12), normalise=False)
    assert name == "white.png"
    assert pixels.shape == (1, 3, 8, 12)
    assert pixels.dtype == torch.float32
    assert (pixels == 1).all()
    normalised, _ = load_image(tmp_path / "white.png", (8, 12), normalise=True)
    expected = [(1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    torch.testing.assert_close(normalised[0, :, 3, 3], torch.tensor(expected))


def test_the_default_photograph_is_a_real_one() -> None:
    """Without a file, the photograph has light and shade."""
    pixels, name = load_image(None, (32, 32), normalise=False)
    assert name == "grace_hopper.jpg"
    assert pixels.min() < 0.2
    assert pixels.max() > 0.8


def test_a_wrong_photograph_is_refused(tmp_path: Path) -> None:
    """A missing file, a directory and a text are each one message."""
    with pytest.raises(ProfileError, match=r"Cannot read the image .*nowhere.png: .*No such file"):
        load_image(tmp_path / "nowhere.png", (8, 8), normalise=False)
    with pytest.raises(ProfileError, match="Cannot read the image"):
        load_image(tmp_path, (8, 8), normalise=False)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ProfileError, match="is not an image"):
        load_image(tmp_path / "text.png", (8, 8), normalise=False)
