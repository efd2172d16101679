"""The timers of CPU bandwidth control: pools are filled, and groups that were held back run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.schedulers.linux.bandwidth import SLICE_NS, longest_throttled, mark_held
from simulator.schedulers.linux.hierarchy import rise
from simulator.tables import NEVER

if TYPE_CHECKING:
    from simulator.schedulers.linux.scheduler import LinuxScheduler


def run_timers(queues: LinuxScheduler) -> None:
    """Do what is due, and set the alarm for what is due next."""
    queues.alarm_ns[0] = NEVER
    for group in range(1, queues.groups[0]):
        if queues.refill_at_ns[group] <= queues.now_ns[0]:
            end_period(queues, group)
        if queues.slack_at_ns[group] <= queues.now_ns[0]:
            queues.slack_at_ns[group] = NEVER
            if queues.pool_ns[group] > SLICE_NS:
                distribute(queues, group)
    # Whoever ran again may have started its parent's timer.
    for group in range(1, queues.groups[0]):
        due = min(queues.refill_at_ns[group], queues.slack_at_ns[group])
        queues.alarm_ns[0] = min(queues.alarm_ns[0], due)


def end_period(queues: LinuxScheduler, group: int) -> None:
    """Fill a group's pool; after a whole period without use the timer stops (do_sched_cfs_period_timer)."""
    held_back = longest_throttled(queues, group) >= 0
    queues.periods[group] += 1
    queues.pool_ns[group] = queues.quota_ns[group]
    if queues.unused[group] == 1 and not held_back:
        queues.refill_at_ns[group] = NEVER
        return
    queues.refill_at_ns[group] += queues.period_ns[group]
    queues.unused[group] = 1
    if held_back:
        queues.throttled_periods[group] += 1
        queues.unused[group] = 0
        distribute(queues, group)


def distribute(queues: LinuxScheduler, group: int) -> None:
    """Let queues that were held back run again, the longest first, as far as the pool pays their debts."""
    queue = longest_throttled(queues, group)
    while queue >= 0 and queues.pool_ns[group] > 0:
        given = min(queues.pool_ns[group], 1 - queues.runtime_ns[queue])
        queues.pool_ns[group] -= given
        queues.runtime_ns[queue] += given
        if queues.runtime_ns[queue] > 0:
            unthrottle(queues, queue)
        queue = longest_throttled(queues, group)


def unthrottle(queues: LinuxScheduler, queue: int) -> None:
    """Put a group that was held back on a CPU on its parent's queue again (unthrottle_cfs_rq)."""
    queues.throttled[queue] = 0
    queues.throttled_ns[queue // queues.cpus[0]] += waited_ns(queues, queue)
    mark_held(queues)
    if queues.waiting[queue] > 0:
        rise(queues, queue, queues.processes[queue])


def waited_ns(queues: LinuxScheduler, queue: int) -> int:
    """Return how long processes of a group that is held back on a CPU have waited there."""
    since = queues.throttled_since_ns[queue]
    waited: int = queues.now_ns[0] - since if since >= 0 else 0
    return waited
