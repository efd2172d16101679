"""The swap device: where pages are kept that have no frame (OSTEP ch. 21)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError, TimeshareError
from simulator.memory.costs import SECOND_NS
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.storage import Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SCANNED = 1024
"""Slots that are looked at together when free ones are sought."""


@dataclass(frozen=True)
class SwapShape:
    """What a swap device is like.

    Attributes:
        size_bytes: room for pages.
        latency_ns: from the beginning of a request until its first byte moves.
        bandwidth: bytes per second then.
        cluster: the most neighbouring pages that one request moves; 8 is Linux's `vm.page-cluster` of 3.

    Raises:
        ValueError: a size, bandwidth or cluster below 1, or a negative latency.
    """

    size_bytes: int
    latency_ns: int = 100_000
    bandwidth: int = 500_000_000
    cluster: int = 8

    def __post_init__(self) -> None:
        if min(self.size_bytes, self.bandwidth, self.cluster) < 1 or self.latency_ns < 0:
            raise ValueError("a swap device has a size, a bandwidth, a cluster and no negative latency")


class SwapDevice:
    """A disk with room for pages, and a queue in which one request is served after another.

    A slot holds a page and has a number of users: page table entries that name it, and the frame, if there is
    one, that holds the same page. Files are read from the same disk.

    Args:
        shape: what it is like.
        page_size: bytes of a slot.

    Attributes:
        storage: the bytes in the slots.
        busy_ns: how long it has worked, or is sure to, on what has been asked of it.
        requests: how many it has been asked for.
        read_bytes, written_bytes: moved in all, files included.

    Raises:
        TimeshareError: a size that is no whole number of pages.
    """

    def __init__(self, shape: SwapShape, page_size: int) -> None:
        if shape.size_bytes % page_size:
            raise TimeshareError(
                f"a swap device of {format_bytes(shape.size_bytes)} is no whole number of pages of "
                f"{format_bytes(page_size)}"
            )
        self.shape = shape
        self.page_size = page_size
        self.storage = Storage()
        self.busy_ns = self.requests = self.read_bytes = self.written_bytes = 0
        self._free_ns = 0
        self._users = np.zeros(shape.size_bytes // page_size, np.int32)
        self._free = len(self._users)
        self._next = 0
        # For working sets: whose page is in a slot that no frame holds, and when it was used last.
        self._space = np.full(len(self._users), -1, np.int32)
        self._used_at = np.zeros(len(self._users), np.int64)

    @property
    def size_bytes(self) -> int:
        """All slots."""
        return len(self._users) * self.page_size

    @property
    def free_slots(self) -> int:
        """Slots that nobody uses."""
        return self._free

    @property
    def used_bytes(self) -> int:
        """Slots that somebody uses, in bytes."""
        return (len(self._users) - self._free) * self.page_size

    def worked_ns(self, now_ns: int) -> int:
        """Return how long it has worked by now; what it is sure to do later is not in it."""
        return self.busy_ns - max(self._free_ns - now_ns, 0)

    def users(self, slot: int) -> int:
        """Return how many users a slot has."""
        return int(self._users[slot])

    def allocate(self, count: int) -> NDArray[np.int64]:
        """Hand out slots with a user each, one behind the other where they are free.

        Raises:
            OutOfMemory: fewer are free; none is handed out.
        """
        if count > self._free:
            size, free = count * self.page_size, self._free * self.page_size
            raise OutOfMemory(f"no swap slot is free for {format_bytes(size)}", size, free, free)
        found: list[NDArray[np.int64]] = []
        left = count
        while left:
            # From where the last search ended, as Linux's scan for clusters.
            end = min(self._next + max(2 * left, LEAST_SCANNED), len(self._users))
            slots = np.flatnonzero(self._users[self._next : end] == 0)[:left] + self._next
            self._users[slots] = 1
            found.append(slots)
            left -= len(slots)
            self._next = int(slots[-1]) + 1 if not left else end
            if self._next == len(self._users):
                self._next = 0
        self._free -= count
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def share(self, slot: int, users: int) -> None:
        """Add users to a slot that has some."""
        if self._users[slot] < 1:
            raise InvariantError(f"swap slot {slot} is shared that nobody uses")
        self._users[slot] += users

    def release(self, slots: NDArray[np.int64]) -> None:
        """Take a user from each of the slots, which differ from each other; one without reads as 0.

        Raises:
            InvariantError: one of them has none.
        """
        if not len(slots):
            return
        if int(self._users[slots].min()) < 1:
            raise InvariantError("a swap slot is released that nobody uses")
        self._users[slots] -= 1
        gone = slots[self._users[slots] == 0]
        self._free += len(gone)
        if len(self.storage):
            for slot in gone.tolist():
                self.storage.clear(slot * self.page_size, self.page_size)

    def keep(self, slots: NDArray[np.int64], space: int, used_at: NDArray[np.int64]) -> None:
        """Note whose pages are in slots and in no frame from now on, and when they were used last."""
        self._space[slots], self._used_at[slots] = space, used_at

    def forget(self, slots: NDArray[np.int64]) -> None:
        """Note that pages in slots are in frames, too, or nobody's."""
        self._space[slots] = -1

    def kept(self, space: int, since_ns: int = -1) -> int:
        """Return how many pages of a space are in slots alone, and were used at `since_ns` or later."""
        own = np.flatnonzero(self._space == space) if self._free < len(self._users) else ()
        return int(np.count_nonzero(self._used_at[own] >= since_ns)) if len(own) else 0

    def read(self, now_ns: int, places: NDArray[np.int64]) -> int:
        """Ask for pages, ascending by where they are on the disk; return when the last has come."""
        self.read_bytes += len(places) * self.page_size
        return self._queue(now_ns, places)

    def write(self, now_ns: int, places: NDArray[np.int64]) -> int:
        """Ask for pages to be written, ascending by where to; return when the last has been."""
        self.written_bytes += len(places) * self.page_size
        return self._queue(now_ns, places)

    def check(self) -> None:
        """Balance the books.

        Raises:
            InvariantError: free and used slots are not all of them.
        """
        used = int(np.count_nonzero(self._users))
        if used + self._free != len(self._users) or int(self._users.min(initial=0)) < 0:
            raise InvariantError(f"{used} swap slots used + {self._free} free != {len(self._users)}")

    def _queue(self, now_ns: int, places: NDArray[np.int64]) -> int:
        """Put requests behind those that wait; each is for neighbours, `cluster` of them at most."""
        if not len(places):
            return now_ns
        requests = 1
        if len(places) > 1:
            ends = np.append(np.flatnonzero(np.diff(places) != 1), len(places) - 1)
            requests = int((-(-np.diff(ends, prepend=-1) // self.shape.cluster)).sum())
        size = len(places) * self.page_size
        took = requests * self.shape.latency_ns - (-size * SECOND_NS // self.shape.bandwidth)
        self._free_ns = max(now_ns, self._free_ns) + took
        self.busy_ns += took
        self.requests += requests
        return self._free_ns
