"""A queue of pids as a doubly linked list in arrays: every operation takes constant time.

`after[pid]` and `before[pid]` hold pid + 1 of the neighbour, 0 at an end, so that zeroed arrays are an empty
queue; `head` and `tail` likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.schedulers.round_robin import RoundRobin


def push_back(queue: RoundRobin, pid: int) -> None:
    """Append a pid at the tail."""
    last = queue.tail[0]
    queue.before[pid] = last
    queue.after[pid] = 0
    if last > 0:
        queue.after[last - 1] = pid + 1
    else:
        queue.head[0] = pid + 1
    queue.tail[0] = pid + 1


def push_front(queue: RoundRobin, pid: int) -> None:
    """Put a pid before the head."""
    first = queue.head[0]
    queue.after[pid] = first
    queue.before[pid] = 0
    if first > 0:
        queue.before[first - 1] = pid + 1
    else:
        queue.tail[0] = pid + 1
    queue.head[0] = pid + 1


def unlink(queue: RoundRobin, pid: int) -> None:
    """Remove a pid, wherever it stands."""
    before = queue.before[pid]
    after = queue.after[pid]
    if before > 0:
        queue.after[before - 1] = after
    else:
        queue.head[0] = after
    if after > 0:
        queue.before[after - 1] = before
    else:
        queue.tail[0] = before
