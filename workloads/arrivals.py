"""The outside world: when requests arrive."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

NANOSECONDS = 1_000_000_000
CHUNK = 256
"""Times made at once."""


def camera_times(
    fps: float, *, start_ns: int, jitter_ns: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield when frames arrive, in nanoseconds: a fixed rate, each frame late by its own jitter.

    Args:
        fps: frames per second; the n-th frame is due exactly n / fps after the first.
        start_ns: when the first is due.
        jitter_ns: each is late by a uniform random time below this; a frame never overtakes another.
        random: where the jitter is drawn from.

    Yields:
        int64[CHUNK], ascending, without end.
    """
    period = Fraction(NANOSECONDS) / Fraction(str(fps))
    whole, rest = divmod(period.numerator, period.denominator)
    # Whole numbers all the way: the n-th frame is exact after any number of frames. A rate with many decimals
    # makes numbers beyond 64 bits on the way, which Python's own hold.
    exact = np.int64 if CHUNK * period.denominator < 1 << 62 else object
    steps = np.arange(CHUNK).astype(exact)
    last, first = start_ns, 0
    while True:
        begun, fraction = divmod(first * rest, period.denominator)
        since = steps * whole + (fraction + steps * rest) // period.denominator
        times = (start_ns + first * whole + begun + since).astype(np.int64)
        if jitter_ns:
            times += (random.random(CHUNK) * jitter_ns).astype(np.int64)
        times = np.maximum.accumulate(np.maximum(times, last))
        yield times
        last, first = int(times[-1]), first + CHUNK


def poisson_times(rate: float, *, start_ns: int, random: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield when the requests of a Poisson process arrive, in nanoseconds.

    Args:
        rate: requests per second.
        start_ns: from when on.
        random: where the exponential gaps are drawn from.

    Yields:
        int64[CHUNK], ascending, without end.
    """
    at = float(start_ns)
    while True:
        times = np.cumsum(np.concatenate([[at], random.exponential(NANOSECONDS / rate, CHUNK)]))[1:]
        yield times.astype(np.int64)
        at = float(times[-1])


def burst_times(
    every_ns: int, *, count: int, spacing_ns: int, start_ns: int, jitter_ns: int, random: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield when the requests of bursts arrive, in nanoseconds.

    Args:
        every_ns: from the beginning of a burst to that of the next, more than a burst lasts.
        count: requests of a burst.
        spacing_ns: between two of them.
        start_ns: when the first burst begins.
        jitter_ns: each request is late by a uniform random time below this; none overtakes another.
        random: where the jitter is drawn from.

    Yields:
        int64[CHUNK], ascending, without end.
    """
    last, first = start_ns, 0
    while True:
        # Whole numbers all the way, as of a camera; 64 bits last for 292 years.
        bursts, within = np.divmod(np.arange(first, first + CHUNK), count)
        times = start_ns + bursts * every_ns + within * spacing_ns
        if jitter_ns:
            times = times + (random.random(CHUNK) * jitter_ns).astype(np.int64)
        times = np.maximum.accumulate(np.maximum(times, last))
        yield times
        last, first = int(times[-1]), first + CHUNK


def together(count: int, *, at_ns: int) -> Iterator[NDArray[np.int64]]:
    """Yield so many times, all the same, in arrays of CHUNK at most."""
    for left in range(count, 0, -CHUNK):
        yield np.full(min(left, CHUNK), at_ns, np.int64)
