"""CPU bandwidth control: a group's quota, and each CPU's part of it (kernel/sched/fair.c, `cpu.max`).

A group's *pool* is filled to the quota at the end of every period; what was left of it is lost. A CPU on
which the group runs takes 5 ms at a time out of the pool. It may overdraw its part until the next tick; that
is paid back first when the pool is filled. A queue of the group that becomes empty gives back what it has but
for 1 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.schedulers.linux.weights import MS
from simulator.tables import NEVER

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler

SLICE_NS = 5 * MS
"""What a CPU takes from the pool at once: sched_cfs_bandwidth_slice_us."""

KEPT_NS = 1 * MS
"""What a CPU keeps when the group has nothing to run there: min_cfs_rq_runtime."""

SLACK_NS = 5 * MS
"""After so long, what CPUs gave back is handed to others that ran out: cfs_bandwidth_slack_period."""

TOO_LATE_NS = 2 * MS
"""Unless the pool is filled so soon after that anyway: min_bandwidth_expiration."""

MASK_BITS = 63


def is_limited(queues: LinuxScheduler, queue: int) -> bool:
    """Say whether the group of a queue has a quota of its own."""
    return queue >= queues.cpus[0] and queues.quota_ns[queue // queues.cpus[0]] > 0  # type: ignore[no-any-return] # a comparison is a bool


def has_runtime(queues: LinuxScheduler, queue: int) -> bool:
    """Take from a group's pool what it lacks on a CPU; say if it may run there (assign_cfs_rq_runtime)."""
    if queues.runtime_ns[queue] <= 0:
        group = queue // queues.cpus[0]
        start_period(queues, group)
        given = min(queues.pool_ns[group], SLICE_NS - queues.runtime_ns[queue])
        if given > 0:
            queues.pool_ns[group] -= given
            queues.runtime_ns[queue] += given
            queues.unused[group] = 0
    return queues.runtime_ns[queue] > 0  # type: ignore[no-any-return] # a comparison is a bool


def start_period(queues: LinuxScheduler, group: int) -> None:
    """Start the timer that fills the pool; periods begin at multiples of their length."""
    if queues.refill_at_ns[group] == NEVER:
        period = queues.period_ns[group]
        queues.refill_at_ns[group] = (queues.now_ns[0] // period + 1) * period
        queues.alarm_ns[0] = min(queues.alarm_ns[0], queues.refill_at_ns[group])


def give_back(queues: LinuxScheduler, queue: int) -> None:
    """Return the runtime of a queue that has become empty to the pool (return_cfs_rq_runtime)."""
    slack = queues.runtime_ns[queue] - KEPT_NS
    if slack <= 0:
        return
    group = queue // queues.cpus[0]
    queues.runtime_ns[queue] -= slack
    queues.pool_ns[group] += slack
    soon = queues.now_ns[0] + SLACK_NS
    wanted = queues.pool_ns[group] > SLICE_NS and longest_throttled(queues, group) >= 0
    if wanted and queues.slack_at_ns[group] == NEVER and queues.refill_at_ns[group] > soon + TOO_LATE_NS:
        queues.slack_at_ns[group] = soon
        queues.alarm_ns[0] = min(queues.alarm_ns[0], soon)


def longest_throttled(queues: LinuxScheduler, group: int) -> int:
    """Return the queue of a group that has been held back for longest, -1 if none is."""
    found = -1
    for cpu in range(queues.cpus[0]):
        queue = group * queues.cpus[0] + cpu
        if queues.throttled[queue] > 0 and (found < 0 or queues.throttled[queue] < queues.throttled[found]):
            found = queue
    return found


def mark_held(queues: LinuxScheduler) -> None:
    """Tell the kernel where processes are held back, after a change."""
    for pid in range(len(queues.group)):
        if queues.group[pid] > 0:
            queues.held[pid] = held_on(queues, pid)


def held_on(queues: LinuxScheduler, pid: int) -> int:
    """Return the CPUs where a process would have to wait for its quota, one bit each.

    These are all if it has to where it is; otherwise, it might be taken to the others.
    """
    home = queues.home[pid + queues.first_process[0]]
    if home > 0 and is_held_back(queues, home - 1):
        return -1
    held = 0
    for cpu in range(min(queues.cpus[0], MASK_BITS)):
        if is_held_back(queues, queues.group[pid] * queues.cpus[0] + cpu):
            held |= 1 << cpu
    return held


def is_held_back(queues: LinuxScheduler, queue: int) -> bool:
    """Say whether the group of a queue, or one that it is in, is held back on its CPU."""
    while queue >= queues.cpus[0]:
        if queues.throttled[queue] > 0:
            return True
        queue = queues.home[queue - queues.cpus[0]] - 1
    return False
