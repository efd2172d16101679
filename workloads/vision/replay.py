"""The replayer: a recorded model as a program."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.heap import Heap
from simulator.memory.physical import PhysicalMemory
from simulator.memory.trajectory import TrajectoryCache
from simulator.plugins import PluginError
from workloads.base import Context, Workload
from workloads.vision.profile import Profile, load_profile, to_burst

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy

    from simulator.burst import Burst
    from simulator.syscalls import SystemCalls

ELEMENT_BYTES = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8": 1}
UNLIMITED_BYTES = 1 << 50


def vision(context: Context, profile: str, requests: int | None = None) -> Workload:
    """Return a program that serves requests with a recorded model, one after another.

    It allocates weights and buffers once. For each request it allocates the input, runs the recorded
    operations with every malloc and free where they were recorded, frees the input, and replies.

    Args:
        context: the job; its `requests` say where the work comes from.
        profile: name or path of the profile.
        requests: exit after this many; None serves on and on.

    Raises:
        ProfileError: there is no such profile, or it cannot be used.
        PluginError: the job has no arrivals.
    """
    source = context.requests
    if source is None:
        raise PluginError(f"job '{context.job}': a vision job needs arrivals")
    recorded, burst = _recorded(profile)

    def program(system: SystemCalls) -> Generator[simpy.Event, Any, None]:
        load_weights(recorded, system.malloc)
        for _ in itertools.count() if requests is None else range(requests):
            request = yield system.receive(source)
            image = system.malloc(input_bytes(recorded))
            yield system.execute(burst)
            system.free(image)
            system.reply(request)

    return Workload(program, heap_need_bytes(profile), recorded=True)


def load_weights(profile: Profile, malloc: Callable[[int], int]) -> None:
    """Allocate what lies in memory before an inference: the parameters and the buffers."""
    for size in (profile.weights_bytes, profile.buffers_bytes):
        if size > 0:
            malloc(size)


def input_bytes(profile: Profile) -> int:
    """Return the size of one input tensor in bytes."""
    return math.prod(profile.input_shape) * ELEMENT_BYTES.get(profile.dtype, 4)


@lru_cache(maxsize=64)
def heap_need_bytes(profile: str) -> int:
    """Return how large a heap grows that serves requests with this profile, found by trying it."""
    recorded, burst = _recorded(profile)
    layout = Layout(code_bytes=0, heap_bytes=UNLIMITED_BYTES // 2, stack_bytes=0)
    heap = Heap(BaseAndBounds(PhysicalMemory(UNLIMITED_BYTES), layout, "trial"))
    load_weights(recorded, heap.malloc)
    heap.malloc(input_bytes(recorded))
    TrajectoryCache().run(heap, burst, {})
    return heap.held_bytes


@lru_cache(maxsize=64)
def _recorded(profile: str) -> tuple[Profile, Burst]:
    """Read a profile once, so that jobs of the same model share the same burst."""
    recorded = load_profile(profile)
    return recorded, to_burst(recorded)
