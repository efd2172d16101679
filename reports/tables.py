"""A report on the terminal: the tables and sentences of a summary, as rich renderables."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from reports import units
from reports.fitted import Column, FittedTable
from reports.memory_errors import lines
from reports.tables_compare import comparison_tables
from reports.tables_memory import kill_tables, limit_table

Row = Mapping[str, Any]


def report(summary: Row) -> RenderableType:
    """Everything there is to show of a summary (`reports.summary.summary`): of a run or of a comparison."""
    parts: list[RenderableType] = []
    if summary["kind"] == "run":
        parts += [heading(summary), job_table(summary), Text()]
        if summary["groups"]:
            parts += [group_table(summary), Text()]
        if summary["memory_limits"]:
            parts += [limit_table(summary), Text()]
        parts += kill_tables(summary)
        parts.append(machine_line(summary))
        if summary["paging"]:
            parts += [Text(), paging_table(summary)]
    else:
        parts += comparison_tables(summary)
    for found in summary.get("memory_errors", ()):
        parts += [
            Text(),
            *(Text(line, style="bold" if not line.startswith(" ") else "") for line in lines(found)),
        ]
    if summary["thresholds"]:
        parts += [Text(), threshold_table(summary)]
    if summary.get("notes"):
        parts += [Text(), *(Text(sentence) for sentence in summary["notes"])]
    return Group(*parts)


def heading(summary: Row) -> Text:
    """Say what was run: scenario, scheduler, length, CPUs, seed."""
    cpus = "1 CPU" if summary["cpus"] == 1 else f"{summary['cpus']} CPUs"
    length = units.duration(summary["duration_s"])
    heading = Text(f"{summary['scenario']}", style="bold")
    heading.append(
        f" under {summary['scheduler']}: {length} on {cpus}, seed {summary['seed']}\n", style="not bold"
    )
    return heading


def job_table(summary: Row) -> FittedTable:
    """Per job: share against entitlement, lag, requests, latency, memory, and how it ended."""
    jobs = summary["jobs"]

    def cells(name: str, show: Callable[[float], str]) -> list[str]:
        return [show(_number(job[name])) for job in jobs]

    served = [_served(job) for job in jobs]
    paged = any(_number(job["faults"]) > 0 for job in jobs)
    on_disk = bool(summary["paging"])
    translated = any(not math.isnan(_number(job["tlb_hit_share"])) for job in jobs)
    return FittedTable(
        [
            Column("job", [job["job"] for job in jobs], left=True),
            Column("tickets", [str(job["tickets"]) for job in jobs], rank=6),
            Column("entitled\n%", cells("entitled_share", _percent), rank=1),
            Column("got\n%", cells("cpu_share", _percent), rank=1),
            Column("error\npp", cells("share_error", units.points), rank=2),
            Column("wait", cells("wait_s", units.duration), rank=9),
            Column("p50 CPU\nwait", cells("queue_p50_s", units.duration), rank=11),
            Column("p99 CPU\nwait", cells("queue_p99_s", units.duration), rank=10),
            Column("worst lag\nquanta", cells("lag_quanta", units.number), rank=3),
            Column("done/\ndropped", served, rank=7),
            Column("p50\nlatency", [_latency(job, "p50") for job in jobs], rank=8),
            Column("p99\nlatency", [_latency(job, "p99") for job in jobs], rank=3),
            Column("deadlines\nmissed", cells("missed_deadlines", units.number), rank=4),
            Column("peak\nheap", cells("peak_heap_bytes", units.size), rank=7),
            *([Column("page\nfaults", cells("faults", units.number), rank=8)] if paged else []),
            *([Column("major\nfaults", cells("major_faults", units.number), rank=3)] if on_disk else []),
            *([Column("wait for\ndisk", cells("disk_wait_s", units.duration), rank=3)] if on_disk else []),
            *([Column("working\nset", cells("working_set_bytes", units.size), rank=6)] if on_disk else []),
            *([Column("TLB\nhits %", cells("tlb_hit_share", _percent), rank=4)] if translated else []),
            Column("ended", [job["ended"] for job in jobs], rank=5, left=True),
        ]
    )


def paging_table(summary: Row) -> FittedTable:
    """Per number of processes in memory at once: the CPU's and the disk's use, and the rate of faults."""
    rows = summary["paging"]

    def cells(name: str, show: Callable[[float], str]) -> list[str]:
        return [show(row[name]) for row in rows]

    def per_second(size: float) -> str:
        return f"{units.size(size)}/s"

    return FittedTable(
        [
            Column("processes\nin memory", [str(row["processes"]) for row in rows], left=True),
            Column("for", cells("time_s", units.duration), rank=2),
            Column("CPU\nbusy %", cells("busy_share", _percent)),
            Column("disk\nbusy %", cells("disk_busy_share", _percent), rank=1),
            Column("major faults\nper second", cells("major_faults_per_s", units.number), rank=1),
            Column("read", cells("read_bytes_per_s", per_second), rank=3),
            Column("written", cells("written_bytes_per_s", per_second), rank=4),
        ]
    )


def group_table(summary: Row) -> FittedTable:
    """Per group: its claim and quota, what it received, and how often it was held back."""
    groups = summary["groups"]
    delivered = sum(job["cpu_s"] or 0.0 for job in summary["jobs"])
    shares = [group["cpu_s"] / delivered if delivered else math.nan for group in groups]
    return FittedTable(
        [
            Column("group", [group["group"] for group in groups], left=True),
            Column("of", [group["of"] for group in groups], rank=4, left=True),
            Column("weight", [str(group["weight"]) for group in groups], rank=3),
            Column("quota", [_quota(group) for group in groups], rank=2),
            Column("got\n%", [_percent(share) for share in shares], rank=1),
            Column("CPU\ntime", [units.duration(group["cpu_s"]) for group in groups], rank=5),
            Column(
                "throttled", [_if_limited(group, "throttled_s", units.duration) for group in groups], rank=2
            ),
            Column("throttled\nperiods", [_throttled_periods(group) for group in groups], rank=3),
        ]
    )


def machine_line(summary: Row) -> Text:
    """Say where the machine's time and memory went, in one line."""
    machine = {name: _number(value) for name, value in summary["machine"].items()}
    shares = [
        f"{units.percent(machine[name])} {word}"
        for name, word in (("busy_share", "busy"), ("switching_share", "switching"), ("idle_share", "idle"))
        if name in machine
    ]
    switches = f"{units.number(machine['switches'])} context switches"
    if "switches_per_s" in machine:
        switches += f" ({units.number(machine['switches_per_s'])}/s)"
    if machine.get("migrations", 0) > 0:
        switches += f", {units.number(machine['migrations'])} migrations"
    if machine.get("wasted_s", 0) > 0:
        switches += f", {units.duration(machine['wasted_s'])} of CPU time idle while a process waited"
    held = units.size(machine["peak_resident_bytes"])
    memory = f"memory: at most {held} of {units.size(summary['memory_bytes'])} held"
    if machine.get("internal_fragmentation_bytes", 0) > 0:
        memory += f", {units.size(machine['internal_fragmentation_bytes'])} of it without use"
    if machine.get("compactions", 0) > 0:
        times = units.number(machine["compactions"])
        memory += f"; processes were moved together {'once' if times == '1' else f'{times} times'}"
    if summary["paging"]:
        used = units.size(machine["swap_used_bytes"])
        memory += f"; at most {used} in swap, the disk {units.percent(machine['disk_busy_share'])} busy"
    return Text(f"{', '.join(shares)}; {switches}; {memory}.")


def threshold_table(summary: Row) -> FittedTable:
    """Each threshold with a tick or a cross, and the value measured or the reason there is none."""
    rows: Sequence[Row] = summary["thresholds"]
    columns = [
        Column("", [Text("✓", "green") if row["passed"] else Text("✗", "red") for row in rows], left=True),
        Column("threshold", [row["text"] for row in rows], left=True),
        Column("measured", [row["measured_text"] for row in rows], left=True),
    ]
    if summary["kind"] == "comparison":
        columns.insert(1, Column("scheduler", [row["scheduler"] for row in rows], left=True))
        kept = [f"{row['kept']} of {row['replications']}" for row in rows]
        columns.append(Column("kept in", kept, rank=1))
    return FittedTable(columns)


def _indented(line: str) -> RenderableType:
    """Keep a line's indentation where it is broken, too."""
    text = line.lstrip()
    depth = len(line) - len(text)
    return Padding(Text(text), (0, 0, 0, depth)) if depth else Text(text, style="bold")


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _percent(fraction: float) -> str:
    return units.percent(fraction).removesuffix(" %")


def _quota(group: Row) -> str:
    if group["quota_s"] is None:
        return units.NOTHING
    return f"{units.duration(group['quota_s'])} in {units.duration(group['period_s'])}"


def _if_limited(group: Row, name: str, show: Callable[[float], str]) -> str:
    return units.NOTHING if group["quota_s"] is None else show(group[name])


def _throttled_periods(group: Row) -> str:
    if group["quota_s"] is None:
        return units.NOTHING
    return f"{group['throttled_periods']} of {group['periods']}"


def _latency(job: Row, percentile: str) -> str:
    """Show a percentile, or how many more queries it would take to state it."""
    takes = job["latency_needs"].get(percentile)
    if takes is not None:
        return f"{takes - job['queries']:,} more"
    return units.duration(_number(job[f"latency_{percentile}_s"]))


def _served(job: Row) -> str:
    if not job["requests"]:
        return units.NOTHING
    return f"{job['finished']}/{job['dropped']}"
