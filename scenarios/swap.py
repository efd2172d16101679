"""The swap device, and how pages are replaced."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from scenarios.common_job import CommonJob
from scenarios.jobs import MODULE_ATTRIBUTE, CpuBoundJob, InteractiveJob, MemoryWalkJob, VisionJob
from scenarios.problems import Finding, did_you_mean, known_words
from scenarios.units import Bandwidth, Duration, PositiveSize, format_size
from simulator.errors import InvariantError
from simulator.memory.paging.mechanism import Swapping
from simulator.memory.paging.replacement.registry import POLICIES, replacement_class
from simulator.memory.paging.swap import SwapShape
from simulator.plugins import PluginError

USUAL = {"replacement": "clock", "scope": "global", "working_set": "1s"}
"""Keys of `machine.memory` that mean nothing without a swap device, and what they are with one."""
Scope = Literal["global", "local"]
PolicyName = Annotated[str, Field(pattern=rf"^({MODULE_ATTRIBUTE}|[A-Za-z][A-Za-z0-9_-]*)$")]


class Swap(BaseModel):
    """A disk that pages go to when memory is short (OSTEP chapter 21)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_bytes: PositiveSize = Field(alias="size", description="Room for pages.")
    latency_ns: Duration = Field(
        default=100_000,
        alias="latency",
        description="Time from the beginning of a request to its first byte.",
    )
    bandwidth_bytes: Bandwidth = Field(
        default=500_000_000, alias="bandwidth", description="What it moves in a second then."
    )
    cluster: Annotated[int, Field(strict=True, ge=1, le=1024)] = Field(
        default=8, description="The most neighbouring pages that one request moves."
    )


def with_usual(memory: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a `machine.memory` as the file has it, with what it leaves out about its swap device."""
    if memory.get("swap") is None:
        return memory
    return {**memory, **{key: usual for key, usual in USUAL.items() if memory.get(key) is None}}


def swapping_of(
    swap: Swap,
    replacement: str | None,
    scope: Scope | None,
    window_ns: int | None,
    random: np.random.Generator,
) -> Swapping:
    """Return what the mechanism is made with.

    Raises:
        PluginError: there is no such replacement policy.
    """
    if replacement is None or scope is None or window_ns is None:
        raise InvariantError("a swap device without the usual values beside it")
    shape = SwapShape(swap.size_bytes, swap.latency_ns, swap.bandwidth_bytes, swap.cluster)
    return Swapping(shape, replacement_class(replacement), random, scope, window_ns)


def check_swap(
    swap: Swap | None, translation: str, page_size: int | None, given: Mapping[str, object]
) -> list[Finding]:
    """Return what is wrong with the keys about swapping.

    Args:
        swap: the device, if any.
        translation: the translation's name.
        page_size: under paging, a page's size.
        given: the values of the keys in `USUAL`, None where there is none.
    """
    findings = []
    if swap is None:
        without = "nothing is swapped or replaced without a swap device; give it `swap: {size: 2GiB}`"
        return [Finding((key,), without, on_key=True) for key in USUAL if given[key] is not None]
    if page_size is None:
        message = f"pages are swapped, and {translation} has none; write `translation: paging`"
        findings.append(Finding(("swap",), message, on_key=True))
    elif swap.size_bytes % page_size:
        size, page = format_size(swap.size_bytes), format_size(page_size)
        findings.append(Finding(("swap", "size"), f"{size} is no whole number of pages of {page}"))
    replacement = str(given["replacement"])
    try:
        replacement_class(replacement)
    except PluginError as error:
        message = f"unknown value {replacement}{did_you_mean(replacement, POLICIES)} {known_words(POLICIES)}"
        findings.append(Finding(("replacement",), str(error) if ":" in replacement else message))
    return findings


def check_foresight(
    swap: Swap | None, replacement: str | None, jobs: Mapping[str, CommonJob]
) -> list[Finding]:
    """Return a finding if the policy needs to know the future, and that of some job is not known."""
    try:
        blind = swap is None or replacement is None or not replacement_class(replacement).foresees
    except PluginError:
        blind = True
    unknown = [] if blind else [name for name, job in jobs.items() if not _is_foretold(job)]
    if not unknown:
        return []
    message = (
        f"{replacement} must know what is used next, and of {', '.join(unknown)} it cannot: it is known of "
        "vision jobs, of sequential memory walks, and of jobs that only compute"
    )
    return [Finding(("machine", "memory", "replacement"), message)]


def _is_foretold(job: CommonJob) -> bool:
    if isinstance(job, MemoryWalkJob):
        return job.order == "sequential"
    return isinstance(job, VisionJob | CpuBoundJob | InteractiveJob)
