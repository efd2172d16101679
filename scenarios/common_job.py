"""What every job has, whatever it runs: its claim to the CPU, and its address space."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from scenarios.heaps import HeapSpec
from scenarios.memory_limits import JobLimits
from scenarios.problems import Finding, findings_error
from scenarios.units import Duration, PositiveSize
from simulator.currencies import BASE
from simulator.groups import ROOT
from simulator.nice import LEAST_NICE, NICEST, tickets_of_nice

MAX_TICKETS = 1_000_000
CpuNumber = Annotated[int, Field(strict=True, ge=0, le=62)]
Tickets = Annotated[int, Field(strict=True, ge=0, le=MAX_TICKETS)]
Nice = Annotated[int, Field(strict=True, ge=LEAST_NICE, le=NICEST)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class JobMemory(JobLimits):
    """The address space of a process, and what the job may hold of memory.

    The space has this size from start to exit, however much is used of it.
    """

    limit_bytes: PositiveSize | None = Field(
        default=None,
        alias="limit",
        description="Room of the heap, whatever of it is in memory (as RLIMIT_AS; for that, see max); a "
        "program that allocates more is killed. Left out: what the workload says it needs.",
    )
    code_bytes: PositiveSize = Field(
        default=2**20, alias="code", description="Size of the program's code and constants."
    )
    stack_bytes: PositiveSize = Field(
        default=8 * 2**20,
        alias="stack",
        description="Room of the stack; left out: 8MiB, for workload program 256KiB.",
    )
    heap: HeapSpec | None = Field(
        default=None, description="The allocator behind malloc and free; left out: the machine's."
    )
    record: Literal["heap"] | None = Field(
        default=None,
        description="heap: keep the place and life of the heap's first blocks, for a picture.",
    )
    memcheck: Literal["off", "report", "abort"] = Field(
        default="off",
        description="Whether loads, stores, mallocs and frees are looked at, as valgrind's memcheck does: "
        "report what is wrong and what leaked, or abort the process at the first.",
    )


def nice_as_tickets(given: object) -> object:
    """Return what a part of a scenario was given, with the tickets that its nice value means.

    Raises:
        ValidationError: it was given other tickets, too.
    """
    if not isinstance(given, Mapping) or type(given.get("nice")) is not int:
        return given
    if not LEAST_NICE <= given["nice"] <= NICEST:
        return given
    weight = tickets_of_nice(given["nice"])
    if given.get("tickets", weight) != weight:
        message = f"give tickets or nice, not both; nice {given['nice']} is {weight} tickets"
        raise findings_error([Finding(("nice",), message, on_key=True)])
    return {**given, "tickets": weight}


class CommonJob(_Part):
    """What every job has."""

    tickets: Tickets = Field(
        default=100,
        description="The job's claim to the CPU, relative to the other jobs' tickets; 0 claims nothing.",
    )
    nice: Nice | None = Field(
        default=None,
        description="Linux's nice value, -20 to 19, in place of tickets: as many tickets as the kernel gives "
        "it weight, 1024 for nice 0. It means the same under every scheduler that looks at tickets.",
    )
    group: str = Field(default=ROOT, description="The group that it is in; left out: root, the group of all.")
    currency: str = Field(
        default=BASE, description="The currency that its tickets are issued in; left out: base, worth 1 each."
    )
    start_ns: Duration = Field(
        default=0, alias="start", description="When the job's process is started, from the start of the run."
    )
    affinity: Annotated[tuple[CpuNumber, ...], Field(min_length=1)] | None = Field(
        default=None, description="Numbers of the CPUs it may run on, from 0; left out: all."
    )
    memory: JobMemory = Field(default_factory=JobMemory, description="The process's address space.")

    @model_validator(mode="before")
    @classmethod
    def _nice_or_tickets(cls, given: object) -> object:
        return nice_as_tickets(given)

    @property
    def cpu_mask(self) -> int | None:
        """The affinity as one bit for each CPU, None for all CPUs."""
        return None if self.affinity is None else sum(1 << cpu for cpu in dict.fromkeys(self.affinity))
