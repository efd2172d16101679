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
