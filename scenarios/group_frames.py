"""The table of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from simulator.machine import Machine

NANOSECONDS = 1e9


def groups_table(machine: Machine) -> pa.Table:
    """One row a group: its claim, its quota, what it used, and how often it was held back, as in `cpu.stat`.

    CPU time is that of its own processes and of those of all groups in it.
    """
    names = machine.groups[1:]  # the root is the machine
    terms = [machine.group_terms[name] for name in names]
    limits = [one.cpu_max for one in terms]
    stats = machine.dispatcher.policy.throttling()[1:]
    return pa.table(
        {
            "group": pa.array(names, pa.string()),
            "of": pa.array([one.of for one in terms], pa.string()),
            "weight": pa.array([one.weight for one in terms], pa.int64()),
            "quota_s": [limit.quota_ns / NANOSECONDS if limit else np.nan for limit in limits],
            "period_s": [limit.period_ns / NANOSECONDS if limit else np.nan for limit in limits],
            "cpu_s": used_ns(machine)[1:] / NANOSECONDS,
            "throttled_s": [one.throttled_ns / NANOSECONDS for one in stats],
            "periods": pa.array([one.periods for one in stats], pa.int64()),
            "throttled_periods": pa.array([one.throttled_periods for one in stats], pa.int64()),
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
