"""The outside world: what makes requests arrive."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy as np
    import simpy

    from simulator.channels import Channel

NANOSECONDS = 1_000_000_000


def camera_times(fps: float, *, start_ns: int, jitter_ns: int, random: np.random.Generator) -> Iterator[int]:
    """Yield when each frame arrives, in nanoseconds: a fixed rate, each frame late by its own jitter.

    Args:
        fps: frames per second; the n-th frame is due exactly n / fps after the first.
        start_ns: when the first is due.
        jitter_ns: each is late by a uniform random time below this; a frame never overtakes another.
        random: where the jitter is drawn from.
    """
    period = Fraction(NANOSECONDS) / Fraction(str(fps))
    whole, rest = divmod(period.numerator, period.denominator)
    last, frame = start_ns, 0
    while True:
        # Whole numbers all the way: the n-th frame is exact after any number of frames.
        at = start_ns + frame * whole + frame * rest // period.denominator
        if jitter_ns:
            at += int(random.random() * jitter_ns)
        last = max(last, at)
        yield last
        frame += 1


def poisson_times(rate: float, *, start_ns: int, random: np.random.Generator) -> Iterator[int]:
    """Yield when each request of a Poisson process arrives, in nanoseconds.

    Args:
        rate: requests per second.
        start_ns: from when on.
        random: where the exponential gaps are drawn from.
    """
    at = float(start_ns)
    while True:
        at += random.exponential(NANOSECONDS / rate)
        yield int(at)


def deliver(channel: Channel, times: Iterator[int]) -> None:
    """Let a request arrive at the channel at each of the times."""

    def world() -> Generator[simpy.Event, Any, None]:
        for at in times:
            yield channel.clock.timeout(at - channel.clock.now_ns)
            channel.arrive()

    channel.clock.process(world())
