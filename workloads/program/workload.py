"""The workload of a job that runs a script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workloads.base import Context, Workload
from workloads.program.interpreter import Interpreter

if TYPE_CHECKING:
    from collections.abc import Generator

    import simpy

    from simulator.syscalls import SystemCalls
    from workloads.program.code import Script

HEAP_BYTES = 1 << 20


def program(context: Context, script: Script) -> Workload:  # noqa: ARG001 - as every workload
    """Return a program written down step by step: calls, variables, malloc and free, reads and writes.

    Args:
        context: the job.
        script: the program.
    """

    def run(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        yield from Interpreter(system, script).run()

    return Workload(run, HEAP_BYTES, stores_bytes=True)
