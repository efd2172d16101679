"""Sizes as people write them, and errors that survive a trip between processes."""

from __future__ import annotations

import pickle

import pytest

from simulator.errors import TimeshareError
from simulator.memory.errors import InvalidFree, MemoryFault, OutOfMemory
from simulator.memory.format import format_bytes, round_up


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1.0 MiB"),
        (512 * 1024**2, "512.0 MiB"),
        (9_856_614, "9.4 MiB"),
        (4 * 1024**3, "4.0 GiB"),
        (3 * 1024**4, "3.0 TiB"),
        (5000 * 1024**4, "5000.0 TiB"),
    ],
)
def test_a_size_is_written_with_the_unit_that_suits_it(size: int, text: str) -> None:
    """One decimal, and never 1024 of a smaller unit."""
    assert format_bytes(size) == text


@pytest.mark.parametrize(("size", "rounded"), [(0, 0), (1, 16), (16, 16), (17, 32)])
def test_sizes_are_rounded_up_to_a_unit(size: int, rounded: int) -> None:
    """A multiple stays as it is."""
    assert round_up(size, 16) == rounded


def test_errors_survive_pickling() -> None:
    """Worker processes hand their errors to the process that started them."""
    memory = pickle.loads(pickle.dumps(OutOfMemory("too little", 3, 2, 1)))  # noqa: S301 - our own bytes
    assert (str(memory), memory.needed, memory.free, memory.largest) == ("too little", 3, 2, 1)
    fault = pickle.loads(pickle.dumps(InvalidFree("freed before", 64)))  # noqa: S301 - our own bytes
    assert (str(fault), fault.reason, fault.address) == ("freed before", "freed before", 64)
    assert isinstance(memory, TimeshareError)
    assert isinstance(fault, MemoryFault)
