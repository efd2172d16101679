"""What a workload is: a program, the memory it needs, and where its requests come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.memory.heap_config import FIRST_FIT
from simulator.plugins import PluginError, find, installed

if TYPE_CHECKING:
    import numpy as np

    from simulator.memory.heap_config import HeapConfig
    from simulator.process import Program
    from simulator.sources import Source

GROUP = "timeshare.workloads"


@dataclass(frozen=True)
class Context:
    """What a workload may know of the job that it is to be.

    Attributes:
        job: the job's name.
        requests: where the job's requests come from; None for a job without arrivals.
        random: the job's own random stream.
        heap: how the job's heap is run.
    """

    job: str
    requests: Source | None
    random: np.random.Generator
    heap: HeapConfig = FIRST_FIT


@dataclass(frozen=True)
class Workload:
    """A program ready to be spawned.

    Attributes:
        program: the program.
        heap_bytes: room its heap needs, unless the scenario says otherwise.
        recorded: whether its CPU times and allocations were recorded from a real run; otherwise they are
            modelled, and reports say so.
        stores_bytes: whether what it stores matters: the allocator's headers and free list are then in the
            memory that it uses, where it can damage them.
    """

    program: Program
    heap_bytes: int
    recorded: bool = False
    stores_bytes: bool = False


Factory = Callable[..., Workload]
"""Makes a workload: `factory(context, **options)`."""


def workload_names() -> list[str]:
    """Return the names of all installed workloads."""
    return installed(GROUP)


def make_workload(name: str, context: Context, options: dict[str, Any]) -> Workload:
    """Return the workload of that name, made with the options.

    Raises:
        PluginError: there is no such workload, it does not take these options, or makes something else.
    """
    factory = find(GROUP, name)
    try:
        workload = factory(context, **options)
    except TypeError as error:
        raise PluginError(
            f"job '{context.job}': workload '{name}' does not accept its options: {error}"
        ) from error
    if not isinstance(workload, Workload):
        raise PluginError(
            f"job '{context.job}': workload '{name}' returned {type(workload).__name__}; it must return a "
            "workloads.base.Workload"
        )
    return workload
