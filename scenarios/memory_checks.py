"""Whether the jobs' address spaces fit the machine's memory, as far as that is known before the run."""

from collections.abc import Mapping

from scenarios.jobs import Job, MemoryWalkJob, PluginJob, ProgramJob
from scenarios.memory import MachineMemory, Paging, Segmentation
from scenarios.problems import Finding
from scenarios.units import format_size


def check_spaces(memory: MachineMemory, cpus: int, jobs: Mapping[str, Job]) -> list[Finding]:
    """Return a finding for each job whose address space the machine can never have, and for too many CPUs.

    A job without a limit has the heap that its workload turns out to need; it is refused when it starts.
    """
    findings = []
    if memory.kind == "none" and cpus > 1:
        message = f"with translation none one program is in memory at a time, so {cpus} CPUs have no use"
        findings.append(Finding(("machine", "cpus"), message))
    for name, job in jobs.items():
        if job.memory.memcheck != "off" and not isinstance(job, ProgramJob | MemoryWalkJob | PluginJob):
            message = f"workload {job.workload} loads and stores no bytes, so memcheck has nothing to look at"
            findings.append(Finding(("jobs", name, "memory", "memcheck"), message))
        sizes = job.memory
        limit = sizes.limit_bytes
        path = ("jobs", name, "memory", "code" if limit is None else "limit")
        needed = sizes.code_bytes + sizes.stack_bytes + (limit or 0)
        most, what = _most(memory)
        largest = max(sizes.code_bytes, sizes.stack_bytes, limit or 0)
        if (largest if isinstance(memory.translation, Segmentation) else needed) > most:
            needs = f"{name} needs {format_size(needed)} for code, stack and heap"
            findings.append(Finding(path, f"{needs}; {what} {format_size(most)}"))
    return findings


def _most(memory: MachineMemory) -> tuple[int, str]:
    """Return the largest size that an address space, or a segment, can have, and what sets it."""
    kind = memory.translation
    if isinstance(kind, Paging):
        return 1 << kind.bits, f"addresses of {kind.bits} bits have room for"
    if isinstance(kind, Segmentation):
        return 1 << (kind.address_bits - 2), "a segment has at most"
    return memory.size_bytes, "it lies in one piece, and the memory has"
