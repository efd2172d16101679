"""The fluid ideal: what every process would have received if the CPUs could be shared out like water.

This is generalised processor sharing (Parekh and Gallager, 1993): all processes with demand are served at
once, each in proportion to its tickets, none with more than one CPU. The ideal gets the demands that the
simulated machine gets, when it gets them, and it is given the CPU time that the machine delivers: its clock
is the CPU time delivered, not the time passed. So time lost to switching is owed to nobody, ideal and
machine sum to the same at every instant, and the difference for one process, its lag, is the policy's doing
alone.

Plain functions over the kernel's columns, interpreted or compiled with the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.tables import FAR

if TYPE_CHECKING:
    from simulator.tables import Processes, Totals

DROP = 0.5
"""Nanoseconds of owed service that count as none: what rounding may leave."""


def advance_fluid(processes: Processes, totals: Totals, service: float) -> None:
    """Let the ideal catch up with `service` nanoseconds delivered in all, as far as demands end in it.

    After this, rates are constant up to `service`: entitled_ns + rate * (service - fluid_at_ns) is what a
    process has received in the ideal.
    """
    if totals.fluid_next_ns[0] <= service:
        meet_demands(processes, totals, service)


def meet_demands(processes: Processes, totals: Totals, service: float) -> None:
    """Let the ideal meet the demands that end within `service` nanoseconds delivered in all."""
    while totals.fluid_next_ns[0] <= service:
        settle_fluid(processes, totals, totals.fluid_next_ns[0])
        share_out(processes, totals)


def renew_fluid(processes: Processes, totals: Totals, service: float) -> None:
    """Tell the ideal of new demands (`asked_ns`), and of tickets that have changed.

    Args:
        processes: the process table.
        totals: the machine's numbers.
        service: CPU time delivered in all by now.
    """
    advance_fluid(processes, totals, service)
    settle_fluid(processes, totals, service)
    for pid in range(totals.processes[0]):
        processes.owed_ns[pid] += processes.asked_ns[pid]
        processes.asked_ns[pid] = 0
    share_out(processes, totals)
    totals.ideal_stale[0] = 0


def settle_fluid(processes: Processes, totals: Totals, service: float) -> None:
    """Book what the ideal has served since it was last settled; a demand that is met is met exactly."""
    due = service - totals.fluid_at_ns[0]
    for pid in range(totals.processes[0]):
        if processes.owed_ns[pid] > 0.0:
            served = processes.rate[pid] * due
            if processes.owed_ns[pid] - served < DROP:
                served = processes.owed_ns[pid]
            processes.owed_ns[pid] -= served
            processes.entitled_ns[pid] += served
    totals.fluid_at_ns[0] = service


def share_out(processes: Processes, totals: Totals) -> None:
    """Set every process's part of the CPU time to come, and find when the first demand will be met.

    Tickets decide. What a process could use of more than one CPU is shared by the others in proportion, in
    equal parts if none of them has tickets.
    """
    count = totals.processes[0]
    cpus = float(totals.cpus[0])
    hungry = 0
    for pid in range(count):
        processes.rate[pid] = 0.0
        if processes.owed_ns[pid] > 0.0:
            processes.rate[pid] = -1.0
            hungry += 1
    if hungry <= cpus:
        for pid in range(count):
            if processes.rate[pid] < 0.0:
                processes.rate[pid] = 1.0 / hungry
    else:
        share_scarce(processes, count, cpus)
    totals.fluid_next_ns[0] = FAR
    for pid in range(count):
        if processes.rate[pid] > 0.0:
            at = totals.fluid_at_ns[0] + processes.owed_ns[pid] / processes.rate[pid]
            totals.fluid_next_ns[0] = min(totals.fluid_next_ns[0], at)


def share_scarce(processes: Processes, count: int, cpus: float) -> None:
    """Share CPUs among more processes than there are CPUs; who is to have a rate has -1.0."""
    total = 0.0
    hungry = 0.0
    for pid in range(count):
        if processes.rate[pid] < 0.0:
            total += processes.tickets[pid]
            hungry += 1.0
    capacity = cpus
    capped = True
    while capped:
        capped = False
        for pid in range(count):
            if processes.rate[pid] < 0.0 and processes.tickets[pid] * capacity > total > 0.0:
                processes.rate[pid] = 1.0 / cpus
                capacity -= 1.0
                total -= processes.tickets[pid]
                hungry -= 1.0
                capped = True
    for pid in range(count):
        if processes.rate[pid] < 0.0:
            part = processes.tickets[pid] / total if total > 0.0 else 1.0 / hungry
            processes.rate[pid] = part * capacity / cpus
