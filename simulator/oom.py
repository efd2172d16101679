"""Who is killed when memory runs out: the rules by which a victim is chosen.

A rule gives each candidate a score, and the highest loses; of several with the same score, the youngest, as
in Linux. A job whose `oom_score_adj` is -1000 is no candidate under any rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from simulator.memory.control import NEVER_KILLED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.memory.control import MemoryControl

KILL_ASKING = "kill-asking"
"""The process that asked ends (Linux's `vm.oom_kill_allocating_task`)."""
LINUX = "linux"
TICKETS = "tickets"


@dataclass(frozen=True)
class Candidate:
    """A process that might be killed, as it was when memory ran out.

    Attributes:
        pid: the process.
        job: its job.
        rss_bytes: what it has in memory, shared memory in full, tables aside.
        table_bytes: what its page tables take.
        swapped_bytes: what it has in swap.
        held_bytes: what its job is charged for, all of its processes together.
        asked_bytes: what its job asks for just now, 0 for all jobs but one.
        tickets: its job's memory tickets.
        entitled_bytes: what these entitle the job to.
        oom_score_adj: its job's.
    """

    pid: int
    job: str
    rss_bytes: int
    table_bytes: int
    swapped_bytes: int
    held_bytes: int
    asked_bytes: int
    tickets: int
    entitled_bytes: int
    oom_score_adj: int


def badness(candidate: Candidate, total_bytes: int, page_bytes: int) -> int:
    """Return how much a process deserves to be killed, in pages, as `oom_badness` in mm/oom_kill.c.

    That is what it has in memory and in swap, and its page tables; `oom_score_adj` adds or takes away
    thousandths of all there is.

    Args:
        candidate: the process.
        total_bytes: the memory there is, with swap; or the limit that was hit.
        page_bytes: size of a page.
    """
    pages = sum(
        size // page_bytes for size in (candidate.rss_bytes, candidate.swapped_bytes, candidate.table_bytes)
    )
    return pages + candidate.oom_score_adj * (max(total_bytes // page_bytes, 1) // 1000)


def excess(candidate: Candidate) -> Fraction:
    """Return how many times what its tickets entitle it to a job would hold, request included.

    Of the processes of one job, which all have that, the one that has most in memory counts as the worst.
    """
    return Fraction(candidate.held_bytes + candidate.asked_bytes, max(candidate.entitled_bytes, 1))


Score = int | Fraction


def _linux(candidate: Candidate, total_bytes: int, page_bytes: int) -> tuple[Score, ...]:
    return (badness(candidate, total_bytes, page_bytes),)


def _tickets(candidate: Candidate, _total_bytes: int, _page_bytes: int) -> tuple[Score, ...]:
    return (excess(candidate), candidate.rss_bytes)


RULES: dict[str, Callable[[Candidate, int, int], tuple[Score, ...]]] = {
    KILL_ASKING: _linux,
    LINUX: _linux,
    TICKETS: _tickets,
}
"""By name, what the rule compares candidates by; the first of it is the score that is told."""
KILLERS = tuple(RULES)


def entitlements(controls: Sequence[MemoryControl], size_bytes: int) -> dict[MemoryControl, int]:
    """Return what jobs are entitled to of memory: each its part of all their tickets, rounded down."""
    total = sum(control.tickets for control in controls)
    return {control: size_bytes * control.tickets // total for control in controls}


def ranked(
    killer: str, candidates: Sequence[Candidate], total_bytes: int, page_bytes: int
) -> list[tuple[Candidate, float]]:
    """Return candidates with their scores, the first to be killed first; those never killed left out.

    Args:
        killer: the rule's name.
        candidates: processes, by pid.
        total_bytes: as for `badness`.
        page_bytes: likewise.
    """
    rule = RULES[killer]
    scored = [
        ((*rule(one, total_bytes, page_bytes), one.pid), one)
        for one in candidates
        if one.oom_score_adj > NEVER_KILLED
    ]
    scored.sort(key=lambda entry: entry[0], reverse=True)
    return [(one, float(key[0])) for key, one in scored]
