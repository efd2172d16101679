"""From a machine that has run to the tables of limits on memory and of those killed for want of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from scenarios.memory import Segmentation
from scenarios.units import format_size
from simulator.oom import TICKETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios.memory import MachineMemory
    from simulator.kills import KillRecord, Setting
    from simulator.machine import Machine
    from simulator.memory.control import MemoryControl
    from simulator.recordings import ControlSample

NANOSECONDS = 1e9
PLACES = {
    "memory": "machine.memory.size",
    "swap": "machine.memory.swap.size",
    "job max": "jobs.{}.memory.max",
    "group max": "groups.{}.memory.max",
    "heap": "jobs.{}.memory.limit",
}
"""Where in a scenario file a setting stands."""


def kill_tables(machine: Machine, memory: MachineMemory) -> dict[str, pa.Table]:
    """Return the tables `kills` and `kill_candidates`.

    Args:
        machine: after `run`.
        memory: as the scenario has it.
    """
    kills = machine.recordings.kills
    return {"kills": kills_table(machine, kills, memory), "kill_candidates": candidates_table(kills)}


def kills_table(machine: Machine, kills: Sequence[KillRecord], memory: MachineMemory) -> pa.Table:
    """One row a process that was killed or refused for want of memory, in order of time.

    `saved_by` holds settings for `timeshare run --set` with which the request would have been served as
    things were: those that belong together joined by a space, different ways by "or".
    """
    cases = [kill.case for kill in kills]
    jobs = [machine.processes[kill.pid].name for kill in kills]
    asking = ["" if case.asking_pid < 0 else machine.processes[case.asking_pid].name for case in cases]
    whole = {
        "kill": list(range(len(kills))),
        "pid": [kill.pid for kill in kills],
        "asking_pid": [case.asking_pid for case in cases],
        "needed_bytes": [case.needed_bytes for case in cases],
        "free_bytes": [case.free_bytes for case in cases],
        "size_bytes": [case.size_bytes for case in cases],
    }
    texts = {
        "job": jobs,
        "kind": [kill.kind for kill in kills],
        "asking_job": asking,
        "killer": [case.killer for case in cases],
        "short": [case.short for case in cases],
        "limit": [case.limit for case in cases],
        "saved_by": [
            " or ".join(" ".join(_settings(way, memory)) for way in case.remedies) for case in cases
        ],
        "reason": [kill.reason for kill in kills],
    }
    return pa.table(
        {
            "time_s": pa.array([kill.at_ns / NANOSECONDS for kill in kills], pa.float64()),
            **{name: pa.array(values, pa.int64()) for name, values in whole.items()},
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
        }
    )


def candidates_table(kills: Sequence[KillRecord]) -> pa.Table:
    """One row a kill and process that might have been killed, the first in line first.

    The score is the badness in pages, or under `tickets` how many times its entitlement the job would hold.
    """
    rows = [
        (number, rank, one, score, kill.case.killer)
        for number, kill in enumerate(kills)
        for rank, (one, score) in enumerate(kill.case.candidates)
    ]
    sizes = ("rss_bytes", "table_bytes", "swapped_bytes", "held_bytes", "asked_bytes", "entitled_bytes")
    return pa.table(
        {
            "kill": pa.array([row[0] for row in rows], pa.int64()),
            "rank": pa.array([row[1] for row in rows], pa.int64()),
            "pid": pa.array([row[2].pid for row in rows], pa.int64()),
            "job": pa.array([row[2].job for row in rows], pa.string()),
            "score": pa.array([row[3] for row in rows], pa.float64()),
            "score_of": pa.array(
                ["entitlement" if row[4] == TICKETS else "pages" for row in rows], pa.string()
            ),
            **{size: pa.array([getattr(row[2], size) for row in rows], pa.int64()) for size in sizes},
            "tickets": pa.array([row[2].tickets for row in rows], pa.int64()),
            "oom_score_adj": pa.array([row[2].oom_score_adj for row in rows], pa.int64()),
        }
    )


def control_table(samples: Sequence[ControlSample]) -> pa.Table:
    """One row a window's end and job or group: what it held, might hold, and was entitled to.

    `entitled_resident_bytes` is a job's part of the memory by its tickets among the jobs that are alive.
    """
    controls = [sample.control for sample in samples]
    return pa.table(
        {
            "time_s": pa.array([sample.at_ns / NANOSECONDS for sample in samples], pa.float64()),
            **_names(controls),
            "held_bytes": pa.array([sample.used_bytes for sample in samples], pa.int64()),
            "entitled_resident_bytes": pa.array([sample.entitled_bytes for sample in samples], pa.int64()),
            "memory_tickets": pa.array([sample.tickets for sample in samples], pa.int64()),
            "high_bytes": pa.array([one.high_bytes for one in controls], pa.int64()),
            "max_bytes": pa.array([one.max_bytes for one in controls], pa.int64()),
            "throttled_s": pa.array([sample.throttled_ns / NANOSECONDS for sample in samples], pa.float64()),
        }
    )


def limits_table(controls: Sequence[MemoryControl]) -> pa.Table:
    """One row a job or group: what became of its limits, as in `memory.events` and `memory.peak`."""
    counts = ("highs", "maxes", "ooms", "oom_kills")
    return pa.table(
        {
            **_names(controls),
            "memory_tickets": pa.array([one.tickets for one in controls], pa.int64()),
            "high_bytes": pa.array([one.high_bytes for one in controls], pa.int64()),
            "max_bytes": pa.array([one.max_bytes for one in controls], pa.int64()),
            "peak_bytes": pa.array([one.peak_bytes for one in controls], pa.int64()),
            "oom_score_adj": pa.array([one.oom_score_adj for one in controls], pa.int64()),
            **{name: pa.array([getattr(one, name) for one in controls], pa.int64()) for name in counts},
            "throttled_s": pa.array([one.throttled_ns / NANOSECONDS for one in controls], pa.float64()),
        }
    )


def _names(controls: Sequence[MemoryControl]) -> dict[str, pa.Array]:
    return {
        "name": pa.array([one.name for one in controls], pa.string()),
        "kind": pa.array(["group" if one.is_group else "job" for one in controls], pa.string()),
        "of": pa.array(["root" if one.parent is None else one.parent.name for one in controls], pa.string()),
    }


def _settings(way: Sequence[Setting], memory: MachineMemory) -> list[str]:
    """Return settings as they are given to --set."""
    return [_setting(one, memory) for one in way]


def _setting(one: Setting, memory: MachineMemory) -> str:
    if one.what == "compaction":
        kind = memory.translation
        kept = [f"address_bits: {kind.address_bits}"] if isinstance(kind, Segmentation) else []
        options = ", ".join([*kept, "compaction: true"])
        return f"'machine.memory.translation={{{memory.kind}: {{{options}}}}}'"
    return f"{PLACES[one.what].format(one.name)}={format_size(one.size_bytes)}"
