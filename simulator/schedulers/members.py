"""The list of runnable processes in order of arrival, kept in arrays so that it can be compiled.

`members[0:count[0]]` are the pids. Processes that are on a CPU stay members; a policy marks them itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.tables import Int64s


def add_member(members: Int64s, count: Int64s, pid: int) -> None:
    """Append a pid."""
    members[count[0]] = pid
    count[0] += 1


def remove_member(members: Int64s, count: Int64s, pid: int) -> None:
    """Remove a pid, keeping the order of the others."""
    at = 0
    while members[at] != pid:
        at += 1
    count[0] -= 1
    while at < count[0]:
        members[at] = members[at + 1]
        at += 1
