"""Which keys a place of the scenario file takes: what unknown and missing keys are explained with."""

from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from scenarios.arrivals import KINDS
from scenarios.common_job import JobMemory
from scenarios.economy import Change, Funding
from scenarios.groups import CpuMax, GroupTerms
from scenarios.heaps import Heap
from scenarios.jobs import BUILT_IN, PluginJob
from scenarios.memory import TRANSLATIONS, Disk, MachineMemory, TlbOptions
from scenarios.memory_limits import MemoryLimits
from scenarios.problems import KeyPath, did_you_mean
from scenarios.schema import Machine, Scenario, Scheduler
from scenarios.steps import STEPS, Function
from scenarios.swap import Swap

_GROUP: dict[KeyPath, type[BaseModel]] = {
    (): GroupTerms,
    ("cpu_max",): CpuMax,
    ("memory",): MemoryLimits,
}

_MEMORY: dict[KeyPath, type[BaseModel]] = {(): JobMemory, ("heap",): Heap}

_SECTIONS: dict[KeyPath, type[BaseModel]] = {
    (): Scenario,
    ("machine",): Machine,
    ("machine", "memory"): MachineMemory,
    ("machine", "memory", "heap"): Heap,
    ("machine", "memory", "disk"): Disk,
    ("machine", "memory", "swap"): Swap,
    ("machine", "memory", "translation", "paging", "tlb"): TlbOptions,
    ("scheduler",): Scheduler,
}


def model_at(path: KeyPath, data: Any) -> type[BaseModel] | None:  # noqa: ANN401 - parsed YAML is anything
    """Return the model of the mapping at `path` of a scenario file whose content is `data`.

    None where the keys are free (`jobs`, a plug-in's options), and where no mapping belongs.
    """
    match path:
        case ("changes", int()):
            return Change
        case ("currencies", str()):
            return Funding
        case ("machine", "memory", "translation", str(kind)):
            return TRANSLATIONS.get(kind)
        case ("groups", str(), *rest):
            return _GROUP.get(tuple(rest))
        case ("jobs", str(name), *rest):
            return _inside_job(rest, value_at(("jobs", name), data))
    return _SECTIONS.get(path)


def _inside_job(rest: list[str | int], job: object) -> type[BaseModel] | None:
    workload = job.get("workload") if isinstance(job, dict) else None
    model = BUILT_IN.get(workload, PluginJob) if isinstance(workload, str) else PluginJob
    match rest:
        case []:
            return model
        case ["memory", *inner]:
            return _MEMORY.get(tuple(inner))
        case ["arrivals", str(kind)]:
            return KINDS.get(kind)
        case ["functions", str(name)]:
            return Function if isinstance(value_at(("functions", name), job), dict) else None
        case [*_, int(), str(kind)]:
            # Only lists of steps hold mappings in a job.
            return STEPS.get(kind)
    return None


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a model by the key that the file writes."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def has(data: object, step: str | int) -> bool:
    """Tell whether `data` is a mapping with the key, or a list with the position, `step`."""
    if isinstance(data, list):
        return isinstance(step, int) and 0 <= step < len(data)
    return isinstance(data, dict) and step in data


def value_at(path: KeyPath, data: Any) -> Any:  # noqa: ANN401 - parsed YAML is anything
    """Return what stands at `path`, or None where `data` has no such place."""
    for step in path:
        if not has(data, step):
            return None
        data = data[step]
    return data


def unknown_key(path: KeyPath, data: object) -> str:
    """Return the message for a key that the mapping around it does not take."""
    key, around = str(path[-1]), path[:-1]
    model = model_at(around, data)
    if model is None:
        return "unknown key"
    known = [name for name in keys_of(model) if name != "workload" or len(around) != len(("jobs", "NAME"))]
    workload, hint = value_at((*around, "workload"), data), did_you_mean(key, known)
    if workload is None or not issubclass(model, (*BUILT_IN.values(), PluginJob)):
        return f"unknown key{hint} (known here: {', '.join(known)})"
    takes = f"(workload {workload} takes: {', '.join(known)})"
    if model is PluginJob:
        return (
            f"unknown key{hint or f'; what is for the workload goes under options: {{{key}: ...}}'} {takes}"
        )
    owners = [name for name, job in BUILT_IN.items() if key in keys_of(job)]
    if owners:
        return f"only workload {' or '.join(owners)} takes {key} {takes}"
    return f"unknown key{hint} {takes}"
