"""The models that can be recorded: a catalogue by name, and any other by ``module:callable``."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from workloads.vision.profile_format import ProfileError

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

SEED = 0


@dataclass(frozen=True)
class Model:
    """A model to record.

    Attributes:
        name: what jobs call it.
        source: ``module:callable``; the callable returns the module, or the module and example inputs.
        task: "classification", "segmentation", "detection" or "other".
        description: what it is, and the paper it comes from.
        size: height and width of the input it is recorded with unless told otherwise.
    """

    name: str
    source: str
    task: str
    description: str
    size: tuple[int, int] = (224, 224)


CATALOGUE = {
    model.name: model
    for model in (
        Model(
            "retinanet_resnet50_fpn",
            "torchvision.models.detection:retinanet_resnet50_fpn",
            "detection",
            "RetinaNet on ResNet-50 with a feature pyramid: Lin et al., Focal Loss for Dense Object "
            "Detection, ICCV 2017",
            (320, 320),
        ),
        Model(
            "ssdlite320_mobilenet_v3_large",
            "torchvision.models.detection:ssdlite320_mobilenet_v3_large",
            "detection",
            "SSDlite on MobileNetV3-Large: Howard et al., Searching for MobileNetV3, ICCV 2019",
            (320, 320),
        ),
        Model(
            "fcn_resnet50",
            "torchvision.models.segmentation:fcn_resnet50",
            "segmentation",
            "FCN on dilated ResNet-50: Long et al., Fully Convolutional Networks for Semantic Segmentation, "
            "CVPR 2015",
            (256, 256),
        ),
        Model(
            "lraspp_mobilenet_v3_large",
            "torchvision.models.segmentation:lraspp_mobilenet_v3_large",
            "segmentation",
            "LR-ASPP on MobileNetV3-Large: Howard et al., Searching for MobileNetV3, ICCV 2019",
            (256, 256),
        ),
        Model(
            "resnet18",
            "torchvision.models:resnet18",
            "classification",
            "ResNet-18: He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        ),
        Model(
            "resnet50",
            "torchvision.models:resnet50",
            "classification",
            "ResNet-50: He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
        ),
        Model(
            "mobilenet_v3_small",
            "torchvision.models:mobilenet_v3_small",
            "classification",
            "MobileNetV3-Small: Howard et al., Searching for MobileNetV3, ICCV 2019",
        ),
    )
}


def find_model(name: str) -> Model:
    """Return the catalogue's model of that name, or the one at ``module:callable``.

    Raises:
        ProfileError: neither; names the nearest in the catalogue.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    module, colon, attribute = name.partition(":")
    if not (colon and module and attribute):
        near = get_close_matches(name, CATALOGUE, n=3)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known models: {', '.join(CATALOGUE)}."
        raise ProfileError(f"There is no model named {name!r}. {hint} Any other is given as module:callable.")
    for known in CATALOGUE.values():
        if known.source == name:
            return known
    return Model(attribute, name, _torchvision_task(module), f"{attribute} of {module}")


def build(model: Model, weights: Path | None) -> tuple[nn.Module, Any]:
    """Construct the model, ready to infer, with random weights (always the same) or a file's.

    Args:
        model: what to build.
        weights: a file of the model's state dict, as `torch.save` writes it.

    Returns:
        The module, and the example inputs it brought with it (None if it did not).

    Raises:
        ProfileError: the callable cannot be found, fails, or returns something else; the weights cannot be
            read or do not fit.
    """
    import torch  # noqa: PLC0415  # the catalogue is listed without it

    callable_ = _find_callable(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        try:
            made = callable_(**_no_downloads(model, callable_))
        except Exception as error:
            raise ProfileError(
                f"{model.source} failed to construct its model: {type(error).__name__}: {error}"
            ) from error
    module, inputs = made if isinstance(made, tuple) and len(made) == 2 else (made, None)  # noqa: PLR2004  # a pair
    if not isinstance(module, torch.nn.Module):
        raise ProfileError(
            f"{model.source} returned {type(made).__name__}; it must return a torch.nn.Module, or one and "
            "its example inputs."
        )
    if weights is not None:
        _load_weights(model, module, weights)
    return module.eval(), inputs


def _find_callable(model: Model) -> Any:  # noqa: ANN401  # whatever the user's module holds
    module_name, _, attribute = model.source.partition(":")
    if module_name.partition(".")[0] == "torchvision":
        from workloads.vision.torchvision_ops import ensure_torchvision  # noqa: PLC0415  # imports torch

        ensure_torchvision()
    try:
        found = importlib.import_module(module_name)
    except Exception as error:
        raise ProfileError(f"Cannot import {module_name}: {type(error).__name__}: {error}") from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ProfileError(f"{module_name} has no {attribute}.") from None
    if not callable(found):
        raise ProfileError(
            f"{model.source} is a {type(found).__name__}, not a callable that returns a model."
        )
    return found


def _no_downloads(model: Model, callable_: Any) -> dict[str, None]:  # noqa: ANN401  # see _find_callable
    """Arguments that keep torchvision's builders from fetching weights over the network."""
    if not model.source.startswith("torchvision."):
        return {}
    known = inspect.signature(callable_).parameters
    return {name: None for name in ("weights", "weights_backbone") if name in known}


def _load_weights(model: Model, module: nn.Module, path: Path) -> None:
    import torch  # noqa: PLC0415  # see build

    try:
        # weights_only: a file of weights must not be able to run code.
        state: dict[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ProfileError(f"Cannot read the weights {path}: {error.strerror or error}.") from None
    except Exception as error:  # torch documents none; a damaged file raises half a dozen kinds
        reason = str(error).partition("\n")[0]
        raise ProfileError(f"{path} is not a file of weights that torch.save wrote: {reason}") from error
    try:
        module.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ProfileError(f"The weights {path} do not fit {model.name}: {error}") from error


def _torchvision_task(module: str) -> str:
    for package, task in (
        ("torchvision.models.detection", "detection"),
        ("torchvision.models.segmentation", "segmentation"),
        ("torchvision.models", "classification"),
    ):
        if module == package or module.startswith(f"{package}."):
            return task
    return "other"
