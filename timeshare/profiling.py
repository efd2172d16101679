"""The command that records a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from reports.units import duration
from reports.units import size as shown_size
from simulator.errors import TimeshareError
from timeshare.terminal import Terminal
from workloads.vision.profile import SUFFIX, save_profile, user_directory

if TYPE_CHECKING:
    from workloads.vision.profile import Profile

DEAREST = 8
"""Rows of the table of operations."""

STEPS = ("warming up", "timing", "memory")
NANOSECONDS = 1e9


def profile(  # noqa: PLR0913 - one argument an option
    *,
    model: str,
    image: str | None,
    size: str | None,
    weights: str | None,
    threads: int,
    runs: int | None,
    out: Path | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """`timeshare profile`."""
    terminal = Terminal(as_json, quiet)
    wanted = _parse_size(size)
    recorded = record(
        model, terminal, image=_path(image), size=wanted, weights=_path(weights), threads=threads, runs=runs
    )
    path = out or user_directory() / f"{recorded.model}{SUFFIX}"
    save_profile(recorded, path)
    terminal.show(_table(recorded))
    terminal.data(_summary(recorded, path))
    for note in recorded.notes:
        terminal.note(note)
    terminal.note(
        f"\nprofile in {path}; use it in a scenario as `profile: {recorded.model if out is None else path}`"
    )
    return 0


def record(model: str, terminal: Terminal, **options: Any) -> Profile:  # noqa: ANN401 - those of the recorder
    """Record a model with a progress bar.

    Raises:
        TimeshareError: the extra `vision` is not installed, or the model cannot be recorded.
    """
    try:
        from workloads.vision import record as recorder  # noqa: PLC0415 - torch takes a second, and may be missing
    except ImportError as error:
        if error.name not in ("torch", "torchvision"):
            raise
        raise TimeshareError(
            f"recording a model needs {error.name}, which is not installed; pip install 'timeshare[vision]'"
        ) from None
    with terminal.progress(f"recording {model}") as progress:

        def step(name: str, done: int, of: int) -> None:
            progress((STEPS.index(name) + done / of) / len(STEPS))

        given = {name: value for name, value in options.items() if value is not None}
        return recorder.record(model, **given, progress=step)


def _table(recorded: Profile) -> Table:
    cost: dict[tuple[str, str], int] = {}
    for name, module, cpu_ns in zip(recorded.ops.name, recorded.ops.module, recorded.ops.cpu_ns, strict=True):
        key = (name, module.split(".")[0] or "(model)")
        cost[key] = cost.get(key, 0) + cpu_ns
    total = sum(cost.values())
    title = (
        f"{recorded.model}: {duration(total / NANOSECONDS)} of CPU an inference, "
        f"{shown_size(recorded.peak_bytes)} at the peak, {shown_size(recorded.weights_bytes)} of "
        f"{recorded.weights} weights"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("operation", "in module"):
        table.add_column(heading)
    for heading in ("CPU time", "of all"):
        table.add_column(heading, justify="right")
    dearest = sorted(cost.items(), key=lambda item: -item[1])[:DEAREST]
    for (name, module), cpu_ns in dearest:
        table.add_row(name, module, duration(cpu_ns / NANOSECONDS), f"{cpu_ns / total:.1%}")
    rest = total - sum(cpu_ns for _, cpu_ns in dearest)
    if rest:
        table.add_row("all others", "", duration(rest / NANOSECONDS), f"{rest / total:.1%}")
    return table


def _summary(recorded: Profile, path: Path) -> dict[str, Any]:
    operations_ns = sum(recorded.ops.cpu_ns)
    return {
        "model": recorded.model,
        "source": recorded.source,
        "task": recorded.task,
        "profile": str(path),
        "input_shape": list(recorded.input_shape),
        "image": recorded.image,
        "weights": recorded.weights,
        "weights_bytes": recorded.weights_bytes,
        "operations": len(recorded.ops),
        "operations_cpu_s": operations_ns / NANOSECONDS,
        "plain_cpu_s": recorded.plain_cpu_ns / NANOSECONDS,
        "operations_to_plain": operations_ns / recorded.plain_cpu_ns,
        "peak_bytes": recorded.peak_bytes,
        "versions": dict(recorded.versions),
        "host": dict(recorded.host),
        "notes": list(recorded.notes),
    }


def _parse_size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if match is None:
        raise TimeshareError(f"--size {text}: not height and width; write for example 320x240")
    return int(match[1]), int(match[2])


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
