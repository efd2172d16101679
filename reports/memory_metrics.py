"""Numbers about memory: what translating addresses took, and what fragmentation cost."""

import math

from reports.result import Result


def translation_metrics(result: Result, job: str) -> dict[str, float]:
    """Return, over a job's processes, the faults served and the part of translations that the TLB knew.

    - `faults`: page faults and stack growths after which the process went on; NaN if the result is older.
    - `tlb_hit_share`: TLB hits over hits and misses; NaN without a TLB or without accesses.
    """
    table = result.table("translation")
    own = table[table["job"] == job]
    looked_up = float(own["tlb_hits"].sum() + own["tlb_misses"].sum())
    return {
        "faults": float(own["faults"].sum()) if len(table) else math.nan,
        "tlb_hit_share": float(own["tlb_hits"].sum()) / looked_up if looked_up else math.nan,
    }


def limit_metrics(result: Result, job: str) -> dict[str, float]:
    """Return what a job held of memory beside what it was entitled to; NaN where a result does not tell.

    - `memory_share`, `entitled_memory_share`: parts of the machine's memory, means over the ends of windows
      at which the job was alive; `memory_share_error` is the first less the second.
    - `throttled_s`: how long its processes slept for holding more than `memory.high`.
    """
    samples, limits = result.table("memory_control"), result.table("memory_limits")
    alive = samples[(samples["name"] == job) & (samples["kind"] == "job")]
    alive = alive[alive["entitled_resident_bytes"] > 0]
    own = limits[(limits["name"] == job) & (limits["kind"] == "job")]
    size = float(result.manifest.memory_bytes) or math.nan
    held, entitled = (
        float(alive[column].mean()) / size if len(alive) else math.nan
        for column in ("held_bytes", "entitled_resident_bytes")
    )
    return {
        "memory_share": held,
        "entitled_memory_share": entitled,
        "memory_share_error": held - entitled,
        "throttled_s": float(own["throttled_s"].sum()) if len(own) else math.nan,
    }


def entitlement_error(result: Result) -> float:
    """Return the mean distance of what jobs held from what they were entitled to, as a part of the memory.

    Over all jobs and the ends of all windows at which they were alive; NaN where a result does not tell.
    """
    samples = result.table("memory_control")
    alive = samples[samples["entitled_resident_bytes"] > 0]
    if alive.empty:
        return math.nan
    error = (alive["held_bytes"] - alive["entitled_resident_bytes"]).abs().mean()
    return float(error) / float(result.manifest.memory_bytes)


def fragmentation_metrics(result: Result) -> dict[str, float]:
    """Return what is known of fragmentation; NaN in results that do not tell.

    - `internal_fragmentation_bytes`: the most memory, at the end of a window, that was held by processes and
      that they had not asked for (OSTEP chapters 15 and 16).
    - `compactions`: how often processes were moved together to make one hole of several.
    """
    samples, physical = result.table("memory"), result.table("physical")
    unused = math.nan
    if "internal_fragmentation_bytes" in samples:
        unused = (
            float(samples.groupby("time_s")["internal_fragmentation_bytes"].sum().max())
            if len(samples)
            else 0.0
        )
    return {
        "internal_fragmentation_bytes": unused,
        "compactions": float(physical["compactions"].max()) if len(physical) else math.nan,
    }
