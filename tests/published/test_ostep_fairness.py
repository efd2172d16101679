"""OSTEP's fairness metric, chapter 9: what was published about two equal jobs comes out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reports.plots.ostep import lottery_fairness, ostep_fairness
from timeshare.figures import LENGTHS, fairness_by_length, two_equal_jobs


@pytest.mark.parametrize(("quanta", "published"), [(1, 0.5), (10, 0.824), (100, 0.944), (1000, 0.982)])
def test_the_formula_gives_the_published_expectations(quanta, published):
    """1 - C(2R, R) / 4^R, to three digits."""
    assert lottery_fairness(quanta) == pytest.approx(published, abs=5e-4)


@pytest.mark.parametrize(
    ("quanta", "trials"), [(10, 100), (100, 40), pytest.param(1000, 60, marks=pytest.mark.slow)]
)
def test_lotterys_mean_is_the_expected_one(quanta, trials):
    """Within four standard errors over independent draws, and not by being everywhere."""
    ratios = fairness_by_length([quanta], trials)["lottery"]["finish_ratio"].to_numpy()
    error = ratios.std(ddof=1) / math.sqrt(trials)
    assert 0 < error < 0.02
    assert abs(ratios.mean() - lottery_fairness(quanta)) < 4 * error


@pytest.mark.parametrize("quanta", [1, 2, 10, 100, 1000])
def test_stride_is_one_quantum_from_fair_exactly(quanta):
    """The jobs alternate: the first ends at 2R - 1 quanta, the second at 2R."""
    assert two_equal_jobs("stride", quanta, 0) == pytest.approx((2 * quanta - 1) / (2 * quanta), rel=1e-12)


def test_the_figure_shows_every_mean_and_the_expectation():
    """A line for theory, and each scheduler's means at the lengths that were simulated."""
    found = fairness_by_length([1, 4, 10], 5)
    (ax,) = ostep_fairness(found).axes
    lines = {line.get_label(): line for line in ax.lines if not str(line.get_label()).startswith("_")}
    (theory,) = (line for label, line in lines.items() if "expected" in label)
    assert theory.get_ydata() == pytest.approx([lottery_fairness(quanta) for quanta in (1, 4, 10)])
    means = found["lottery"].groupby("quanta")["finish_ratio"].mean().to_numpy()
    drawn = [np.asarray(line.get_ydata(), float) for line in ax.lines]
    assert any(np.array_equal(line, means) for line in drawn)
    assert any(np.allclose(line, [0.5, 7 / 8, 19 / 20]) for line in drawn)
    assert "0.50 for jobs of 1 quantum" in ax.figure.texts[0].get_text().replace("\n", " ")


def test_the_figure_reaches_from_one_quantum_to_a_thousand():
    """As the textbook's does."""
    assert (LENGTHS[0], LENGTHS[-1]) == (1, 1000)
