"""The profile: what was recorded of one model's inference, and the file that holds it.

A profile is a gzip-compressed JSON object in ``NAME.json.gz``. It holds two more keys than `Profile` has
fields, ``format`` ("timeshare-profile") and ``version`` (1); every other key is a field of the same name.

What was recorded:
    model: the name jobs use, and the file's name without ``.json.gz``.
    source: where the model comes from, ``module:callable``.
    task: "classification", "segmentation", "detection" or "other".
    description: one line: what the model is, and the paper it comes from.
    weights: "random" (fixed seed), or the name of the weights' file.
    parameters: number of parameters (elements, not bytes).
    weights_bytes, buffers_bytes: bytes of the parameters and of the buffers. They lie in memory before an
        inference begins and are not among its memory events.
    input_shape: the input tensor's shape, batch first.
    image: name of the photograph the input was made from, "example inputs" where the model brought its own.
    dtype: element type of the input and the parameters, such as "float32".
    notes: sentences worth knowing about this recording (what a detector with random weights found, say).

How it was recorded:
    grad_mode: "inference_mode": which of torch's gradient modes was on; it decides which operations show.
    threads: threads torch computed with. CPU time is that of one thread, so this is 1.
    warmups, runs: inferences run before, and measured.
    kernels: operator to origin, for operators that were not the library's own:
        ``{"torchvision::nms": "timeshare"}``.
    versions: of python, torch, torchvision and timeshare.
    host: the CPU's model name, its core count and the operating system's kernel.

Evidence, to hold the tables below against:
    plain_cpu_ns, plain_cpu_p10_ns, plain_cpu_p90_ns: median, 10th and 90th percentile of one whole
        inference's CPU time without any instrument, measured in turns with the instrumented ones.
    overhead_ns: the instrument's own CPU time per operation, measured, and already taken out of the table.
    peak_bytes: torch.profiler's own highest total of live bytes above the one before the inference, from a
        run without our instrument.

``ops``, columns of equal length, in order of execution. Between any two operations of torch there is a
segment of its own for the Python time between them, so the columns sum to the whole inference:
    name: the operation, such as "aten::conv2d"; "python" for the time between operations.
    module: path of the module that ran it, such as "layer1.0.conv1"; "" for the model itself.
    cpu_ns, cpu_p10_ns, cpu_p90_ns: CPU time over the runs: median, 10th and 90th percentile.
    (In the file, ``name`` and ``module`` are indices into the lists ``names`` and ``modules``.)

``memory``, columns of equal length, in order of time: every block the inference allocated, scratch included:
    op: index of the operation in ``ops``; non-decreasing.
    after: false: at the operation's start, true: at its end; within one operation, starts come first.
    block: number of the block, never used twice.
    bytes: > 0 allocates that many bytes, < 0 frees the block (the magnitude repeats its size).
    A block that is never freed outlives the inference: the model keeps it.

All times are integer nanoseconds of CPU time, all sizes integer bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from simulator.errors import TimeshareError

FORMAT = "timeshare-profile"
FORMAT_VERSION = 1
PYTHON = "python"
TASKS = ("classification", "segmentation", "detection", "other")


class ProfileError(TimeshareError):
    """A profile cannot be found, read, trusted or recorded."""


@dataclass(frozen=True)
class Operations:
    """The operations of one inference, column by column (see the module's text)."""

    name: tuple[str, ...]
    module: tuple[str, ...]
    cpu_ns: tuple[int, ...]
    cpu_p10_ns: tuple[int, ...]
    cpu_p90_ns: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.name)

    @property
    def kind(self) -> tuple[str, ...]:
        """For each segment "op", or "python" for the time between operations."""
        return tuple(PYTHON if name == PYTHON else "op" for name in self.name)


@dataclass(frozen=True)
class MemoryEvents:
    """The allocations and frees of one inference, column by column (see the module's text)."""

    op: tuple[int, ...]
    after: tuple[bool, ...]
    block: tuple[int, ...]
    bytes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.op)

    @property
    def peak_bytes(self) -> int:
        """The highest total of live bytes along the events."""
        live = peak = 0
        for change in self.bytes:
            live += change
            peak = max(peak, live)
        return peak


@dataclass(frozen=True)
class Profile:
    """One recorded inference; the module's text says what each field means and in which unit it is."""

    model: str
    source: str
    task: str
    description: str
    weights: str
    parameters: int
    weights_bytes: int
    buffers_bytes: int
    input_shape: tuple[int, ...]
    image: str
    dtype: str
    notes: tuple[str, ...]
    grad_mode: str
    threads: int
    warmups: int
    runs: int
    kernels: dict[str, str]
    versions: dict[str, str]
    host: dict[str, str]
    plain_cpu_ns: int
    plain_cpu_p10_ns: int
    plain_cpu_p90_ns: int
    overhead_ns: int
    peak_bytes: int
    ops: Operations
    memory: MemoryEvents
    version: int = FORMAT_VERSION

    @property
    def cpu_ns(self) -> int:
        """CPU time of one inference: the sum over all operations and the Python time between them."""
        return sum(self.ops.cpu_ns)


def check(profile: Profile, where: str) -> None:
    """Raise `ProfileError` unless times are non-negative and every free matches an allocation before it."""
    if profile.task not in TASKS:
        raise ProfileError(f"{where}: the task is {profile.task!r}; it must be one of {', '.join(TASKS)}.")
    for name in ("parameters", "weights_bytes", "buffers_bytes", "plain_cpu_ns", "peak_bytes"):
        if getattr(profile, name) < 0:
            raise ProfileError(f"{where}: {name} is negative.")
    _check_columns(profile.ops, f"{where}: ops")
    for name in ("cpu_ns", "cpu_p10_ns", "cpu_p90_ns"):
        for index, cpu_ns in enumerate(getattr(profile.ops, name)):
            if cpu_ns < 0:
                raise ProfileError(f"{where}: ops: {name} of operation {index} is negative ({cpu_ns}).")
    _check_columns(profile.memory, f"{where}: memory")
    _check_memory(profile.memory, len(profile.ops), f"{where}: memory")


def _check_columns(table: Operations | MemoryEvents, where: str) -> None:
    lengths = {field.name: len(getattr(table, field.name)) for field in fields(table)}
    if len(set(lengths.values())) > 1:
        raise ProfileError(f"{where}: columns differ in length: {lengths}.")


def _check_memory(memory: MemoryEvents, ops: int, where: str) -> None:
    live: dict[int, int] = {}
    used: set[int] = set()
    previous = (0, False)
    for index, (op, after, block, size) in enumerate(
        zip(memory.op, memory.after, memory.block, memory.bytes, strict=True)
    ):
        event = f"{where}: event {index}"
        if not 0 <= op < ops:
            raise ProfileError(f"{event} belongs to operation {op}, of {ops}.")
        if (op, after) < previous:
            raise ProfileError(f"{event} is out of order.")
        previous = (op, after)
        if size == 0:
            raise ProfileError(f"{event} neither allocates nor frees: its bytes are 0.")
        if size > 0:
            if block in used:
                raise ProfileError(f"{event} allocates block {block} a second time.")
            used.add(block)
            live[block] = size
        elif live.pop(block, None) != -size:
            raise ProfileError(f"{event} frees {-size} bytes as block {block}, which is not allocated so.")
