"""Make torchvision importable beside a torch its compiled operators were not built for.

The published Linux wheel of torchvision is built against CUDA: beside a CPU-only torch its operators do not
load, and ``import torchvision`` itself fails. `ensure_torchvision` then declares the operators and provides
CPU kernels for the two that detectors need, compiled by numba. They follow the published algorithms loop by
loop and allocate the same tensors as torchvision's own kernels, so results, time and memory stay comparable;
a profile still records that it was made with them.
"""

from __future__ import annotations

import functools
import importlib
import sys
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

from workloads.vision.profile_format import ProfileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[Any]  # of either precision, which mypy cannot follow through numba

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    (
        "roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, "
        "SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor"
    ),
)


@functools.cache
def ensure_torchvision() -> dict[str, str]:
    """Import torchvision, with operators of ours where its own do not load.

    Returns:
        Operator to origin, for the operators that are ours: empty where torchvision's own load.

    Raises:
        ProfileError: torchvision is not installed, or fails to import for another reason.
    """
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        raise ProfileError(
            f"This needs torchvision ({error}). Install it with `pip install timeshare[vision]`."
        ) from error
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise ProfileError(f"torchvision fails to import: {error}") from error
    else:
        return {}
    # What the failed import left half-loaded must not be taken for the whole.
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declare()
    importlib.import_module("torchvision")
    # Both modules asked whether the compiled operators had loaded; a "no" would make torchvision refuse nms
    # and send roi_align through torch.compile, to a version that differs for boxes beyond the image.
    # Operators other than ours stay missing and say so when called.
    for name in ("torchvision.extension", "torchvision.ops.roi_align"):
        sys.modules[name]._has_ops = _yes  # type: ignore[attr-defined]  # noqa: SLF001  # no public switch
    return {"torchvision::nms": "timeshare", "torchvision::roi_align": "timeshare"}


def _yes() -> bool:
    return True


@functools.cache  # an operator lives as long as its library object: the cache keeps it
def _declare() -> object:
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]  # torch's own
    for schema in _SCHEMAS:
        library.define(schema)
    library.impl("nms", nms, "CPU")
    library.impl("roi_align", roi_align, "CPU")
    return library


def nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Greedy non-maximum suppression: keep the best box, drop those that overlap it too much, repeat.

    Args:
        dets: [N, 4] boxes as (x1, y1, x2, y2).
        scores: [N]; equal scores keep their order.
        iou_threshold: a box is dropped where its intersection over union with a kept one exceeds this.

    Returns:
        int64[K]: indices of the kept boxes, by falling score.
    """
    if dets.dim() != 2 or dets.size(1) != 4 or scores.shape != dets.shape[:1]:  # noqa: PLR2004  # [N, 4]
        raise ValueError(f"nms wants boxes [N, 4] and scores [N], not {[*dets.shape]} and {[*scores.shape]}.")
    corners = dets.detach().t().contiguous()
    areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
    order = scores.detach().sort(stable=True, dim=0, descending=True).indices
    suppressed = torch.zeros(len(order), dtype=torch.uint8)
    keep = torch.zeros_like(order)
    kept = _suppress(
        corners.numpy(), areas.numpy(), order.numpy(), iou_threshold, suppressed.numpy(), keep.numpy()
    )
    return keep[:kept]


@njit(error_model="numpy")  # boxes without area: 0 / 0 is no overlap, not an error
def _suppress(
    corners: Floats,
    areas: Floats,
    order: NDArray[np.int64],
    iou_threshold: float,
    suppressed: NDArray[np.uint8],
    keep: NDArray[np.int64],
) -> int:
    kept = 0
    x1, y1, x2, y2 = corners
    nothing = corners.dtype.type(0)  # of the boxes' own precision, so that the overlap is computed in it
    for place in range(len(order)):
        i = order[place]
        if suppressed[i]:
            continue
        keep[kept] = i
        kept += 1
        for later in range(place + 1, len(order)):
            j = order[later]
            if suppressed[j]:
                continue
            width = max(nothing, min(x2[i], x2[j]) - max(x1[i], x1[j]))
            height = max(nothing, min(y2[i], y2[j]) - max(y1[i], y1[j]))
            intersection = width * height
            if intersection / (areas[i] + areas[j] - intersection) > iou_threshold:
                suppressed[j] = 1
    return kept


def roi_align(
    input: torch.Tensor,  # noqa: A002  # the operator's own name for it
    rois: torch.Tensor,
    spatial_scale: float,
    pooled_height: int,
    pooled_width: int,
    sampling_ratio: int,
    aligned: bool,  # noqa: FBT001  # the operator's schema passes it by position
) -> torch.Tensor:
    """Average bilinear samples of a feature map over the bins of each region (He et al., Mask R-CNN, 2017).

    Args:
        input: [N, C, H, W] features.
        rois: [K, 5] regions as (index into the batch, x1, y1, x2, y2).
        spatial_scale: features per unit of the regions' coordinates.
        pooled_height: bins per region, vertically.
        pooled_width: bins per region, horizontally.
        sampling_ratio: samples per bin along each axis; <= 0: as many as the bin spans features, rounded up.
        aligned: shift coordinates by half a feature, so that they refer to the features' centres.

    Returns:
        [K, C, pooled_height, pooled_width].
    """
    if input.dim() != 4 or rois.dim() != 2 or rois.size(1) != 5:  # noqa: PLR2004  # [N, C, H, W] and [K, 5]
        raise ValueError(
            f"roi_align wants features [N, C, H, W] and regions [K, 5], "
            f"not {[*input.shape]} and {[*rois.shape]}."
        )
    wide = torch.float64 if input.dtype == torch.float64 else torch.float32
    features = input.detach().to(wide).contiguous()
    output = torch.zeros((len(rois), features.size(1), pooled_height, pooled_width), dtype=wide)
    _align(
        features.numpy(),
        rois.detach().to(wide).contiguous().numpy(),
        spatial_scale,
        sampling_ratio,
        0.5 if aligned else 0.0,
        output.numpy(),
    )
    return output.to(input.dtype)


@njit(error_model="numpy")
def _align(
    features: Floats, rois: Floats, spatial_scale: float, sampling_ratio: int, offset: float, output: Floats
) -> None:
    regions, channels, bins_y, bins_x = output.shape
    height, width = features.shape[2:]
    scalar = features.dtype.type
    for region in range(regions):
        box = (rois[region, 1:] * scalar(spatial_scale) - scalar(offset)).astype(features.dtype)
        spans = box[2:] - box[:2]
        if offset == 0:  # a region that is not aligned spans one feature at least
            spans = np.maximum(spans, scalar(1))
        place_x, weight_x = _axis(box[:1], spans[:1], bins_x, sampling_ratio, width)
        place_y, weight_y = _axis(box[1:2], spans[1:], bins_y, sampling_ratio, height)
        place, weight = _samples(place_x, weight_x, place_y, weight_y, width)
        per_bin = place_x.shape[1] * place_y.shape[1]
        count = scalar(max(per_bin, 1))
        planes = features[int(rois[region, 0])]
        for channel in range(channels):
            plane = planes[channel].ravel()
            sample = 0
            for y in range(bins_y):
                for x in range(bins_x):
                    total = scalar(0)
                    for _ in range(per_bin):
                        total += (
                            weight[sample, 0] * plane[place[sample, 0]]
                            + weight[sample, 1] * plane[place[sample, 1]]
                            + weight[sample, 2] * plane[place[sample, 2]]
                            + weight[sample, 3] * plane[place[sample, 3]]
                        )
                        sample += 1
                    output[region, channel, y, x] = total / count


@njit(error_model="numpy")
def _axis(
    start: Floats, span: Floats, bins: int, sampling_ratio: int, size: int
) -> tuple[NDArray[np.uint32], Floats]:
    """Return, per bin and sample, the two features beside the sample and their weights, along one axis.

    Start and span are arrays of one element: they bring the precision to compute in, which is the features'.
    """
    scalar = start.dtype.type
    step = span[0] / scalar(bins)
    grid = sampling_ratio if sampling_ratio > 0 else max(ceil(step), 0)
    place = np.zeros((bins, grid, 2), dtype=np.uint32)
    weight = np.zeros((bins, grid, 2), dtype=start.dtype)
    for part in range(bins):
        for sample in range(grid):
            at = start[0] + scalar(part) * step + scalar(sample + 0.5) * step / scalar(grid)
            if not -1 <= at <= size:  # more than one feature beyond the map: counts as zero
                continue
            at = min(max(at, scalar(0)), scalar(size - 1))
            low = int(at)
            place[part, sample, 0] = low
            place[part, sample, 1] = min(low + 1, size - 1)
            weight[part, sample, 1] = at - scalar(low)
            weight[part, sample, 0] = scalar(1) - weight[part, sample, 1]
    return place, weight


@njit(error_model="numpy")
def _samples(
    place_x: NDArray[np.uint32],
    weight_x: Floats,
    place_y: NDArray[np.uint32],
    weight_y: Floats,
    width: int,
) -> tuple[NDArray[np.uint32], Floats]:
    """Return the four features around each sample and their weights, once for all channels of a region."""
    bins_y, grid_y, _ = place_y.shape
    bins_x, grid_x, _ = place_x.shape
    place = np.empty((bins_y * bins_x * grid_y * grid_x, 4), dtype=np.uint32)
    weight = np.empty((bins_y * bins_x * grid_y * grid_x, 4), dtype=weight_x.dtype)
    sample = 0
    for y in range(bins_y):
        for x in range(bins_x):
            for iy in range(grid_y):
                for ix in range(grid_x):
                    for corner in range(4):
                        cy, cx = corner // 2, corner % 2
                        place[sample, corner] = place_y[y, iy, cy] * width + place_x[x, ix, cx]
                        weight[sample, corner] = weight_y[y, iy, cy] * weight_x[x, ix, cx]
                    sample += 1
    return place, weight
