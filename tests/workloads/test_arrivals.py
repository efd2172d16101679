"""When requests arrive."""

from __future__ import annotations

from itertools import chain, islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.arrivals import camera_times, poisson_times


def first(times, count):
    """Return the first times of those that come in arrays."""
    return list(islice(chain.from_iterable(times), count))


def test_a_camera_keeps_its_rate_exactly():
    """Thirty frames a second are thirty a second after an hour, too: no rounding accumulates."""
    times = camera_times(30, start_ns=0, jitter_ns=0, random=np.random.default_rng(0))
    assert first(times, 30 * 3600 + 1)[-1] == 3600 * 10**9


@given(fps=st.floats(0.5, 200), jitter_ns=st.integers(0, 10**9), start_ns=st.integers(0, 10**9))
def test_frames_never_overtake_each_other_nor_come_early(fps, jitter_ns, start_ns):
    """Jitter delays a frame by less than its bound, or until the frame before it is there."""
    random = np.random.default_rng(1)
    times = first(camera_times(fps, start_ns=start_ns, jitter_ns=jitter_ns, random=random), 600)
    assert all(later >= earlier for earlier, later in pairwise(times))
    assert all(0 <= at - int(start_ns + frame * 1e9 / fps) <= jitter_ns + 2 for frame, at in enumerate(times))


def test_poisson_gaps_are_exponential():
    """Mean and standard deviation of the gaps both equal 1 / rate, within four standard errors."""
    times = np.array(first(poisson_times(100, start_ns=0, random=np.random.default_rng(2)), 10_000))
    gaps = np.diff(times) / 1e9
    assert gaps.mean() == pytest.approx(0.01, rel=4 / 100)
    assert gaps.std() == pytest.approx(0.01, rel=4 * np.sqrt(2) / 100)
