"""What a job, or a group of jobs, may have of memory beside others that want it too.

After the memory controller of Linux's cgroup v2 (Documentation/admin-guide/cgroup-v2.rst; mm/memcontrol.c).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.errors import InvariantError
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_KILLED = -1000
"""The `oom_score_adj` of a job that no killer may choose (OOM_SCORE_ADJ_MIN)."""
MOST_ADJ = 1000


@dataclass(eq=False, slots=True)
class MemoryControl:
    """The claim on memory of one job, for all of its processes together, or of a group of jobs.

    What is charged here is charged to all groups around it, too, and none may exceed its limit.

    Attributes:
        name: the job's name, or the group's.
        tickets: memory tickets: when memory is short, what a job is entitled to is its part of all tickets
            (Waldspurger and Weihl, OSDI 1994, section 6.2).
        parent: the group around it; None for a claim that no other contains.
        max_bytes: cgroup v2's `memory.max`: what it may hold; None for no limit of its own.
        high_bytes: `memory.high`: beyond this, its processes are throttled; None for never.
        oom_group: `memory.oom.group`: a killer that chooses one of its processes kills all of them.
        oom_score_adj: added to the badness of its processes, in thousandths of the memory there is.
        is_group: whether it is a group of jobs.
        own_bytes: what is charged to it and to none of what is in it.
        used_bytes: what it holds with all that is in it (`memory.current`).
        peak_bytes: the most that was (`memory.peak`).
        highs: how often a charge took it beyond `high_bytes`; these and the following as in `memory.events`.
        maxes: how often a charge would have taken it beyond `max_bytes`.
        ooms: how often that could not be helped by reclaiming.
        oom_kills: how many processes in it a killer has killed.
        throttled_ns: how long its processes have slept for being beyond `high_bytes`, in all.
    """

    name: str
    tickets: int = 1
    parent: MemoryControl | None = None
    max_bytes: int | None = None
    high_bytes: int | None = None
    oom_group: bool = False
    oom_score_adj: int = 0
    is_group: bool = False
    own_bytes: int = 0
    used_bytes: int = 0
    peak_bytes: int = 0
    highs: int = 0
    maxes: int = 0
    ooms: int = 0
    oom_kills: int = 0
    throttled_ns: int = 0

    def lineage(self) -> Iterator[MemoryControl]:
        """Yield this claim and the groups around it, from the inside out."""
        one: MemoryControl | None = self
        while one is not None:
            yield one
            one = one.parent

    def is_within(self, other: MemoryControl | None) -> bool:
        """Say whether it is another claim, or in it; all are within None, the machine."""
        return other is None or any(one is other for one in self.lineage())

    def limit_hit(self, size: int) -> MemoryControl | None:
        """Return the innermost claim whose `max_bytes` a charge of `size` bytes would exceed."""
        return next((one for one in self.lineage() if one.lacking(size) > 0), None)

    def lacking(self, size: int) -> int:
        """Return by how much a charge of `size` bytes would exceed its own `max_bytes`; 0 if it would not."""
        return 0 if self.max_bytes is None else max(self.used_bytes + size - self.max_bytes, 0)

    def headroom_bytes(self) -> int | None:
        """Return how much may still be charged; None where nothing limits it."""
        rooms = [one.max_bytes - one.used_bytes for one in self.lineage() if one.max_bytes is not None]
        return max(min(rooms), 0) if rooms else None

    def is_over_high(self) -> bool:
        """Say whether it, or a group around it, holds more than its `high_bytes`."""
        return any(one.high_bytes is not None and one.used_bytes > one.high_bytes for one in self.lineage())

    def charge(self, size: int) -> None:
        """Charge bytes, whatever the limits."""
        self.own_bytes += size
        for one in self.lineage():
            one.used_bytes += size
            one.peak_bytes = max(one.peak_bytes, one.used_bytes)
            one.highs += one.high_bytes is not None and one.used_bytes > one.high_bytes

    def uncharge(self, size: int) -> None:
        """Take a charge back.

        Raises:
            InvariantError: it was never charged.
        """
        if size > self.own_bytes:
            raise InvariantError(f"{size} bytes are uncharged of {self.name}, which holds {self.own_bytes}")
        self.own_bytes -= size
        for one in self.lineage():
            one.used_bytes -= size

    def refusal(self, size: int) -> OutOfMemory:
        """Return the error of a charge that would exceed `max_bytes`."""
        most, free = self.max_bytes or 0, max((self.max_bytes or 0) - self.used_bytes, 0)
        whose = f"group {self.name}" if self.is_group else self.name
        return OutOfMemory(
            f"memory.max of {whose}: needs {format_bytes(size)}; {format_bytes(free)} are left of "
            f"{format_bytes(most)}",
            size,
            free,
            free,
        )
