"""The table of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulator.groups import ROOT, Group

if TYPE_CHECKING:
    from simulator.machine import Machine

NANOSECONDS = 1e9


def groups_table(machine: Machine) -> pa.Table:
    """One row a group, the root first: what it may use, what it used, and how its quota held it back.

    CPU time is that of its own processes and of those of all groups in it.
    """
    terms = [Group(of="") if name == ROOT else machine.group_terms[name] for name in machine.groups]
    limits = [one.cpu_max for one in terms]
    stats = machine.dispatcher.policy.throttling()
    return pa.table(
        {
            "group": pa.array(machine.groups, pa.string()),
            "of": pa.array([one.of or None for one in terms], pa.string()),
            "weight": pa.array([one.weight if one.of else None for one in terms], pa.int64()),
            "quota_s": [limit.quota_ns / NANOSECONDS if limit else np.nan for limit in limits],
            "period_s": [limit.period_ns / NANOSECONDS if limit else np.nan for limit in limits],
            "cpu_s": used_ns(machine) / NANOSECONDS,
            "periods": pa.array([one.periods for one in stats], pa.int64()),
            "throttled_periods": pa.array([one.throttled_periods for one in stats], pa.int64()),
            "throttled_s": [one.throttled_ns / NANOSECONDS for one in stats],
        }
    )


def used_ns(machine: Machine) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """int64[groups]: CPU time that the processes in each group have received, and in the groups in it."""
    names, received = machine.groups, machine.dispatcher.state.processes.cpu_ns
    used = np.zeros(len(names), np.int64)
    for process in machine.processes:
        used[names.index(process.group)] += received[process.pid]
    # Children come after their parents.
    for at in range(len(names) - 1, 0, -1):
        used[names.index(machine.group_terms[names[at]].of)] += used[at]
    return used
