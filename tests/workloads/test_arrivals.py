"""When requests arrive."""

from __future__ import annotations

from itertools import chain, islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.arrivals import burst_times, camera_times, poisson_times, together


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


def test_bursts_come_when_they_should():
    """Three requests 10 ns apart every 100 ns, far beyond the times made at once."""
    random = np.random.default_rng(0)
    times = first(burst_times(100, count=3, spacing_ns=10, start_ns=7, jitter_ns=0, random=random), 900)
    assert times == [7 + burst * 100 + within * 10 for burst in range(300) for within in range(3)]


@given(
    count=st.integers(1, 300),
    spacing_ns=st.integers(0, 10**6),
    jitter_ns=st.integers(0, 10**9),
    gap_ns=st.integers(1, 10**9),
)
def test_jitter_delays_the_requests_of_a_burst_in_order(count, spacing_ns, jitter_ns, gap_ns):
    """No request comes early, overtakes another, or is later than its jitter allows."""
    every_ns = (count - 1) * spacing_ns + gap_ns
    shape = {"count": count, "spacing_ns": spacing_ns, "start_ns": 5}
    random = np.random.default_rng(3)
    due = first(burst_times(every_ns, **shape, jitter_ns=0, random=random), 600)
    times = first(burst_times(every_ns, **shape, jitter_ns=jitter_ns, random=random), 600)
    assert times == sorted(times)
    assert all(0 <= at - then <= jitter_ns for at, then in zip(times, due, strict=True))


def test_all_at_once_is_all_and_at_once():
    """As many times as were asked for, none different."""
    assert np.concatenate(list(together(1000, at_ns=3))).tolist() == [3] * 1000
