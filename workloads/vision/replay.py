"""The replayer: a recorded model as a program."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.burst import Burst
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT
from simulator.memory.physical import PhysicalMemory
from simulator.memory.trajectory import run_burst
from simulator.plugins import PluginError
from workloads.base import Context, Workload
from workloads.vision.profile import (
    SUFFIX,
    Profile,
    list_profiles,
    load_profile,
    save_profile,
    to_burst,
    user_directory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from simulator.memory.heap_config import HeapConfig
    from simulator.syscalls import SystemCalls

ELEMENT_BYTES = {
    "float64": 8,
    "int64": 8,
    "float32": 4,
    "int32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
}
UNLIMITED_BYTES = 1 << 50
TRIALS = 12
"""Requests that are tried, at most, to find how large a heap grows."""


def vision(
    context: Context, profile: str | None = None, model: str | None = None, requests: int | None = None
) -> Workload:
    """Return a program that serves requests with a recorded model, one after another.

    It allocates weights and buffers once. For each request it allocates the input, runs the recorded
    operations with every malloc and free where they were recorded, frees the input, and replies.

    Args:
        context: the job; its `requests` say where the work comes from.
        profile: name or path of a profile; either this or `model`.
        model: `module:callable`; its profile is the known one of that source, or is recorded now and kept.
        requests: exit after this many; None serves on and on.

    Raises:
        ProfileError: there is no such profile, or it cannot be used or recorded.
        PluginError: the job has no arrivals, or not exactly one of profile and model.
    """
    source = context.requests
    if source is None:
        raise PluginError(f"job '{context.job}': a vision job needs arrivals")
    if (profile is None) == (model is None):
        raise PluginError(f"job '{context.job}': a vision job has a profile or a model")
    if profile is None:
        profile = profile_of(str(model))
    recorded, burst = _recorded(profile)

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        load_weights(recorded, system.load_file)
        yield from system.serve(source, burst, requests)

    return Workload(program, heap_need_bytes(profile, context.heap), recorded=True)


def profile_of(model: str, record: Callable[[str], Profile] | None = None) -> str:
    """Return the name of the profile of a model, recording it if there is none yet.

    Args:
        model: `module:callable`.
        record: records the model; None for the recorder, which needs torch.

    Raises:
        ProfileError: the model cannot be recorded, or its profile not be kept.
    """
    for name in list_profiles():
        if load_profile(name).source == model:
            return name
    if record is None:
        from workloads.vision import record as recorder  # noqa: PLC0415 - replaying needs no torch

        record = recorder.record
    name = model.replace(":", ".")
    save_profile(replace(record(model), model=name), user_directory() / f"{name}{SUFFIX}")
    return name


def load_weights(profile: Profile, load_file: Callable[[str, int], int]) -> None:
    """Load what lies in memory before an inference and is only read: the parameters and the buffers.

    Jobs of the same model load the same files, and share them where memory can be shared.
    """
    for name, size in files_of(profile).items():
        load_file(name, size)


def files_of(profile: Profile) -> dict[str, int]:
    """Return the files that an inference reads, by name, and their sizes in bytes."""
    sizes = {"weights": profile.weights_bytes, "buffers": profile.buffers_bytes}
    return {f"{name} of {profile.model}": size for name, size in sizes.items() if size > 0}


def input_bytes(profile: Profile) -> int:
    """Return the size of one input tensor in bytes."""
    return math.prod(profile.input_shape) * ELEMENT_BYTES.get(profile.dtype, 4)


@lru_cache(maxsize=64)
def heap_need_bytes(profile: str, config: HeapConfig = FIRST_FIT) -> int:
    """Return how large a heap grows that serves requests with this profile, found by trying it.

    First fit has seen everything after one request; others find their lasting places in the course of a few.
    """
    recorded, burst = _recorded(profile)
    layout = Layout(code_bytes=0, heap_bytes=UNLIMITED_BYTES // 2, stack_bytes=0)
    heap = Heap(BaseAndBounds(PhysicalMemory(UNLIMITED_BYTES), layout, "trial"), config)
    load_weights(recorded, lambda _, size: heap.malloc(size))
    before = None
    for _ in range(1 if config == FIRST_FIT else TRIALS):
        if heap.signature() == before:
            break
        before = heap.signature()
        run_burst(heap, burst, {})
    return heap.peak_held_bytes


@lru_cache(maxsize=64)
def _recorded(profile: str) -> tuple[Profile, Burst]:
    """Read a profile once, so that jobs of the same model share the same burst."""
    recorded = load_profile(profile)
    burst = with_input(to_burst(recorded), input_bytes(recorded))
    return recorded, replace(burst, files=tuple(files_of(recorded)))


def with_input(burst: Burst, size: int) -> Burst:
    """Return the burst with a block of `size` bytes allocated before its first operation, freed at its end.

    The input lies in memory before an inference begins, so that it is not among the recorded events. Within
    the burst it leaves the heap as it was, which lets a run be recognised as a repetition of the last.
    """
    block = int(burst.event_block.max(initial=-1)) + 1
    last = len(burst.op_cpu_ns) - 1
    return Burst(
        op_cpu_ns=burst.op_cpu_ns,
        op_names=burst.op_names,
        event_op=np.concatenate([[0], burst.event_op, [last]]),
        event_after=np.concatenate([[False], burst.event_after, [True]]),
        event_block=np.concatenate([[block], burst.event_block, [block]]),
        event_bytes=np.concatenate([[size], burst.event_bytes, [-size]]),
        op_parallel=burst.op_parallel,
    )
