"""The photograph a model is recorded on, as the tensor the model expects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from workloads.vision.profile_format import ProfileError

# Mean and standard deviation of ImageNet's channels, which torchvision's classifiers and segmenters expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DEFAULT_IMAGE = "grace_hopper.jpg"


def load_image(path: Path | None, size: tuple[int, int], *, normalise: bool) -> tuple[torch.Tensor, str]:
    """Read a photograph and resize it.

    Args:
        path: the image file; None: the photograph of Grace Hopper that comes with matplotlib.
        size: height and width in pixels.
        normalise: shift and scale the channels by ImageNet's mean and standard deviation.

    Returns:
        float32[1, 3, height, width], in [0, 1] before normalising, and the photograph's name.

    Raises:
        ProfileError: there is no such file, or it is not an image.
    """
    name = path.name if path else DEFAULT_IMAGE
    try:
        with Image.open(path or _default_image()) as file:
            image = file.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except UnidentifiedImageError:
        raise ProfileError(f"{path} is not an image in a format that can be read.") from None
    except (OSError, Image.DecompressionBombError, ValueError) as error:
        raise ProfileError(f"Cannot read the image {path or name}: {error}.") from None
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1).unsqueeze(0)
    if normalise:
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        pixels = (pixels - mean) / std
    return pixels.contiguous(), name


def _default_image() -> Path:
    from matplotlib.cbook import get_sample_data  # noqa: PLC0415  # a plotting library, wanted for its photograph

    return Path(get_sample_data(DEFAULT_IMAGE, asfileobj=False))
