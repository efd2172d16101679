"""Record a model: what one inference computes and allocates, operation by operation.

Passes over the same input, merged by the operations' order: module paths (`calls`), CPU times (`timing`,
`overhead`), memory (`memory`). They must see the same operations, name by name.
"""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from workloads.vision.calls import ModulePaths, name_of, require_same
from workloads.vision.memory import record_memory
from workloads.vision.profile_format import PYTHON, Operations, Profile, ProfileError, check
from workloads.vision.subject import Subject, first_look, prepare
from workloads.vision.timing import Timing, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

WARMUPS = 5
RUNS = 20
TOLERANCE = 0.05


def record(
    model: str,
    image: Path | None = None,
    size: tuple[int, int] | None = None,
    weights: Path | None = None,
    *,
    threads: int = 1,
    runs: int = RUNS,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Profile:
    """Record one model and return its profile; nothing is written.

    Args:
        model: a name of the catalogue, or ``module:callable``.
        image: photograph to infer on; None: the one of Grace Hopper that comes with matplotlib.
        size: height and width to resize it to; None: the catalogue's.
        weights: file of a state dict; None: random weights, the same every time.
        threads: must be 1. The clock is the thread's own CPU time, and the simulated machine runs a process
            on one CPU at a time: wall times of more threads would hide what the other threads used, and
            their summed CPU time would be spent one after another.
        runs: how many times the inference is measured.
        progress: called with the step ("timing"), how much of it is done, and of how much.

    Raises:
        ProfileError: the model cannot be found, constructed, run or repeated; image or weights are wrong.
    """
    if threads != 1:
        raise ProfileError(
            f"Cannot record with {threads} threads: a profile holds one thread's CPU time, since a simulated "
            "process runs on one CPU at a time. Record with 1 thread."
        )
    if runs < 1:
        raise ProfileError(f"Cannot record {runs} runs; it takes at least 1.")
    with _one_thread():
        subject = prepare(model, image, size, weights)
        with torch.inference_mode():
            return _record(subject, runs, progress)


def _record(subject: Subject, runs: int, progress: Callable[[str, int, int], None]) -> Profile:
    notes = first_look(subject)
    for done in range(1, WARMUPS):
        subject.infer()
        progress("warming up", done + 1, WARMUPS)
    module_paths = ModulePaths()
    with module_paths.follow(subject.module), module_paths:
        subject.infer()
    names = [name_of(operation) for operation in module_paths.operations]
    timing = measure(subject.infer, runs, lambda done: progress("timing", done, 2 * runs))
    require_same(names, timing.names, "the timing pass")
    progress("memory", 0, 1)
    memory = record_memory(subject.infer)
    require_same(names, memory.names, "the memory pass")
    progress("memory", 1, 1)
    ops = _operations(names, module_paths.paths, timing)
    notes += _disagreement(sum(ops.cpu_ns), int(np.median(timing.plain_ns)))
    tensor, module = subject.first_tensor, subject.module
    plain = _quantiles(timing.plain_ns)
    profile = Profile(
        model=subject.model.name,
        source=subject.model.source,
        task=subject.model.task,
        description=subject.model.description,
        weights=subject.weights,
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        weights_bytes=sum(parameter.nbytes for parameter in module.parameters()),
        buffers_bytes=sum(buffer.nbytes for buffer in module.buffers()),
        input_shape=tuple(tensor.shape),
        image=subject.image,
        dtype=str(tensor.dtype).removeprefix("torch."),
        notes=notes,
        grad_mode="inference_mode",
        threads=1,
        warmups=WARMUPS,
        runs=runs,
        kernels={name: origin for name, origin in subject.kernels.items() if name in names},
        versions=_versions(),
        host=_host(),
        plain_cpu_ns=int(plain[1]),
        plain_cpu_p10_ns=int(plain[0]),
        plain_cpu_p90_ns=int(plain[2]),
        overhead_ns=int(timing.overhead_ns.mean()) if names else 0,
        peak_bytes=memory.peak_bytes,
        ops=ops,
        memory=memory.events,
    )
    check(profile, subject.model.name)
    return profile


def _operations(names: list[str], paths: list[str], timing: Timing) -> Operations:
    """Lay operations and the Python segments around them in one table.

    The Python time before an operation belongs to the module that runs the operation; what follows the last
    one, to the model.
    """
    p10, median, p90 = (tuple(column) for column in _quantiles(timing.segments_ns).tolist())
    return Operations(
        name=(*chain.from_iterable((PYTHON, name) for name in names), PYTHON),
        module=(*chain.from_iterable((path, path) for path in paths), ""),
        cpu_ns=median,
        cpu_p10_ns=p10,
        cpu_p90_ns=p90,
    )


def _disagreement(sum_ns: int, plain_ns: int) -> tuple[str, ...]:
    """A note where the times do not add up to what one inference takes without the clock."""
    if abs(sum_ns - plain_ns) <= TOLERANCE * plain_ns:
        return ()
    note = (
        f"The times sum to {sum_ns / plain_ns:.2f} of one inference's plain CPU time. The more of an "
        "inference is Python, and the busier the machine, the less certain its times: record again on an "
        "idle machine."
    )
    return (note,)


def _quantiles(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the 10th, 50th and 90th percentile along the first axis, in whole nanoseconds."""
    return np.quantile(times_ns, (0.1, 0.5, 0.9), axis=0).astype(np.int64)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("torch", "torchvision", "timeshare"):
        try:
            found[package] = version(package)
        except (
            PackageNotFoundError
        ):  # torchvision is not needed by every model; timeshare may run uninstalled
            found[package] = "not installed"
    return found


def _host() -> dict[str, str]:
    cpu = platform.processor() or platform.machine()
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        described = []
    models = [line.partition(":")[2].strip() for line in described if line.startswith("model name")]
    kernel = ".".join(platform.release().split(".")[:2])
    return {
        "cpu": models[0] if models else cpu,
        "cores": str(os.cpu_count()),
        "kernel": f"{platform.system()} {kernel}",
    }
