"""The timing pass: CPU time of every operation and of the Python time between operations."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

import numpy as np

from workloads.vision.calls import Mode, name_of, require_same
from workloads.vision.overhead import clock_cost, keep_calls, run_calls
from workloads.vision.profile_format import ProfileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from torch._ops import OpOverload

    from workloads.vision.calls import Inference


class Clock(Mode):
    """Takes this thread's CPU time before and after every operation.

    Attributes:
        operations: what ran, in order.
        stamps: two per operation, nanoseconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[OpOverload] = []
        self.stamps: list[int] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Run the operation between two looks at the clock."""
        begin = thread_time_ns()
        result = func(*args, **(kwargs or {}))
        self.stamps += (begin, thread_time_ns())
        self.operations.append(func)
        return result


@dataclass(frozen=True)
class Timing:
    """CPU times in nanoseconds.

    Attributes:
        names: name of each operation.
        segments_ns: int64[runs, 2 * operations + 1]: Python, operation, Python, ..., operation, Python. The
            clock's own cost is taken out.
        plain_ns: int64[runs]: whole inferences without the clock.
        overhead_ns: int64[operations]: the clock's own cost.
    """

    names: list[str]
    segments_ns: NDArray[np.int64]
    plain_ns: NDArray[np.int64]
    overhead_ns: NDArray[np.int64]


def measure(inference: Inference, runs: int, progress: Callable[[int], None]) -> Timing:
    """Time an inference that has been warmed up.

    Plain inferences and those under the clock take turns, so that a change of the CPU's pace meets both
    alike. The clock's own cost is measured after them (see `workloads.vision.overhead`), since the tensors
    kept for it would change where the C library puts the others. What remains between the sum of the times
    and a plain inference, up to four per cent on an idle machine, is mostly page faults: the C library gives
    memory back to the operating system at times of its own, and whichever run touches it next pays.

    Args:
        inference: runs the model once.
        runs: how often to measure each.
        progress: called with the number of runs done, after each of twice as many.

    Raises:
        ProfileError: the operations differ from run to run.
    """
    names: list[str] = []
    plain, clocked = [], []
    with _no_collection():
        for done in range(runs):
            begin = thread_time_ns()
            inference()
            plain.append(thread_time_ns() - begin)
            with Clock() as clock:
                begin = thread_time_ns()
                inference()
                end = thread_time_ns()
            seen = [name_of(operation) for operation in clock.operations]
            if not done:
                names = seen
            require_same(names, seen, f"run {done + 1}")
            clocked.append(np.diff([begin, *clock.stamps, end]))
            progress(done + 1)
        overhead = _overhead(inference, names, runs, progress)
    segments = take_out(np.array(clocked, dtype=np.int64), overhead)
    return Timing(names, segments, np.array(plain, dtype=np.int64), overhead)


def _overhead(
    inference: Inference, names: list[str], runs: int, progress: Callable[[int], None]
) -> NDArray[np.int64]:
    calls = keep_calls(inference)
    if len(calls) != len(names):
        raise ProfileError(f"The model ran {len(names)} operations at first and {len(calls)} later.")
    bare, covered = [], []
    for done in range(runs, 2 * runs):
        bare.append(run_calls(calls))
        with Clock():
            covered.append(run_calls(calls))
        progress(done + 1)
    return clock_cost(np.array(bare, dtype=np.int64), np.array(covered, dtype=np.int64))


def take_out(segments_ns: NDArray[np.int64], overhead_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Take the clock's cost out of the Python segment before each operation, the rest out of the operation.

    The clock's cost lies partly before the operation's first stamp, partly between its stamps and partly
    after the second. Most of it lies before; what that segment cannot cover was in the operation's.
    """
    before, operations = segments_ns[:, :-1:2], segments_ns[:, 1::2]
    left = before - overhead_ns
    result = segments_ns.copy()
    result[:, :-1:2] = np.maximum(left, 0)
    result[:, 1::2] = np.maximum(operations + np.minimum(left, 0), 0)
    return result


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector out of the measurement: its pauses would land on a random operation."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
