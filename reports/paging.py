"""Numbers about pages that come and go: faults, the disk, working sets, and thrashing."""

import math
from typing import Any

import numpy as np
import pandas as pd

from reports.result import Result

COUNTERS = ("minor_faults", "major_faults", "swapped_in_bytes", "swapped_out_bytes", "blocked_s")


def swapped(result: Result) -> bool:
    """Say whether the machine had somewhere to put pages."""
    return not result.table("paging").empty


def paging_metrics(result: Result, job: str) -> dict[str, float]:
    """Return, over a job's processes, what faults and the disk have meant; NaN without a swap device.

    - `minor_faults`, `major_faults`: served without and with the disk.
    - `swapped_in_bytes`, `swapped_out_bytes`: read from disk for it, its files included, and written.
    - `disk_wait_s`: time blocked on the disk.
    - `working_set_bytes`: the most that was used within the working set's window (Denning, "The Working Set
      Model for Program Behavior", CACM 1968), at the ends of the windows.
    """
    names = ("minor_faults", "major_faults", "swapped_in_bytes", "swapped_out_bytes", "disk_wait_s")
    if not swapped(result):
        return dict.fromkeys([*names, "working_set_bytes"], math.nan)
    table, samples = result.table("translation"), result.table("memory")
    own = table[table["job"] == job]
    major = own["swap_in_faults"].sum() + own["file_read_faults"].sum()
    sets = samples[samples["job"] == job].groupby("time_s")["working_set_bytes"].sum()
    return {
        "minor_faults": float(own["faults"].sum() - major),
        "major_faults": float(major),
        "swapped_in_bytes": float(own["swapped_in_bytes"].sum()),
        "swapped_out_bytes": float(own["swapped_out_bytes"].sum()),
        "disk_wait_s": float(own["blocked_s"].sum()),
        "working_set_bytes": float(sets.max()) if len(sets) else math.nan,
    }


def disk_metrics(result: Result) -> dict[str, float]:
    """Return `major_faults` in all, `disk_busy_share` and `swap_used_bytes`, the most; NaN without a disk."""
    if not swapped(result):
        return dict.fromkeys(("major_faults", "disk_busy_share", "swap_used_bytes"), math.nan)
    table, physical = result.table("translation"), result.table("physical")
    end_s = float(physical["time_s"].max())
    return {
        "major_faults": float(table["swap_in_faults"].sum() + table["file_read_faults"].sum()),
        "disk_busy_share": float(physical["disk_busy_s"].max()) / end_s,
        "swap_used_bytes": float(physical["swap_used_bytes"].max()),
    }


def rates(result: Result) -> pd.DataFrame:
    """Return what paging did in each window: rows `time_s`, `job` and the counters, within the window."""
    table = result.table("paging").sort_values(["pid", "time_s"], kind="stable")
    within = table[list(COUNTERS)] - table.groupby("pid")[list(COUNTERS)].shift(fill_value=0)
    return table[["time_s", "job"]].assign(**{name: within[name] for name in COUNTERS})


def by_degree(result: Result) -> list[dict[str, Any]]:
    """Return how the machine fared with so many processes in memory at once, fewest first.

    This is the picture of thrashing (Denning 1968): up to some degree of multiprogramming more processes use
    the CPU better; beyond, they wait for each other's pages.

    Returns:
        Rows `processes`, `time_s` (how long there were so many, in whole windows), `busy_share` of all CPUs,
        `disk_busy_share`, `major_faults_per_s`, `read_bytes_per_s`, `written_bytes_per_s`; none without a
        swap device.
    """
    if not swapped(result):
        return []
    windows = result.table("cpu").groupby("window_end_s")
    frame = pd.DataFrame(
        {"start": windows["window_start_s"].first(), "busy_s": windows["cpu_s"].sum()}
    ).reset_index(names="time_s")
    frame["length_s"] = frame["time_s"] - frame["start"]
    paged = rates(result).groupby("time_s")[list(COUNTERS)].sum()
    processes = result.table("paging").groupby("time_s").size().rename("processes")
    disk = result.table("physical").set_index("time_s")["disk_busy_s"]
    frame = frame.set_index("time_s").join([paged, processes]).fillna(0.0)
    frame["disk_s"] = np.diff(disk.reindex(frame.index).to_numpy(dtype=np.float64), prepend=0.0)
    rows = []
    for _, own in frame.groupby("processes"):
        time_s = float(own["length_s"].sum())
        rows.append(
            {
                "processes": int(own["processes"].iloc[0]),
                "time_s": time_s,
                "busy_share": float(own["busy_s"].sum()) / time_s / result.manifest.cpus,
                "disk_busy_share": float(own["disk_s"].sum()) / time_s,
                "major_faults_per_s": float(own["major_faults"].sum()) / time_s,
                "read_bytes_per_s": float(own["swapped_in_bytes"].sum()) / time_s,
                "written_bytes_per_s": float(own["swapped_out_bytes"].sum()) / time_s,
            }
        )
    return rows
