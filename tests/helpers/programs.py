"""Programs for tests: run as a scenario's only job, and what became of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from scenarios.runner import Simulation
from scenarios.schema import Scenario

TRANSLATIONS = ("none", "static-relocation", "base-and-bounds", "segmentation", "paging")


class Ran(NamedTuple):
    """How a program ended, what it printed, and what memcheck found: (kind, count) for each place."""

    ended: str
    code: int | None
    printed: list[str]
    found: list[tuple[str, int]]
    diagnoses: list[Any]
    simulation: Simulation


def run(
    program: Any,
    translation: str = "paging",
    memcheck: str = "off",
    heap: Any = "first-fit",
    seconds: int = 2,
    **job: Any,
) -> Ran:
    """Run steps, or functions by name, for two seconds at most."""
    key = "functions" if isinstance(program, dict) else "steps"
    memory = {"code": "16KiB", "stack": "64KiB", "limit": "1MiB", "heap": heap, "memcheck": memcheck}
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "duration": f"{seconds}s",
            "scheduler": "round-robin",
            "machine": {"memory": {"size": "16MiB", "translation": translation}},
            "jobs": {
                "a": {"workload": "program", key: program, **job, "memory": memory | job.get("memory", {})}
            },
        }
    )
    simulation = Simulation(scenario)
    simulation.run()
    machine = simulation.machine
    ended = machine.processes[0].ended
    found = [record.diagnosis for record in machine.recordings.memory_errors]
    return Ran(
        "alive" if ended is None else ended.reason,
        None if ended is None else ended.code,
        [event.detail for event in machine.recordings.events if event.kind == "print"],
        [(str(diagnosis.kind), diagnosis.count) for diagnosis in found],
        found,
        simulation,
    )
