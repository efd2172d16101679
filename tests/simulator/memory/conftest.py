"""Machines' memories, small enough to reason about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.memory.costs import MemoryCosts
from simulator.memory.mechanisms import MECHANISMS

if TYPE_CHECKING:
    from simulator.memory.mechanism import Mechanism

KIB = 1024


def make_mechanism(name: str, memory_bytes: int = 1024 * KIB, **options: Any) -> Mechanism:
    """Return a mechanism with the usual costs."""
    return MECHANISMS[name](memory_bytes, MemoryCosts(), **options)


@pytest.fixture
def mechanism_of() -> Any:
    """Hand out mechanisms by name; tests are no package and cannot import each other."""
    return make_mechanism


@pytest.fixture(params=list(MECHANISMS))
def any_mechanism(request: pytest.FixtureRequest) -> Mechanism:
    """Every mechanism there is, over 1 MiB."""
    return make_mechanism(request.param)
