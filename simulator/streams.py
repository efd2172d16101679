"""Named random streams: every purpose draws from its own generator."""

from __future__ import annotations

import hashlib

import numpy as np


class Streams:
    """Generators that depend on (seed, replication, name) and on nothing else.

    Adding a job or changing the policy leaves the streams of all others as they were, so that two policies
    see the same arrivals (common random numbers).

    Args:
        seed: the scenario's seed, >= 0.
        replication: which of several independent repetitions this is, >= 0.
    """

    def __init__(self, seed: int, replication: int = 0) -> None:
        self._entropy = (seed, replication)

    def named(self, name: str) -> np.random.Generator:
        """Return a new generator at the start of the stream of that name."""
        digest = hashlib.sha256(name.encode()).digest()
        words = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, 16, 4)]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence([*self._entropy, *words])))
