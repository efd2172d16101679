"""From the profiler's instants to the profile's memory events."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from workloads.vision.memory import Instant, assign
from workloads.vision.profile_format import ProfileError


def instants(*changes: tuple[float, int, int]) -> list[Instant]:
    """Instants from (time, address, bytes)."""
    return [Instant(time, address, size, 0) for time, address, size in changes]


def test_events_go_to_the_segment_they_happen_in() -> None:
    """Segments are told apart by their boundaries; an operation's scratch is freed at its end."""
    events = assign([10, 20], instants((12, 1, 100), (13, 2, 50), (19, 2, -50), (25, 1, -100)))
    assert events.op == (1, 1, 1, 2)
    assert events.after == (False, False, True, True)
    assert events.block == (0, 1, 1, 0)
    assert events.bytes == (100, 50, -50, -100)
    assert events.peak_bytes == 150


def test_a_block_older_than_the_inference_is_left_out() -> None:
    """A free without an allocation belongs to something that was there before; so does an empty block."""
    events = assign([10], instants((1, 7, -64), (2, 8, 32), (3, 0, 0)))
    assert events.bytes == (32,)


def test_an_address_used_again_is_another_block() -> None:
    """The allocator returns the same address soon; the blocks keep apart."""
    events = assign([], instants((1, 7, 64), (2, 7, -64), (3, 7, 32), (4, 7, -32)))
    assert events.block == (0, 0, 1, 1)


def test_an_address_allocated_twice_is_refused() -> None:
    """A trace that contradicts itself must not become a profile."""
    with pytest.raises(ProfileError, match="0x7 allocated twice"):
        assign([], instants((1, 7, 64), (2, 7, 64)))


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6), st.integers(1, 100))),
    st.lists(st.integers(0, 40), max_size=6).map(sorted),
)
def test_any_trace_becomes_a_sound_sequence(raw: list[tuple[int, int, int]], boundaries: list[int]) -> None:
    """Order, sizes and peak survive; a segment's highest total is reached by its start."""
    living: dict[int, int] = {}
    changes, live, peak = [], 0, 0
    for time, address, size in sorted(raw):
        change = -living.pop(address) if address in living else size
        if change > 0:
            living[address] = change
        changes.append((float(time), address, change))
        live += change
        peak = max(peak, live)
    events = assign([float(time) for time in boundaries], instants(*changes))
    assert list(events.bytes) == [change for *_, change in changes]
    assert events.peak_bytes == peak
    moments = list(zip(events.op, events.after, strict=True))
    assert all(before <= after for before, after in pairwise(moments))
    for segment in range(len(boundaries) + 1):
        totals = running(events, segment)
        assert max(totals.within) == totals.after_start


def running(events: object, segment: int) -> SimpleNamespace:
    """Live bytes along one segment, entering included, and once its start events have happened."""
    columns = dataclasses.astuple(events)  # type: ignore[call-overload]  # MemoryEvents
    live, within, after_start = 0, [], 0
    for op, after, _, size in zip(*columns, strict=True):
        if op > segment:
            break
        if op == segment and not within:
            within.append(live)
            after_start = live
        live += size
        if op == segment:
            within.append(live)
            after_start = after_start if after else live
    return SimpleNamespace(within=within or [live], after_start=after_start if within else live)
