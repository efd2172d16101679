"""The detectors' operators, held against their definitions and against torchvision's own Python."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from workloads.vision.torchvision_ops import ensure_torchvision, nms, roi_align  # noqa: E402  # needs torch


def naive_nms(boxes: list[list[float]], scores: list[float], threshold: float) -> list[int]:
    """The definition, one pair at a time."""
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(overlap(boxes[index], boxes[other]) <= threshold for other in kept):
            kept.append(index)
    return kept


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union in single precision, as of boxes in it; 0 for two boxes without area."""
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    union = areas - width * height
    return float(np.float32(width * height) / np.float32(union)) if union else 0


# Whole coordinates: areas are then exact in either precision, ties of scores are frequent.
corner = st.integers(0, 12)
scored_boxes = st.lists(st.tuples(corner, corner, corner, corner, st.integers(0, 5)), max_size=25)


@given(scored_boxes, st.sampled_from([0.0, 0.3, 0.45, 1.0]))
@settings(deadline=None)  # the first call compiles
def test_nms_keeps_what_the_definition_keeps(
    drawn: list[tuple[int, int, int, int, int]], threshold: float
) -> None:
    """Boxes, ties of scores and boxes without area: the same indices in the same order."""
    boxes = [[min(a, c), min(b, d), max(a, c), max(b, d)] for a, b, c, d, _ in drawn]
    scores = [score for *_, score in drawn]
    kept = nms(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(scores, dtype=torch.float32),
        threshold,
    )
    assert kept.dtype == torch.int64
    assert kept.tolist() == naive_nms(boxes, scores, threshold)


def test_nms_computes_in_the_boxes_own_precision() -> None:
    """An overlap a hair above the threshold in double precision is dropped there and kept in single."""
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0.5 + 1e-12]], dtype=torch.float64)
    scores = torch.tensor([2.0, 1.0], dtype=torch.float64)
    assert nms(boxes, scores, 0.5).tolist() == [0]
    assert nms(boxes.float(), scores.float(), 0.5).tolist() == [0, 1]


def test_nms_refuses_what_are_no_boxes() -> None:
    """Wrong shapes are an error, not a wrong answer."""
    with pytest.raises(ValueError, match=r"boxes \[N, 4\]"):
        nms(torch.zeros(3, 5), torch.zeros(3), 0.5)
    with pytest.raises(ValueError, match=r"scores \[N\]"):
        nms(torch.zeros(3, 4), torch.zeros(2), 0.5)


def bilinear(plane: list[list[float]], y: float, x: float) -> float:
    """One sample of a feature map: zero beyond it by more than one feature, its edge up to there."""
    height, width = len(plane), len(plane[0])
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 1), min(int(x), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    below, aside = y - top, x - left
    return (
        plane[top][left] * (1 - below) * (1 - aside)
        + plane[top][right] * (1 - below) * aside
        + plane[bottom][left] * below * (1 - aside)
        + plane[bottom][right] * below * aside
    )


def direct_bin(
    plane: list[list[float]],
    box: list[float],
    place: tuple[int, int],
    bins: tuple[int, int],
    ratio: int,
    *,
    aligned: bool,
) -> float:
    """The average over one bin of one region, straight from the definition."""
    shift = 0.5 if aligned else 0.0
    left, top, right, bottom = (value - shift for value in box)
    spans = [bottom - top, right - left]
    if not aligned:
        spans = [max(span, 1.0) for span in spans]
    steps = [span / count for span, count in zip(spans, bins, strict=True)]
    grid = [ratio if ratio > 0 else max(math.ceil(step), 0) for step in steps]
    samples = [
        bilinear(
            plane,
            top + steps[0] * (place[0] + (iy + 0.5) / grid[0]),
            left + steps[1] * (place[1] + (ix + 0.5) / grid[1]),
        )
        for iy in range(grid[0])
        for ix in range(grid[1])
    ]
    return sum(samples) / max(len(samples), 1)


REGIONS = [
    [1.3, 2.2, 5.9, 6.1],
    [0.0, 0.0, 8.0, 6.0],
    [-3.0, -2.0, 4.5, 3.0],  # beyond the features, left and above
    [5.0, 4.0, 13.0, 11.0],  # beyond them, right and below
    [20.0, 20.0, 24.0, 25.0],  # wholly outside
    [2.5, 2.5, 2.5, 2.5],  # without area
    [4.0, 4.0, 2.0, 3.0],  # corners exchanged
]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("ratio", [-1, 1, 2, 3])
def test_roi_align_is_its_definition(ratio: int, *, aligned: bool) -> None:
    """Every bin of every region, inside and beyond the features, equals the direct formula."""
    features = torch.rand(2, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rois = torch.tensor([[index % 2, *box] for index, box in enumerate(REGIONS)], dtype=torch.float64)
    pooled = roi_align(features, rois, 0.5, 3, 2, ratio, aligned)
    for region, (image, *box) in enumerate(rois.tolist()):
        scaled = [value * 0.5 for value in box]
        for channel in range(3):
            plane = features[int(image), channel].tolist()
            expected = [
                [direct_bin(plane, scaled, (y, x), (3, 2), ratio, aligned=aligned) for x in range(2)]
                for y in range(3)
            ]
            torch.testing.assert_close(
                pooled[region, channel], torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12
            )


@pytest.mark.parametrize("aligned", [False, True])
def test_roi_align_agrees_with_torchvisions_python(*, aligned: bool) -> None:
    """Inside the features, torchvision's uncompiled version of the operator gives the same numbers."""
    ensure_torchvision()
    reference = sys.modules["torchvision.ops.roi_align"]._roi_align.__wrapped__
    random = torch.Generator().manual_seed(1)
    features = torch.rand(1, 4, 10, 12, generator=random)
    corners = torch.rand(20, 4, generator=random) * 5
    boxes = torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:] + 0.1], dim=1)
    rois = torch.cat([torch.zeros(20, 1), boxes], dim=1)
    torch.testing.assert_close(
        roi_align(features, rois, 1.0, 7, 7, 2, aligned), reference(features, rois, 1.0, 7, 7, 2, aligned)
    )


def test_roi_align_keeps_the_type_of_the_features() -> None:
    """Half precision goes in and comes out; no region gives no output."""
    pooled = roi_align(
        torch.ones(1, 2, 4, 4, dtype=torch.float16), torch.zeros(0, 5), 1.0, 2, 2, -1, aligned=False
    )
    assert pooled.shape == (0, 2, 2, 2)
    assert pooled.dtype == torch.float16


def test_roi_align_refuses_what_are_no_regions() -> None:
    """Regions need the index of their image."""
    with pytest.raises(ValueError, match=r"regions \[K, 5\]"):
        roi_align(torch.zeros(1, 1, 4, 4), torch.zeros(3, 4), 1.0, 2, 2, -1, aligned=False)


def test_torchvision_works_afterwards() -> None:
    """Its public functions run, whether the operators are its own or ours; asking twice changes nothing."""
    ours = ensure_torchvision()
    assert ensure_torchvision() == ours
    assert set(ours.values()) <= {"timeshare"}
    from torchvision import ops  # noqa: PLC0415  # importable only now

    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 5], [10, 10, 12, 12]])
    assert ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert ops.roi_align(torch.ones(1, 1, 16, 16), [boxes], 2).shape == (3, 1, 2, 2)


def test_a_torchvision_whose_operators_load_is_left_alone() -> None:
    """Where a plain import works, nothing is declared and nothing replaced."""
    program = (
        "import torch; library = torch.library.Library('torchvision', 'DEF')\n"
        "library.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "library.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')\n"
        "import torchvision; before = torchvision.extension._has_ops\n"
        "from workloads.vision.torchvision_ops import ensure_torchvision\n"
        "assert ensure_torchvision() == {}\n"
        "assert torchvision.extension._has_ops is before\n"
    )
    if not ensure_torchvision():
        pytest.skip("torchvision's own operators load here, so they cannot be declared by hand")
    subprocess.run([sys.executable, "-c", program], check=True)
