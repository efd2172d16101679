"""Every number the reports state, from a run's tables: per job, machine-wide, and in one long table."""

import math
import re

import numpy as np
import pandas as pd

from reports.fairness import finish_ratio, histogram_quantile, jain_index, pairwise_error, share_errors
from reports.latency import PERCENTILES, request_metrics
from reports.memory_errors import errors_found, leaked_bytes
from reports.memory_metrics import (
    entitlement_error,
    fragmentation_metrics,
    limit_metrics,
    translation_metrics,
)
from reports.paging import disk_metrics, paging_metrics
from reports.result import Result

_MEMORY_FAILURE = re.compile(r"^(?:refused:|killed: out of memory)")
_RUNNABLE_THROUGHOUT = 0.99


def percentiles(result: Result) -> tuple[float, ...]:
    """Return the latency percentiles to compute: the usual ones and those the scenario's thresholds name."""
    asked = [
        float(threshold.statistic[1:])
        for threshold in result.manifest.thresholds
        if threshold.statistic and re.fullmatch(r"p\d+(\.\d+)?", threshold.statistic)
    ]
    return tuple(sorted({*PERCENTILES, *(p for p in asked if 0 < p < 100)}))  # noqa: PLR2004 - per cent


def job_metrics(result: Result) -> pd.DataFrame:
    """Per job of a run, in scenario order (the index), one column per metric; NaN where there is no value.

    - `cpu_s`, `cpu_share`: CPU time received, and as a fraction of all CPU time delivered to jobs.
    - `entitled_share`: the fluid ideal (generalised processor sharing: Parekh and Gallager, 1993) as a
      fraction of the same; `share_error` is `cpu_share - entitled_share` (`fairness.share_errors`).
    - `lag_s`, `lag_quanta`: the worst lag, entitled minus received, in seconds and in quanta; `ahead_quanta`
      the most a process was ahead. Lag is Stoica and others', "A Proportional Share Resource Allocation
      Algorithm for Real-Time, Time-Shared Systems", RTSS 1996.
    - `response_s`: first run minus arrival (OSTEP, chapter 7), the mean over the job's processes that ran.
    - `wait_s`: runnable without a CPU; `dispatches`, `switches` (dispatches that needed a context switch),
      `preemptions`, `migrations` (dispatches on another CPU than the last): sums over the job's processes.
    - `queue_p50_s`, `queue_p99_s`: run-queue latency, the wait from ready to running each time; the upper end
      of the histogram's bucket, at most a quarter above the percentile itself.
    - `peak_heap_bytes`, `peak_resident_bytes`: sums of the processes' peaks.
    - `faults`, `tlb_hit_share`: `memory_metrics.translation_metrics`; `leaked_bytes`:
      `memory_errors.leaked_bytes`.
    - `oom_kills`: its processes refused or killed for want of memory; `memory_share` and what goes with it:
      `memory_metrics.limit_metrics`.
    - the columns of `paging.paging_metrics`.
    - the requests' columns of `latency.request_metrics`.
    """
    processes, requests = result.table("processes"), result.table("requests")
    end_s = _elapsed_s(result)
    delivered = float(processes["cpu_s"].sum())
    rows = []
    for terms in result.manifest.jobs:
        job = terms.job
        own = processes[processes["job"] == job]
        lived = (own["exited_s"].fillna(end_s).max() - own["arrived_s"].min()) if len(own) else math.nan
        served = request_metrics(
            requests[requests["job"] == job],
            lifetime_s=lived,
            end_s=end_s,
            percentiles=percentiles(result),
            rule=terms.percentile_rule,
            samples=terms.samples_per_query,
        )
        queue = queue_waits(result, job)
        memory = {
            **translation_metrics(result, job),
            "oom_kills": float(own["exit_reason"].str.contains(_MEMORY_FAILURE).sum()),
            **paging_metrics(result, job),
            **limit_metrics(result, job),
            "leaked_bytes": leaked_bytes(result, job),
        }
        rows.append(
            {**_process_metrics(own, delivered, result.manifest.quantum_s), **queue, **memory, **served}
        )
    frame = pd.DataFrame(rows, index=pd.Index(result.job_names, name="job"))
    frame.insert(3, "share_error", frame["cpu_share"] - frame["entitled_share"])
    return frame


def machine_metrics(result: Result) -> dict[str, float]:
    """Machine-wide metrics of a run; a metric that is undefined for it is left out.

    - `busy_share`, `switching_share`, `idle_share`: of all CPUs' elapsed time; switching includes refilling
      caches after migrations and timer ticks.
    - `switches`, `switches_per_s`: context switches, over all CPUs, in total and per second of the run.
    - `jain`: `fairness.jain_index` over cpu_s / entitled_s of the jobs that wanted CPU time.
    - `share_error_mean`, `lag_quanta_worst`, `response_mean_s`: mean absolute share error, worst lag and mean
      response over those jobs.
    - `pairwise_error_quanta`: `pairwise_errors` in quanta.
    - `lag_quanta_mean`: mean of |lag| over those jobs and the ends of the `cpu` table's windows.
    - `finish_ratio`: `fairness.finish_ratio`, if every process ended of its own accord.
    - `queue_p50_s`, `queue_p99_s`: run-queue latency over all jobs, as in `job_metrics`.
    - `migrations`; `wasted_s`: CPU time idled while a process waited that might have used it.
    - `internal_fragmentation_bytes`, `compactions`: `memory_metrics.fragmentation_metrics`.
    - `memory_errors`: `memory_errors.errors_found`.
    - `major_faults`, `disk_busy_share`, `swap_used_bytes`: `paging.disk_metrics`.
    - `oom_kills`: processes refused (which is for want of memory only) or killed when out of memory.
    - `memory_share_error_mean`: `memory_metrics.entitlement_error`.
    """
    cpus, processes = result.table("cpus"), result.table("processes")
    capacity, end_s = float(cpus["elapsed_s"].sum()), _elapsed_s(result)
    by_job = processes.groupby("job")[["cpu_s", "entitled_s", "lag_max_s"]].agg(
        {"cpu_s": "sum", "entitled_s": "sum", "lag_max_s": "max"}
    )
    wanted = by_job[by_job["entitled_s"] > 0]
    received, entitled = (wanted[name].to_numpy(dtype=np.float64) for name in ("cpu_s", "entitled_s"))
    response = processes["first_run_s"] - processes["arrived_s"]
    found = {
        "busy_share": cpus["busy_s"].sum() / capacity if capacity else math.nan,
        "switching_share": _overhead_s(cpus) / capacity if capacity else math.nan,
        "idle_share": cpus["idle_s"].sum() / capacity if capacity else math.nan,
        "switches": cpus["switches"].sum(),
        "switches_per_s": cpus["switches"].sum() / end_s if end_s else math.nan,
        "jain": jain_index(received / entitled),
        "share_error_mean": np.abs(share_errors(received, entitled)).mean() if len(wanted) else math.nan,
        "lag_quanta_worst": wanted["lag_max_s"].max() / result.manifest.quantum_s,
        "response_mean_s": response.mean(),
        "pairwise_error_quanta": pairwise_errors(result) / result.manifest.quantum_s,
        "lag_quanta_mean": _mean_lag_s(result, list(wanted.index)) / result.manifest.quantum_s,
        "finish_ratio": _finish_ratio(processes),
        **queue_waits(result),
        "migrations": _optional_sum(processes, "migrations"),
        "wasted_s": _optional_sum(cpus, "wasted_s"),
        **fragmentation_metrics(result),
        "memory_errors": errors_found(result),
        **disk_metrics(result),
        "oom_kills": processes["exit_reason"].str.contains(_MEMORY_FAILURE).sum(),
        "memory_share_error_mean": entitlement_error(result),
    }
    return {name: float(value) for name, value in found.items() if not math.isnan(value)}


def _overhead_s(cpus: pd.DataFrame) -> float:
    """Time that CPUs spent on neither processes nor idling; older results know of switching alone."""
    kinds = [name for name in ("switching_s", "migrating_s", "ticking_s") if name in cpus]
    return float(cpus[kinds].to_numpy().sum())


def pairwise_errors(result: Result) -> float:
    """Worst pairwise error (`fairness.pairwise_error`), in seconds, among jobs that wanted a CPU throughout.

    Those are the jobs with one process that ran or waited during 99 % of the run. The error is looked at
    where the `cpu` table's windows end, so it is a lower bound on the worst at any time.

    Returns:
        Seconds, or NaN if there are no two such jobs.
    """
    processes, windows = result.table("processes"), result.table("cpu")
    alone = processes[~processes["job"].duplicated(keep=False)]
    runnable_s = alone["cpu_s"] + alone["wait_s"]
    jobs = alone.loc[runnable_s >= _RUNNABLE_THROUGHOUT * _elapsed_s(result), "job"]
    own = windows[windows["job"].isin(jobs)]
    if own["job"].nunique() < 2:  # noqa: PLR2004 - a pair
        return math.nan
    width_s = own["window_end_s"] - own["window_start_s"]
    own = own.assign(entitled_s=own["entitled_share"] * width_s * result.manifest.cpus)
    table = own.pivot_table(
        ["cpu_s", "entitled_s"], index="window_end_s", columns="job", aggfunc="sum", fill_value=0.0
    )
    total = table.to_numpy(dtype=np.float64).cumsum(axis=0)
    received, entitled = np.hsplit(total, 2)
    return pairwise_error(received, entitled)


def queue_waits(result: Result, job: str = "") -> dict[str, float]:
    """Return `queue_p50_s` and `queue_p99_s` of one job, or of all; NaN if nobody was dispatched."""
    table = result.table("runqueue_latency")
    own = (table[table["job"] == job] if job else table).groupby("bucket_low_ns")
    high = own["bucket_high_ns"].first().to_numpy(dtype=np.float64) - 1
    count = own["count"].sum().to_numpy(dtype=np.float64)
    return {f"queue_p{p}_s": histogram_quantile(high, count, p / 100) * 1e-9 for p in (50, 99)}


def _mean_lag_s(result: Result, jobs: list[str]) -> float:
    """Mean distance from the fluid ideal, over jobs and the ends of windows."""
    windows = result.table("cpu")
    own = windows[windows["job"].isin(jobs)]
    width_s = (own["window_end_s"] - own["window_start_s"]) * result.manifest.cpus
    ahead = own.assign(lag_s=(own["entitled_share"] - own["share"]) * width_s)
    lag = ahead.pivot_table("lag_s", index="window_end_s", columns="job", aggfunc="sum", fill_value=0.0)
    return float(np.abs(lag.to_numpy(dtype=np.float64).cumsum(axis=0)).mean()) if len(lag) else math.nan


def _finish_ratio(processes: pd.DataFrame) -> float:
    if not (processes["exit_reason"] == "exited").all():
        return math.nan
    return finish_ratio((processes["exited_s"] - processes["arrived_s"]).to_numpy(dtype=np.float64))


def _optional_sum(table: pd.DataFrame, column: str) -> float:
    """Sum a column that results written before it came to be do not have: NaN for them."""
    return float(table[column].sum()) if column in table else math.nan


def long_metrics(result: Result) -> pd.DataFrame:
    """Return every metric of a run as rows `job`, `metric`, `value`: what a comparison keeps per replication.

    `job` is "" for the machine-wide metrics. Values are in the unit the metric's name ends in, and fractions
    and counts otherwise. A metric without a value (the p99 of a job that finished no request) has no row.
    """
    per_job = job_metrics(result)
    rows = [
        (job, metric, value)
        for job, values in zip(per_job.index, per_job.to_numpy(dtype=np.float64), strict=True)
        for metric, value in zip(per_job.columns, values, strict=True)
        if not math.isnan(value)
    ]
    rows += [("", metric, value) for metric, value in machine_metrics(result).items()]
    return pd.DataFrame(rows, columns=["job", "metric", "value"]).astype({"value": "float64"})


def _elapsed_s(result: Result) -> float:
    """How long the machine ran, which is less than the scenario's duration if every job ended before."""
    return float(result.table("cpus")["elapsed_s"].max())


def _process_metrics(own: pd.DataFrame, delivered_s: float, quantum_s: float) -> dict[str, float]:
    """Metrics of one job's processes; of zero processes, zeros and NaN."""
    response = own["first_run_s"] - own["arrived_s"]
    received, entitled = float(own["cpu_s"].sum()), float(own["entitled_s"].sum())
    return {
        "cpu_s": received,
        "cpu_share": received / delivered_s if delivered_s else math.nan,
        "entitled_share": entitled / delivered_s if delivered_s else math.nan,
        "lag_s": own["lag_max_s"].max(),
        "lag_quanta": own["lag_max_s"].max() / quantum_s,
        "ahead_quanta": -own["lag_min_s"].min() / quantum_s,
        "response_s": response.mean(),
        "wait_s": own["wait_s"].sum(),
        "dispatches": own["dispatches"].sum(),
        "switches": own["switches_in"].sum(),
        "preemptions": own["preemptions"].sum(),
        "migrations": _optional_sum(own, "migrations"),
        "peak_heap_bytes": own["peak_heap_bytes"].sum(),
        "peak_resident_bytes": own["peak_resident_bytes"].sum(),
    }
