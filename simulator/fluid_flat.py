"""The fluid ideal where there is no group but the root: the same as `simulator.fluid` in fewer steps.

It is shared out anew for every demand, and most machines have no groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.tables import FAR

if TYPE_CHECKING:
    from simulator.tables import Processes, Totals


def share_flat(processes: Processes, totals: Totals) -> None:
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
        share_flat_scarce(processes, count, cpus)
    totals.fluid_next_ns[0] = FAR
    for pid in range(count):
        if processes.rate[pid] > 0.0:
            at = totals.fluid_at_ns[0] + processes.owed_ns[pid] / processes.rate[pid]
            totals.fluid_next_ns[0] = min(totals.fluid_next_ns[0], at)


def share_flat_scarce(processes: Processes, count: int, cpus: float) -> None:
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
