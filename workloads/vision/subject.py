"""What is recorded: a model, ready to infer, and the input it infers on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch

from workloads.vision.images import load_image
from workloads.vision.models import Model, build, find_model
from workloads.vision.profile_format import ProfileError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn


@dataclass(frozen=True)
class Subject:
    """A model and its input.

    Attributes:
        model: its entry in the catalogue.
        module: the network, in evaluation mode.
        inputs: the arguments of its forward function.
        image: name of the photograph they were made from, or "example inputs".
        weights: name of the weights' file, or "random".
        kernels: operators that are not torchvision's own, operator to origin.
    """

    model: Model
    module: nn.Module
    inputs: tuple[Any, ...]
    image: str
    weights: str
    kernels: dict[str, str]

    def infer(self) -> None:
        """Run one inference and let go of its output."""
        self.module(*self.inputs)

    @property
    def first_tensor(self) -> torch.Tensor:
        """The input: the first tensor among the arguments, with the batch dimension detectors leave out."""
        first: torch.Tensor | list[torch.Tensor] = self.inputs[0]
        return first[0].unsqueeze(0) if isinstance(first, list) else first


def prepare(model: str, image: Path | None, size: tuple[int, int] | None, weights: Path | None) -> Subject:
    """Construct a model and its input.

    Raises:
        ProfileError: the model cannot be found or constructed, or image, size or weights are wrong.
    """
    known = find_model(model)
    kernels: dict[str, str] = {}
    if find_spec("torchvision"):  # a model of the user's own may import it as well
        from workloads.vision.torchvision_ops import ensure_torchvision  # noqa: PLC0415  # compiles by numba

        kernels = ensure_torchvision()
    module, example = build(known, weights)
    inputs, image_name = _inputs(known, example, image, size)
    if known.task == "detection":
        _infer_at_size(module, inputs[0][0])
    return Subject(known, module, inputs, image_name, weights.name if weights else "random", kernels)


def first_look(subject: Subject) -> tuple[str, ...]:
    """Run the first inference and return what is worth noting about its output.

    Raises:
        ProfileError: the model's forward function fails.
    """
    try:
        output = subject.module(*subject.inputs)
    except Exception as error:
        raise ProfileError(
            f"{subject.model.source} failed to infer on {subject.image}, {[*subject.first_tensor.shape]}: "
            f"{type(error).__name__}: {error}"
        ) from error
    if subject.model.task != "detection":
        return ()
    boxes = sum(len(found["boxes"]) for found in output)
    note = f"It found {boxes} boxes above its score threshold; post-processing costs what these cost."
    if subject.weights == "random":
        note += " The weights are random: a trained model finds other boxes, and its post-processing differs."
    return (note,)


def _inputs(
    model: Model, example: object, image: Path | None, size: tuple[int, int] | None
) -> tuple[tuple[Any, ...], str]:
    if example is not None:
        if image or size:
            raise ProfileError(f"{model.source} brings its own example inputs: leave out image and size.")
        inputs = example if isinstance(example, tuple) else (example,)
        if not inputs or not isinstance(inputs[0], torch.Tensor):
            raise ProfileError(
                f"{model.source} must return a tensor, or a tuple of tensors, as example inputs."
            )
        return inputs, "example inputs"
    height, width = size or model.size
    if height < 1 or width < 1:
        raise ProfileError(f"The size must be at least 1x1, not {height}x{width}.")
    # torchvision's detectors normalise on their own.
    pixels, name = load_image(image, (height, width), normalise=model.task != "detection")
    return (([pixels[0]],) if model.task == "detection" else (pixels,)), name


def _infer_at_size(module: nn.Module, pixels: torch.Tensor) -> None:
    """Let a detector of torchvision's infer at the input's size, not at the 800 pixels it would scale it to.

    Detectors that only know one size, such as SSD, keep it.
    """
    transform = getattr(module, "transform", None)
    if transform is not None and getattr(transform, "fixed_size", None) is None:
        height, width = pixels.shape[-2:]
        transform.min_size, transform.max_size = (min(height, width),), max(height, width)
