"""Results to report on: one small enough to check by hand, and invented ones of any shape."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reports.result import Result

MIB = 1 << 20
Tables = dict[str, pd.DataFrame]
Content = tuple[dict[str, Any], Tables]


def _manifest(jobs: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    manifest = {
        "format": "timeshare-result",
        "version": 1,
        "kind": "run",
        "timeshare": "0.1.0",
        "scenario": {"name": "box", "machine": {"context_switch_ns": 1_000_000}},
        "scheduler": "stride",
        "seed": 7,
        "replication": 0,
        "duration_ns": 10_000_000_000,
        "quantum_ns": 10_000_000,
        "cpus": 1,
        "memory_bytes": 1024 * MIB,
        "jobs": jobs,
        "thresholds": [],
        "versions": {},
        "host": {},
    }
    return manifest | changes


def _job(name: str, tickets: int = 100, deadline_ns: int | None = None, **changes: Any) -> dict[str, Any]:
    job = {"job": name, "workload": "vision", "tickets": tickets, "deadline_ns": deadline_ns, "profile": None}
    return job | {"modelled": False} | changes


def _process(pid: int, job: str, **changes: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("cpu_s", "wait_s", "entitled_s", "lag_max_s", "lag_min_s"), 0.0)
    counts = dict.fromkeys(("dispatches", "switches_in", "preemptions", "mallocs", "frees"), 0)
    counts |= dict.fromkeys(("address_space_bytes", "peak_resident_bytes", "peak_heap_bytes"), 0)
    row = {"pid": pid, "job": job, "tickets": 100, "state": "ready", "arrived_s": 0.0, "first_run_s": np.nan}
    return row | {"exited_s": np.nan} | nothing | counts | {"exit_code": pd.NA, "exit_reason": ""} | changes


def _requests(rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["job", "request", "arrived_s", "started_s", "finished_s", "deadline_s", "outcome"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.astype({name: "float64" for name in columns if name.endswith("_s")})
    frame["latency_s"] = frame["finished_s"] - frame["arrived_s"]
    met = (frame["latency_s"] <= frame["deadline_s"]).astype("boolean")
    frame["met"] = met.mask(frame["latency_s"].isna() | frame["deadline_s"].isna())
    return frame.astype({"job": "str", "request": "int64", "outcome": "str"})


def _three_jobs() -> Content:
    """Ten seconds of one CPU: gate (3 of 4 tickets) and batch share it, night was refused its memory."""
    jobs = [_job("gate", 300, 100_000_000), _job("batch", 100, modelled=True), _job("night", 50)]
    processes = pd.DataFrame(
        [
            _process(1, "gate", tickets=300, first_run_s=0.0, cpu_s=7.0, wait_s=3.0, entitled_s=7.35)
            | {"lag_max_s": 0.35, "lag_min_s": -0.01, "dispatches": 700, "switches_in": 90, "preemptions": 80}
            | {"peak_resident_bytes": 300 * MIB, "peak_heap_bytes": 200 * MIB},
            _process(2, "batch", first_run_s=0.2, cpu_s=2.8, wait_s=7.2, entitled_s=2.45)
            | {"lag_max_s": 0.02, "lag_min_s": -0.35, "dispatches": 280, "switches_in": 90, "preemptions": 80}
            | {"peak_resident_bytes": 500 * MIB, "peak_heap_bytes": 400 * MIB},
            _process(3, "night", state="zombie", arrived_s=4.0, exited_s=4.0, exit_code=1)
            | {"exit_reason": "refused: out of memory: needs 2.0 GiB, 0.2 GiB free"},
        ]
    ).astype({"exit_code": "Int64"})
    cpus = [
        {"cpu": 0, "busy_s": 9.8, "switching_s": 0.18, "idle_s": 0.02, "elapsed_s": 10.0, "switches": 180}
    ]
    shares = [("gate", 0.68, 0.74), ("batch", 0.30, 0.24), ("gate", 0.72, 0.73), ("batch", 0.26, 0.25)]
    cpu = [
        {"window_start_s": start, "window_end_s": start + 5.0, "job": job, "cpu_s": share * 5}
        | {"share": share, "entitled_share": entitled}
        for (job, share, entitled), start in zip(shares, (0.0, 0.0, 5.0, 5.0), strict=True)
    ]
    memory = [
        {"time_s": time, "job": job, "virtual_bytes": size * 2 * MIB, "heap_bytes": size * MIB // 2}
        | {"heap_peak_bytes": size * MIB * 2 // 3, "resident_bytes": size * MIB}
        for time in (5.0, 10.0)
        for job, size in (("gate", 300), ("batch", 500), ("night", 0))
    ]
    latencies = (0.05, 0.06, 0.07, 0.15)
    requests = [
        {"job": "gate", "request": i, "arrived_s": float(i), "started_s": i + 0.01, "finished_s": i + latency}
        | {"deadline_s": 0.1, "outcome": "finished"}
        for i, latency in enumerate(latencies)
    ]
    for i, arrived, outcome in ((4, 4.0, "dropped"), (5, 5.0, "unfinished"), (6, 9.95, "unfinished")):
        requests.append(
            {"job": "gate", "request": i, "arrived_s": arrived, "deadline_s": 0.1, "outcome": outcome}
        )
    slices = [
        {"cpu": 0, "pid": 1 + (i % 2), "job": ("gate", "batch")[i % 2], "start_ns": i * 11_000_000}
        | {"end_ns": i * 11_000_000 + 10_000_000}
        for i in range(20)
    ]
    events = [{"time_s": 0.0, "pid": 1, "job": "gate", "kind": "spawn", "detail": ""}]
    events += [{"time_s": 4.0, "pid": 3, "job": "night", "kind": "refused", "detail": "needs 2.0 GiB"}]
    rows = {"cpus": cpus, "cpu": cpu, "memory": memory, "slices": slices, "events": events}
    tables = {name: pd.DataFrame(table) for name, table in rows.items()}
    return _manifest(jobs), tables | {"processes": processes, "requests": _requests(requests)}


def _write(directory: Path, content: Content) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    manifest, tables = content
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for name, table in tables.items():
        table.to_parquet(directory / f"{name}.parquet", index=False)
    return directory


def _invent(
    jobs: int = 3,
    *,
    windows: int = 60,
    duration_s: float = 60.0,
    cpus: int = 1,
    requests: int = 100,
    refused: bool = False,
    seed: int = 1,
) -> Content:
    """Invent a run of any shape, plausible enough to draw; its numbers mean nothing.

    Args:
        jobs: how many; the last is refused its memory if `refused`.
        windows: how many windows the cpu and memory tables have.
        duration_s: length of the run.
        cpus: how many CPUs.
        requests: per job; 0 for none.
        refused: whether the last job never got its memory.
        seed: of the invented noise.
    """
    rng = np.random.default_rng(seed)
    names = [f"camera-{i}" for i in range(jobs)] if jobs > 3 else ["gate", "yard", "night"][:jobs]
    tickets = [100 * (1 + i % 4) for i in range(jobs)]
    runs = [not (refused and i == jobs - 1) for i in range(jobs)]
    total = sum(t for t, run in zip(tickets, runs, strict=True) if run)
    entitled = [t / total if run else 0.0 for t, run in zip(tickets, runs, strict=True)]
    edges = np.linspace(0.0, duration_s, windows + 1)
    noise = rng.normal(0.0, 0.02, (windows, jobs))
    shares = np.clip([[e * (1 + n) for e, n in zip(entitled, row, strict=True)] for row in noise], 0, 1)
    processes, cpu, memory, served = [], [], [], []
    resident = [(64 + 40 * i) * MIB if run else 0 for i, run in enumerate(runs)]
    for i, name in enumerate(names):
        got = float(shares[:, i].mean()) * duration_s * cpus
        lag = abs(entitled[i] * duration_s * cpus - got)
        facts = {"tickets": tickets[i], "cpu_s": got, "entitled_s": entitled[i] * duration_s * cpus}
        facts |= {"wait_s": max(duration_s - got, 0.0), "lag_max_s": lag, "lag_min_s": -lag / 3}
        facts |= {"dispatches": int(got * 100), "switches_in": int(got * 60), "first_run_s": 0.01 * i}
        facts |= {"peak_resident_bytes": resident[i], "peak_heap_bytes": resident[i] // 2}
        if not runs[i]:
            facts = {"state": "zombie", "exited_s": 0.0, "exit_reason": "refused: out of memory: needs 6 GiB"}
        processes.append(_process(i + 1, name, **facts))
        for w in range(windows):
            window = {"window_start_s": edges[w], "window_end_s": edges[w + 1], "job": name}
            width = edges[w + 1] - edges[w]
            window |= {"cpu_s": shares[w, i] * width * cpus, "share": shares[w, i]}
            cpu.append(window | {"entitled_share": entitled[i]})
            heap = int(resident[i] * (0.3 + 0.2 * rng.random()))
            sizes = {"heap_bytes": heap, "heap_peak_bytes": heap * 5 // 4, "resident_bytes": resident[i]}
            memory.append({"time_s": edges[w + 1], "job": name, "virtual_bytes": 2 * resident[i], **sizes})
        if runs[i]:
            served += _invented_requests(name, requests, duration_s, 0.02 * (i + 1), rng)
    per_cpu = {"busy_s": 0.97 * duration_s, "switching_s": 0.01 * duration_s, "idle_s": 0.02 * duration_s}
    per_cpu |= {"elapsed_s": duration_s, "switches": int(60 * duration_s)}
    event = {"time_s": 0.0, "kind": "spawn", "detail": ""}
    events = [event | {"pid": i + 1, "job": name} for i, name in enumerate(names)]
    if refused:
        events.append(events[-1] | {"kind": "refused", "detail": "needs 6 GiB"})
    per_cpus = [{"cpu": c} | per_cpu for c in range(cpus)]
    rows = {"cpus": per_cpus, "cpu": cpu, "memory": memory, "events": events}
    tables = {name: pd.DataFrame(table) for name, table in rows.items()}
    tables["processes"] = pd.DataFrame(processes).astype({"exit_code": "Int64"})
    tables["requests"] = _requests(served)
    tables["slices"] = _invented_slices(names, entitled, cpus, rng)
    manifest = _manifest(
        [_job(n, t, 100_000_000) for n, t in zip(names, tickets, strict=True)],
        cpus=cpus,
        duration_ns=int(duration_s * 1e9),
        memory_bytes=4096 * MIB,
    )
    return manifest, tables


def _invented_requests(
    job: str, count: int, duration_s: float, typical_s: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    rows = []
    for i, arrived in enumerate(np.linspace(0, duration_s, count, endpoint=False)):
        row = {"job": job, "request": i, "arrived_s": arrived, "deadline_s": 0.1, "outcome": "dropped"}
        if i % 17 != 16:
            latency = typical_s * (0.5 + rng.gamma(2.0, 0.5))
            row |= {"started_s": arrived, "finished_s": arrived + latency, "outcome": "finished"}
        rows.append(row)
    return rows


def _invented_slices(
    names: list[str], entitled: list[float], cpus: int, rng: np.random.Generator
) -> pd.DataFrame:
    rows = []
    for cpu in range(cpus):
        now, before = 0, -1
        for _ in range(200):
            chosen = int(rng.choice(len(names), p=entitled))
            now += 1_000_000 * (chosen != before)
            length = int(rng.integers(4, 11)) * 1_000_000
            row = {"cpu": cpu, "pid": chosen + 1, "job": names[chosen]}
            rows.append(row | {"start_ns": now, "end_ns": now + length})
            now, before = now + length, chosen
    return pd.DataFrame(rows)


def _compare(schedulers: tuple[str, ...] = ("lottery", "stride", "eevdf"), replications: int = 10) -> Content:
    """Invent a comparison: every scheduler sees the same invented luck of each replication."""
    manifest, tables = _invent()
    luck = np.random.default_rng(3).random(replications)
    rows = []
    for s, scheduler in enumerate(schedulers):
        for r in range(replications):
            machine = {
                "share_error_mean": 0.01 / (s + 1) + 0.001 * luck[r],
                "lag_quanta_worst": 12.0 / (s + 1),
            }
            machine |= {"jain": 0.99 + 0.003 * s, "response_mean_s": 0.01 * (s + 1 + luck[r])}
            machine |= {"switches_per_s": 50.0 + 10 * s + luck[r]}
            for job in ("gate", "yard", "night"):
                value = 0.05 * (s + 1) * (1 + luck[r])
                rows.append((scheduler, r, job, "latency_p99_s", value))
            rows += [(scheduler, r, "", metric, value) for metric, value in machine.items()]
    replicated = pd.DataFrame(rows, columns=["scheduler", "replication", "job", "metric", "value"])
    kept = {name: _labelled(tables[name], schedulers) for name in ("processes", "requests", "cpu")}
    manifest |= {"kind": "comparison", "schedulers": list(schedulers), "replications": replications}
    return manifest, {"replications": replicated} | kept


def _labelled(table: pd.DataFrame, schedulers: tuple[str, ...]) -> pd.DataFrame:
    return pd.concat([table.assign(scheduler=name) for name in schedulers], ignore_index=True)


def _in_memory(content: Content) -> Result:
    return Result.from_tables(*content)


@pytest.fixture
def three_jobs() -> Content:
    """The manifest and tables of a run small enough to check by hand."""
    return _three_jobs()


@pytest.fixture
def write() -> Callable[[Path, Content], Path]:
    """Write a manifest and tables as a result directory."""
    return _write


@pytest.fixture
def invent() -> Callable[..., Content]:
    """Invent the manifest and tables of a run of a given shape."""
    return _invent


@pytest.fixture
def compare() -> Callable[..., Content]:
    """Invent the manifest and tables of a comparison."""
    return _compare


@pytest.fixture
def open_result() -> Callable[[Content], Result]:
    """Make a result of a manifest and tables without storing them."""
    return _in_memory
