"""The memory pass: every block an inference allocates and frees, scratch included, by operation.

torch.profiler reports each allocation and free as a ``[memory]`` instant of its trace, with address, size
and running total. Blocks older than the inference have no allocation in it and are left out. One inference
runs under a mode that marks each operation in the trace, which tells whose the events are; another runs
without the marks, and its running total is the peak to hold the events against.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from torch.profiler import ProfilerActivity, profile, record_function

from workloads.vision.calls import Mode, name_of
from workloads.vision.profile_format import MemoryEvents, ProfileError

if TYPE_CHECKING:
    from torch._ops import OpOverload

    from workloads.vision.calls import Inference

_WHOLE = "timeshare: inference"
_ONE = "timeshare: operation"


class _Marks(Mode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        self.names.append(name_of(func))
        with record_function(_ONE):
            return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Instant:
    """One allocation (bytes > 0) or free (bytes < 0), as the profiler saw it."""

    time_us: float
    address: int
    bytes: int
    total_bytes: int


@dataclass(frozen=True)
class Memory:
    """What the memory pass found.

    Attributes:
        names: name of each operation, to hold against the timing pass.
        events: by segment (Python, operation, Python, ..., operation, Python).
        peak_bytes: the profiler's own peak above the total before the inference, without marks.
    """

    names: list[str]
    events: MemoryEvents
    peak_bytes: int


def record_memory(inference: Inference) -> Memory:
    """Record the blocks of an inference that has been warmed up.

    Raises:
        ProfileError: the profiler's account contradicts itself.
    """
    _, instants = _traced(inference)
    peak = _peak_bytes(instants)
    marks = _Marks()

    def marked() -> None:
        with marks:
            inference()

    boundaries, instants = _traced(marked)
    return Memory(marks.names, assign(boundaries, instants), peak)


def assign(boundaries: list[float], instants: list[Instant]) -> MemoryEvents:
    """Give each event of blocks born in the inference to the segment it happened in.

    Within a segment, what leads up to its highest total happens at its start and what follows at its end:
    the segment holds its peak for its whole length, and the order of events stays as it was.

    Args:
        boundaries: rising times at which one segment ends and the next begins; one less than segments.
        instants: in order of time.
    """
    living: dict[int, int] = {}
    born = 0
    segments, blocks, sizes = [], [], []
    for instant in instants:
        if instant.bytes > 0:
            if instant.address in living:
                raise ProfileError(f"The profiler saw address {instant.address:#x} allocated twice.")
            block = living[instant.address] = born
            born += 1
        elif instant.bytes < 0 and instant.address in living:
            block = living.pop(instant.address)
        else:  # nothing, or a block older than the inference
            continue
        segments.append(bisect_right(boundaries, instant.time_us))
        blocks.append(block)
        sizes.append(instant.bytes)
    after = _after_peak(segments, sizes)
    return MemoryEvents(op=tuple(segments), after=tuple(after), block=tuple(blocks), bytes=tuple(sizes))


def _after_peak(segments: list[int], sizes: list[int]) -> list[bool]:
    """Say of each event whether it comes after its segment's (last) highest total."""
    highest: dict[int, tuple[int, int]] = {}
    for index, (segment, total) in enumerate(zip(segments, accumulate(sizes), strict=True)):
        before = total - sizes[index]
        # The total on entering counts: a segment that only frees does so at its end.
        highest.setdefault(segment, (before, index - 1))
        if total >= highest[segment][0]:
            highest[segment] = (total, index)
    return [index > highest[segment][1] for index, segment in enumerate(segments)]


def _peak_bytes(instants: list[Instant]) -> int:
    if not instants:
        return 0
    baseline = instants[0].total_bytes - instants[0].bytes
    return max(0, *(instant.total_bytes - baseline for instant in instants))


def _traced(inference: Inference) -> tuple[list[float], list[Instant]]:
    """Run one inference under torch.profiler; return the marked operations' boundaries and the instants."""
    # The profiler's back end else reports its own start and stop to standard error, run by run.
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler, record_function(_WHOLE):
        inference()
    with TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    whole = next(event for event in events if event.get("name") == _WHOLE and event["ph"] == "X")
    begin, end = whole["ts"], whole["ts"] + whole["dur"]
    marks = sorted(
        (event["ts"], event["ts"] + event["dur"])
        for event in events
        if event.get("name") == _ONE and event["ph"] == "X"
    )
    instants = [
        Instant(
            event["ts"],
            int(event["args"]["Addr"]),
            int(event["args"]["Bytes"]),
            int(event["args"]["Total Allocated"]),
        )
        for event in events
        if event.get("name") == "[memory]" and begin <= event["ts"] <= end
    ]
    instants.sort(key=lambda instant: instant.time_us)
    return [time for mark in marks for time in mark], instants
