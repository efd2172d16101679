"""Limits on what jobs and groups may hold of memory, and memory tickets, as scenarios write them."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scenarios.units import PositiveSize
from simulator.memory.control import MOST_ADJ, NEVER_KILLED

MAX_MEMORY_TICKETS = 1_000_000
MemoryTickets = Annotated[int, Field(strict=True, ge=1, le=MAX_MEMORY_TICKETS)]
USUAL_TICKETS = 100


class MemoryLimits(BaseModel):
    """What a job or a group may hold, as cgroup v2's memory controller has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_bytes: PositiveSize | None = Field(
        default=None,
        alias="max",
        description="The most it may hold, all its processes together (memory.max): beyond, memory is taken "
        "back from it, and then one of its processes is killed. Left out: no limit.",
    )
    high_bytes: PositiveSize | None = Field(
        default=None,
        alias="high",
        description="Beyond this (memory.high), memory is taken back from it and its processes are put to "
        "sleep when they ask for more. Left out: never.",
    )
    oom_group: bool = Field(
        default=False,
        strict=True,
        description="Whether all of its processes are killed when one of them is (memory.oom.group).",
    )


class JobLimits(MemoryLimits):
    """What a job may hold, and its part where memory is shared by tickets."""

    tickets: MemoryTickets = Field(
        default=USUAL_TICKETS,
        description="Its memory tickets: what it is entitled to of memory is its part of all jobs' tickets. "
        "They are apart from its tickets for the CPU.",
    )
    oom_score_adj: Annotated[int, Field(strict=True, ge=NEVER_KILLED, le=MOST_ADJ)] = Field(
        default=0,
        description="Added to its badness when a process is to be killed, in thousandths of the memory, from "
        "-1000 (never killed for another's need) to 1000.",
    )
