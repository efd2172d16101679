"""A recorded sequence of operations, executed as one demand for the CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Burst:
    """Operations one after another, with the mallocs and frees between them.

    The kernel schedules the whole burst as one demand: operation boundaries are looked up from the CPU
    time received, never simulated as events.

    Attributes:
        op_cpu_ns: int64[ops], CPU time of each operation in nanoseconds, >= 0.
        op_names: a name per operation, used in messages ("aten::conv2d in backbone.body.layer1").
        event_op: int64[events], non-decreasing: the operation each memory event belongs to.
        event_after: bool[events]: the event happens at the operation's end rather than at its start.
            Within one operation no start event follows an end event.
        event_block: int64[events], a name for the block, unique among the blocks alive.
        event_bytes: int64[events]: > 0 allocates a block of that many bytes, < 0 frees the block (the
            magnitude repeats its size).
        op_parallel: bool[ops]: the operations that several threads can share (`simulator.teams`).
        files: the files (`SystemCalls.load_file`) that it reads from end to end as it goes on.

    Raises:
        ValueError: columns of different length, a negative time, an event of 0 bytes, or events out of order.
    """

    op_cpu_ns: NDArray[np.int64]
    op_names: Sequence[str]
    event_op: NDArray[np.int64]
    event_after: NDArray[np.bool_]
    event_block: NDArray[np.int64]
    event_bytes: NDArray[np.int64]
    op_parallel: NDArray[np.bool_]
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        events = {len(self.event_op), len(self.event_after), len(self.event_block), len(self.event_bytes)}
        ops = {len(self.op_cpu_ns), len(self.op_names), len(self.op_parallel)}
        if len(ops) != 1 or len(events) != 1:
            raise ValueError("a burst's columns differ in length")
        if (self.op_cpu_ns < 0).any() or (self.event_bytes == 0).any() or (np.diff(self.event_op) < 0).any():
            raise ValueError("a burst's times are >= 0, its blocks not empty, and its events in order")

    @cached_property
    def op_end_ns(self) -> NDArray[np.int64]:
        """int64[ops]: CPU time from the start of the burst to the end of each operation."""
        return np.cumsum(self.op_cpu_ns, dtype=np.int64)

    @cached_property
    def event_offset_ns(self) -> NDArray[np.int64]:
        """int64[events]: CPU time into the burst at which each memory event happens, non-decreasing."""
        ends = self.op_end_ns[self.event_op]
        return np.where(self.event_after, ends, ends - self.op_cpu_ns[self.event_op])

    @cached_property
    def numbered_blocks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The names of the blocks, sorted, and for each event the index of its block's among them."""
        names, numbers = np.unique(self.event_block, return_inverse=True)
        return names.astype(np.int64), numbers.astype(np.int64)

    def rest(self, event: int) -> Burst:
        """Return the burst without its memory events before one of them."""
        columns = ("event_op", "event_after", "event_block", "event_bytes")
        return replace(self, **{name: getattr(self, name)[event:] for name in columns})

    @property
    def cpu_ns(self) -> int:
        """CPU time of the whole burst in nanoseconds."""
        return int(self.op_end_ns[-1]) if len(self.op_end_ns) else 0
