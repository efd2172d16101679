"""Storage: bytes are where they were put, and what nobody wrote reads as 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InvariantError
from simulator.memory.storage import CHUNK_BYTES, Storage

SIZE = 3 * CHUNK_BYTES
_places = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted)
_steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SIZE - 40), st.binary(max_size=40)),
        st.tuples(st.just("clear"), _places, st.none()),
        st.tuples(st.just("copy"), _places, st.integers(0, SIZE)),
    ),
    max_size=12,
)


@given(_steps, _places)
def test_storage_is_a_long_string_of_bytes(steps: list[tuple], place: list[int]) -> None:
    """After any writes, clearings and overlapping copies it reads as a plain bytearray does."""
    storage, model = Storage(), bytearray(SIZE)
    for what, where, value in steps:
        if what == "write":
            storage.write(where, value)
            model[where : where + len(value)] = value
        elif what == "clear":
            storage.clear(where[0], where[1] - where[0])
            model[where[0] : where[1]] = bytes(where[1] - where[0])
        else:
            size = min(where[1] - where[0], SIZE - value)
            storage.copy(where[0], value, size)
            model[value : value + size] = model[where[0] : where[0] + size]
    assert storage.read(place[0], place[1] - place[0]) == bytes(model[place[0] : place[1]])


def test_gigabytes_cost_nothing_until_they_are_written() -> None:
    """Only what was written exists."""
    storage = Storage()
    assert storage.read(1 << 40, 4) == bytes(4)
    storage.clear(0, 1 << 45)
    assert len(storage) == 0
    storage.write((1 << 40) - 2, b"abcd")
    assert len(storage) == 2
    other = Storage()
    storage.copy(0, 0, 1 << 41, into=other)
    assert other.read((1 << 40) - 2, 4) == b"abcd"


@pytest.mark.parametrize(("address", "size"), [(256, 256), (CHUNK_BYTES, 2 * CHUNK_BYTES)])
def test_a_window_is_the_memory_itself(address: int, size: int) -> None:
    """What is written into the array is read from memory, and what was there stands in it."""
    storage = Storage()
    storage.write(address, b"\x07")
    window = storage.window(address, size).view(np.int32)
    assert window[0] == 7
    window[-1] = -2
    assert storage.read(address + size - 4, 4) == b"\xfe\xff\xff\xff"


def test_a_window_does_not_begin_in_the_middle_of_one_chunk_and_end_in_another() -> None:
    """Its bytes would not lie one behind the other."""
    with pytest.raises(InvariantError, match="no window on 4096 bytes at 0x800"):
        Storage().window(2048, 4096)
