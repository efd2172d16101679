"""Requests as the kernel sees them: they arrive, wait, are dropped, started and answered.

Plain functions over the kernel's tables, interpreted or compiled with the span (`simulator.span`). What
programs and the outside world see of a source is in `simulator.sources`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.demands import ask
from simulator.tables import ARRIVED, DROPPED, FINISHED, NEVER, NOBODY, STARTED
from simulator.teams import begin_burst

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Processes, Sources, Teams, Totals

WAITS = -1
"""When a request started or finished that has not."""
IN_HAND = -3
"""When a request started that is on its way to the program that waits for it."""

ALL_ARRIVED = 0
"""Whatever was to arrive by now has."""
TIMES_SPENT = 1
"""A source needs more arrival times before time can go on."""
LOG_FULL = 2
"""A source's log must be emptied, or made larger."""


def let_arrive(
    policy: Scheduler, processes: Processes, totals: Totals, sources: Sources, teams: Teams
) -> int:
    """Let all requests arrive that are due, source by source; return one of the codes above."""
    now = totals.now_ns[0]
    for source in range(totals.sources[0]):
        while sources.next_ns[source] <= now:
            if sources.rows[source] == sources.log.shape[2]:
                return LOG_FULL
            row = sources.rows[source]
            sources.rows[source] = row + 1
            sources.log[ARRIVED, source, row] = sources.next_ns[source]
            sources.log[STARTED, source, row] = WAITS
            sources.log[FINISHED, source, row] = WAITS
            receive_or_queue(policy, processes, totals, sources, teams, source, row)
            if not look_ahead(sources, source):
                return TIMES_SPENT
    return ALL_ARRIVED


def receive_or_queue(
    policy: Scheduler,
    processes: Processes,
    totals: Totals,
    sources: Sources,
    teams: Teams,
    source: int,
    row: int,
) -> None:
    """Hand a request to who waits for it, or let it wait; where the queue is full, one is dropped."""
    if sources.pid[source] != NOBODY and sources.current[source] == NOBODY:
        sources.head[source] = row + 1
        start(policy, processes, totals, sources, teams, source, row)
    elif sources.receivers[source] > 0:
        sources.head[source] = row + 1
        sources.receivers[source] -= 1
        sources.log[STARTED, source, row] = IN_HAND
        totals.handed[0] = 1
    elif sources.waiting[source] < sources.capacity[source]:
        sources.waiting[source] += 1
    elif sources.drop_newest[source] == 1:
        sources.log[FINISHED, source, row] = DROPPED
    else:
        sources.log[FINISHED, source, take(sources, source)] = DROPPED
        sources.waiting[source] += 1


def look_ahead(sources: Sources, source: int) -> bool:
    """Go on to a source's next arrival; False if the times on hand are spent and there are more."""
    if sources.closed[source] == 1:
        sources.coming[source] -= 1
        if sources.coming[source] == 0:
            sources.next_ns[source] = NEVER
        return True
    at = sources.at[source] + 1
    sources.at[source] = at
    if at < sources.known[source]:
        sources.next_ns[source] = sources.times[source, at]
        return True
    sources.next_ns[source] = NEVER
    return sources.ended[source] == 1  # type: ignore[no-any-return] # a comparison is a bool


def take(sources: Sources, source: int) -> int:
    """Take the request off a source's queue that has waited longest; return its row."""
    row: int = sources.head[source]
    while sources.log[STARTED, source, row] != WAITS or sources.log[FINISHED, source, row] != WAITS:
        row += 1
    sources.head[source] = row + 1
    sources.waiting[source] -= 1
    return row


def want_next(totals: Totals, sources: Sources, source: int) -> None:
    """Let a closed loop make its next request, or several at once, now that its server is ready for it."""
    if sources.closed[source] == 1 and sources.left[source] > 0 and sources.next_ns[source] == NEVER:
        sources.coming[source] = min(sources.samples[source], sources.left[source])
        sources.left[source] -= sources.coming[source]
        first = sources.flushed[source] + sources.rows[source] == 0
        pause = 0 if first else sources.think_ns[source]
        sources.next_ns[source] = totals.now_ns[0] + pause
        totals.due_ns[0] = min(totals.due_ns[0], sources.next_ns[source])


def start(
    policy: Scheduler,
    processes: Processes,
    totals: Totals,
    sources: Sources,
    teams: Teams,
    source: int,
    row: int,
) -> None:
    """Let the process that the kernel serves requests for begin one."""
    sources.log[STARTED, source, row] = totals.now_ns[0]
    sources.current[source] = row
    pid = sources.pid[source]
    if processes.team[pid] == NOBODY:
        ask(policy, processes, totals, pid, sources.burst_ns[source])
    else:
        begin_burst(policy, processes, totals, teams, processes.team[pid])


def start_next(
    policy: Scheduler, processes: Processes, totals: Totals, sources: Sources, teams: Teams, source: int
) -> None:
    """Let that process begin the next request that waits, or wait for one."""
    if sources.waiting[source] > 0:
        start(policy, processes, totals, sources, teams, source, take(sources, source))
    else:
        want_next(totals, sources, source)


def finish(totals: Totals, sources: Sources, source: int) -> None:
    """Note that the request being served is answered."""
    sources.log[FINISHED, source, sources.current[source]] = totals.now_ns[0]
    sources.current[source] = NOBODY
    sources.served[source] += 1
