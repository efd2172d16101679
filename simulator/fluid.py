"""The fluid ideal: what every process would have received if the CPUs could be shared out like water.

This is generalised processor sharing (Parekh and Gallager, 1993): all processes with demand are served at
once, each in proportion to its tickets, none with more than one CPU; groups of processes likewise, none
with more than its quota. The ideal gets the demands that the simulated machine gets, when it gets them, and
it is given the CPU time that the machine delivers: its clock is the CPU time delivered, not the time
passed. So time lost to switching is owed to nobody, ideal and machine sum to the same at every instant, and
the difference for one process, its lag, is the policy's doing alone.

A quota is a rate here, as if it were used evenly over each period; a policy lets a group run until it is
spent.

Plain functions over the kernel's columns, interpreted or compiled with the span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.fluid_flat import share_flat
from simulator.tables import CLAIM, CLAIMS, FAR, GIVEN, HUNGER, LEFT, MOST, PARENT, WANTED

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

    Tickets decide, from the root down: a group is given its part of what its parent is given, and shares it
    among its processes and the groups in it. Nobody is given more than it can use: a process one CPU, a group
    what its processes want or its quota allows. What one cannot use goes to the others of its group.
    """
    if totals.groups.shape[1] == 1:
        share_flat(processes, totals)
        return
    want(processes, totals)
    totals.groups[GIVEN, 0] = totals.groups[WANTED, 0]
    for group in range(totals.groups.shape[1]):
        if totals.groups[HUNGER, group] <= totals.groups[GIVEN, group]:
            give_all(processes, totals, group)
        else:
            share_scarce(processes, totals, group)
    given = totals.groups[GIVEN, 0]
    totals.fluid_next_ns[0] = FAR
    for pid in range(totals.processes[0]):
        if processes.rate[pid] > 0.0:
            processes.rate[pid] /= given
            at = totals.fluid_at_ns[0] + processes.owed_ns[pid] / processes.rate[pid]
            totals.fluid_next_ns[0] = min(totals.fluid_next_ns[0], at)


def want(processes: Processes, totals: Totals) -> None:
    """Find what groups could use, in CPUs; who is to have a rate has -1.0."""
    groups = totals.groups
    for group in range(groups.shape[1]):
        groups[HUNGER, group] = 0.0
        groups[GIVEN, group] = 0.0
    for pid in range(totals.processes[0]):
        processes.rate[pid] = 0.0
        if processes.owed_ns[pid] > 0.0:
            processes.rate[pid] = -1.0
            groups[HUNGER, processes.group[pid]] += 1.0
    for group in range(groups.shape[1] - 1, -1, -1):
        groups[WANTED, group] = min(groups[HUNGER, group], groups[MOST, group])
        if group > 0:
            groups[HUNGER, int(groups[PARENT, group])] += groups[WANTED, group]


def is_hungry(processes: Processes, pid: int, group: int) -> bool:
    """Say whether a process is one of the group's own that have yet to be given a rate."""
    return processes.rate[pid] < 0.0 and processes.group[pid] == group  # type: ignore[no-any-return] # a comparison is a bool


def is_hungry_child(totals: Totals, child: int, group: int) -> bool:
    """Say whether a group is in another, and has yet to be given something."""
    groups = totals.groups
    wants = groups[WANTED, child] > 0.0 and groups[GIVEN, child] == 0.0
    return wants and groups[PARENT, child] == group  # type: ignore[no-any-return] # likewise


def give_all(processes: Processes, totals: Totals, group: int) -> None:
    """Give all members of a group what they can use."""
    for pid in range(totals.processes[0]):
        if is_hungry(processes, pid, group):
            processes.rate[pid] = 1.0
    for child in range(group + 1, totals.groups.shape[1]):
        if is_hungry_child(totals, child, group):
            totals.groups[GIVEN, child] = totals.groups[WANTED, child]


def share_scarce(processes: Processes, totals: Totals, group: int) -> None:
    """Share what a group is given among its members, who could use more, by their tickets."""
    groups = totals.groups
    groups[LEFT, group] = groups[GIVEN, group]
    groups[CLAIMS, group] = 0.0
    for pid in range(totals.processes[0]):
        if is_hungry(processes, pid, group):
            groups[CLAIMS, group] += processes.tickets[pid]
    for child in range(group + 1, groups.shape[1]):
        if is_hungry_child(totals, child, group):
            groups[CLAIMS, group] += groups[CLAIM, child]
    while satisfy_processes(processes, totals, group) or satisfy_groups(totals, group):
        pass
    share_rest(processes, totals, group)


def satisfy_processes(processes: Processes, totals: Totals, group: int) -> bool:
    """Give a CPU to the processes whose tickets would fetch them more; say whether there were any."""
    groups = totals.groups
    found = False
    for pid in range(totals.processes[0]):
        fetches_more = processes.tickets[pid] * groups[LEFT, group] > groups[CLAIMS, group] > 0.0
        if fetches_more and is_hungry(processes, pid, group):
            processes.rate[pid] = 1.0
            groups[LEFT, group] -= 1.0
            groups[CLAIMS, group] -= processes.tickets[pid]
            found = True
    return found


def satisfy_groups(totals: Totals, group: int) -> bool:
    """Give what they want to the groups whose tickets would fetch them more; say whether there were any."""
    groups = totals.groups
    found = False
    for child in range(group + 1, groups.shape[1]):
        fetches_more = (
            groups[CLAIM, child] * groups[LEFT, group] > groups[CLAIMS, group] * groups[WANTED, child]
        )
        if fetches_more and is_hungry_child(totals, child, group):
            groups[GIVEN, child] = groups[WANTED, child]
            groups[LEFT, group] -= groups[WANTED, child]
            groups[CLAIMS, group] -= groups[CLAIM, child]
            found = True
    return found


def share_rest(processes: Processes, totals: Totals, group: int) -> None:
    """Share what is left by tickets, in equal parts if nobody who is left has any."""
    groups = totals.groups
    left, claims = groups[LEFT, group], groups[CLAIMS, group]
    hungry = 0.0
    for pid in range(totals.processes[0]):
        if is_hungry(processes, pid, group):
            hungry += 1.0
    for pid in range(totals.processes[0]):
        if is_hungry(processes, pid, group):
            part = processes.tickets[pid] / claims if claims > 0.0 else 1.0 / hungry
            processes.rate[pid] = part * left
    for child in range(group + 1, groups.shape[1]):
        if is_hungry_child(totals, child, group):
            groups[GIVEN, child] = groups[CLAIM, child] / claims * left
