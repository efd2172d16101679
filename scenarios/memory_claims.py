"""Claims on memory made from a scenario's limits and memory tickets, and what can be wrong with those."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.memory import MachineMemory, Paging, Segmentation
from scenarios.memory_limits import JobLimits, MemoryLimits
from scenarios.problems import Finding, KeyPath
from scenarios.units import format_size
from simulator.groups import ROOT, parents_first
from simulator.memory.address_space import Layout
from simulator.memory.contiguous import space_bytes
from simulator.memory.control import MemoryControl
from simulator.memory.segmentation.space import FIRST_STACK_BYTES
from simulator.oom import KILL_ASKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scenarios.common_job import CommonJob
    from scenarios.groups import GroupTerms


class Controls:
    """The claims on memory of a scenario's jobs and groups.

    Args:
        jobs: the jobs.
        groups: the groups.

    Attributes:
        jobs: the jobs' claims by name.
        groups: the groups' claims by name, parents first.
    """

    def __init__(self, jobs: Mapping[str, CommonJob], groups: Mapping[str, GroupTerms]) -> None:
        self.groups: dict[str, MemoryControl] = {}
        for name in parents_first(groups)[1:]:
            terms = groups[name]
            self.groups[name] = _control(name, terms.memory, self.groups.get(terms.of), is_group=True)
        self.jobs = {
            name: _control(name, job.memory, self.groups.get(job.group), is_group=False)
            for name, job in jobs.items()
        }


def _control(
    name: str, limits: MemoryLimits | None, parent: MemoryControl | None, *, is_group: bool
) -> MemoryControl:
    limits = limits or MemoryLimits()
    mine = isinstance(limits, JobLimits)
    return MemoryControl(
        name,
        limits.tickets if isinstance(limits, JobLimits) else 1,
        parent,
        max_bytes=limits.max_bytes,
        high_bytes=limits.high_bytes,
        oom_group=limits.oom_group,
        oom_score_adj=limits.oom_score_adj if isinstance(limits, JobLimits) else 0,
        is_group=is_group or not mine,
    )


def are_used(memory: MachineMemory, jobs: Mapping[str, CommonJob], groups: Mapping[str, GroupTerms]) -> bool:
    """Say whether a scenario says anything of who may hold what, so that it is worth a table."""
    usual = JobLimits()
    said = (
        getattr(job.memory, name) != getattr(usual, name)
        for job in jobs.values()
        for name in JobLimits.model_fields
    )
    return (
        memory.oom != KILL_ASKING or any(said) or any(terms.memory is not None for terms in groups.values())
    )


def check_limits(
    memory: MachineMemory, jobs: Mapping[str, CommonJob], groups: Mapping[str, GroupTerms]
) -> list[Finding]:
    """Return what is wrong with limits on memory and with who is killed when it runs out."""
    findings = []
    if memory.kind == "none" and memory.oom != KILL_ASKING:
        message = (
            "with translation none one program is in memory at a time, and nobody else's end would make "
            f"room; write {KILL_ASKING}"
        )
        findings.append(Finding(("machine", "memory", "oom"), message))
    places: list[tuple[KeyPath, MemoryLimits]] = [
        (("jobs", name, "memory"), job.memory) for name, job in jobs.items()
    ]
    places += [
        (("groups", name, "memory"), terms.memory)
        for name, terms in groups.items()
        if terms.memory is not None
    ]
    for path, limits in places:
        findings += _check_sizes(path, limits, memory.size_bytes)
    if not findings:
        findings += [finding for name in jobs for finding in _check_start(name, memory, jobs, groups)]
    return findings


def _check_sizes(path: KeyPath, limits: MemoryLimits, size_bytes: int) -> Iterator[Finding]:
    most, high = limits.max_bytes, limits.high_bytes
    for key, value in (("max", most), ("high", high)):
        if value is not None and value > size_bytes:
            message = (
                f"{format_size(value)} is more than the memory, which has {format_size(size_bytes)}; leave "
                f"{key} out for no limit"
            )
            yield Finding((*path, key), message)
    if most is not None and high is not None and high > most:
        message = f"{format_size(high)} is above max, {format_size(most)}, which is reached before it"
        yield Finding((*path, "high"), message)


def _check_start(
    name: str,
    memory: MachineMemory,
    jobs: Mapping[str, CommonJob],
    groups: Mapping[str, GroupTerms],
) -> Iterator[Finding]:
    """A job that could never start: what it needs for that alone is more than it may hold."""
    job = jobs[name]
    needed = _needed_at_start(memory, job)
    path: KeyPath = ("jobs", name, "memory", "max")
    limits: MemoryLimits | None = job.memory
    group, seen = job.group, 0
    while True:
        if limits is not None and limits.max_bytes is not None and limits.max_bytes < needed:
            message = (
                f"{format_size(limits.max_bytes)} is less than {name} needs to start, {format_size(needed)}"
            )
            yield Finding(path, message)
        if group == ROOT or group not in groups or seen > len(groups):
            return
        path, limits = ("groups", group, "memory", "max"), groups[group].memory
        group, seen = groups[group].of, seen + 1


def _needed_at_start(memory: MachineMemory, job: CommonJob) -> int:
    """Return what an address space takes at least: code and tables, or all of it where it is one piece."""
    sizes, kind = job.memory, memory.translation
    if isinstance(kind, Paging):
        shape = kind.shape
        tables = sum(shape.table_bytes(level) for level in range(shape.levels))
        return -(-sizes.code_bytes // shape.page_size) * shape.page_size + tables
    if isinstance(kind, Segmentation):
        return sizes.code_bytes + min(sizes.stack_bytes, FIRST_STACK_BYTES)
    return space_bytes(Layout(sizes.code_bytes, sizes.limit_bytes or 0, sizes.stack_bytes))
