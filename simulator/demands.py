"""Demands: how a process asks for CPU time.

Plain functions over the kernel's tables, interpreted or compiled with the span (`simulator.span`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler
    from simulator.tables import Processes, Totals


def ask(policy: Scheduler, processes: Processes, totals: Totals, pid: int, cpu_ns: int) -> None:
    """Let a process demand CPU time; it is woken before the next decision, unless it is runnable already."""
    processes.demand_ns[pid] = cpu_ns
    processes.asked_ns[pid] += cpu_ns
    policy.left_ns[pid] = cpu_ns
    totals.ideal_stale[0] = 1
    totals.due_ns[0] = totals.now_ns[0]
    if processes.runnable[pid] == 0:
        processes.runnable[pid] = 1
        processes.woken[totals.woken[0]] = pid
        totals.woken[0] += 1
        stir(processes, totals, pid)


def stir(processes: Processes, totals: Totals, pid: int) -> None:
    """Note for the ticket economy that a process has become runnable, or stopped being so."""
    if totals.watched[0] == 1:
        processes.stirred[pid] = 1
        totals.stirred[0] = 1
