"""The jobs of a scenario by their workload, and what each workload takes beside what all jobs have."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Tag,
    model_validator,
)

from scenarios.arrivals import Arrivals, ClosedLoop
from scenarios.common_job import CommonJob
from scenarios.problems import Finding, KeyPath, findings_error
from scenarios.programs import compile_program, lines_of
from scenarios.step_parts import VariableName, VariableSize
from scenarios.steps import FunctionSpec, Steps, Words, words
from scenarios.units import Duration, PositiveDuration, PositiveSize, format_size
from simulator.memory.heap_config import HeapConfigError
from simulator.memory.tagged_heap import check_has_room
from simulator.plugins import PluginError, find, installed
from workloads.base import GROUP
from workloads.program.code import Script
from workloads.vision.profile import ProfileError, load_profile

PROGRAM_STACK = "256KiB"
MODULE_ATTRIBUTE = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*"


class VisionJob(CommonJob):
    """Inference with a vision model, request after request, replayed from what was recorded of the model."""

    workload: Literal["vision"] = Field(description="What the job runs.")
    profile: str | None = Field(
        default=None,
        min_length=1,
        description="A recorded profile: its name or the path of its file. Either this or `model`.",
    )
    model: str | None = Field(
        default=None,
        pattern=f"^{MODULE_ATTRIBUTE}$",
        description="A model as module:callable, recorded when first used. Either this or `profile`.",
    )
    arrivals: Arrivals = Field(
        default_factory=ClosedLoop,
        description="How requests arrive; left out: closed-loop, each as soon as the last is answered.",
    )
    deadline_ns: PositiveDuration | None = Field(
        default=None,
        alias="deadline",
        description="A request answered later than this after its arrival has missed its deadline.",
    )
    threads: Annotated[int, Field(strict=True, ge=1, le=256)] = Field(
        default=1,
        description="Threads that share each operation of an inference, with a barrier at its end; each of "
        "them has the job's tickets.",
    )
    requests: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None, description="The job exits after this many requests; left out: it serves until the end."
    )

    @model_validator(mode="after")
    def _profile_or_model(self) -> Self:
        if (self.profile is None) == (self.model is None):
            message = "give one of `profile` and `model`" + ("" if self.profile is None else ", not both")
            raise findings_error([Finding(() if self.profile is None else ("model",), message, on_key=True)])
        if self.profile is not None:
            try:
                load_profile(self.profile)
            except ProfileError as error:
                raise findings_error([Finding(("profile",), str(error))]) from None
        return self


class CpuBoundJob(CommonJob):
    """A program that computes and never waits for anything."""

    workload: Literal["cpu-bound"] = Field(description="What the job runs.")
    work_ns: PositiveDuration | None = Field(
        default=None,
        alias="work",
        description="CPU time after which the job exits; left out: it computes until the end.",
    )


class InteractiveJob(CommonJob):
    """A program that computes a little, then sleeps, over and over."""

    workload: Literal["interactive"] = Field(description="What the job runs.")
    compute_ns: PositiveDuration = Field(alias="compute", description="CPU time of each round.")
    sleep_ns: PositiveDuration = Field(alias="sleep", description="Sleep between two rounds.")


class HeapChurnJob(CommonJob):
    """A program that allocates and frees blocks of random sizes, larger ones as time goes on, and exits."""

    workload: Literal["heap-churn"] = Field(description="What the job runs.")
    blocks: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(
        default=200, description="Blocks alive at a time."
    )
    smallest_bytes: PositiveSize = Field(
        default=16, alias="smallest", description="The smallest block in the beginning."
    )
    largest_bytes: PositiveSize = Field(
        default=4096, alias="largest", description="The largest block in the beginning."
    )
    growth: Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)] = Field(
        default=1.0, description="How many times as large blocks are at the end."
    )
    events: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = Field(
        default=10_000, description="Mallocs and frees in all."
    )
    event_ns: PositiveDuration = Field(
        default=10_000, alias="event", description="CPU time for each of them."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = Field(
        default=0, description="Of the sizes and lives; jobs with the same seed do the same."
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.largest_bytes < self.smallest_bytes:
            message = f"smaller than the smallest, {format_size(self.smallest_bytes)}"
            raise findings_error([Finding(("largest",), message)])
        return self


class MemoryWalkJob(CommonJob):
    """A program that allocates a block, walks over it, and frees it, over and over."""

    workload: Literal["memory-walk"] = Field(description="What the job runs.")
    size_bytes: PositiveSize = Field(alias="size", description="Size of the block.")
    order: Literal["sequential", "random"] = Field(
        default="sequential", description="Whether its addresses come one after another or at random."
    )
    stride_bytes: PositiveSize = Field(
        default=64, alias="stride", description="Distance between the addresses that are used."
    )
    passes: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=1, description="How often the block is walked over before it is freed."
    )
    access: Literal["read", "write"] = Field(default="write", description="What is done at each address.")
    pause_ns: Duration = Field(default=0, alias="pause", description="Sleep after each block is freed.")
    rounds: Annotated[int, Field(strict=True, ge=1)] | None = Field(
        default=None, description="The job exits after this many blocks; left out: it goes on until the end."
    )

    @model_validator(mode="after")
    def _stride_is_within(self) -> Self:
        if self.stride_bytes > self.size_bytes:
            size, stride = format_size(self.size_bytes), format_size(self.stride_bytes)
            message = f"a stride of {stride} leads out of a block of {size}; make it smaller"
            raise findings_error([Finding(("stride",), message)])
        return self


class ProgramJob(CommonJob):
    """A program that is written down step by step: calls, variables, malloc and free, reads and writes."""

    workload: Literal["program"] = Field(description="What the job runs.")
    functions: Mapping[VariableName, FunctionSpec] = Field(
        default_factory=dict,
        description="Its functions by name: a list of steps, or {parameters: [...], steps: [...]}. It begins "
        "with main. Either this or `steps`.",
    )
    steps: Steps = Field(
        default=(), description="The steps of a program of one function. Either this or `functions`."
    )
    variables: Annotated[
        Mapping[VariableName, VariableSize], BeforeValidator(words, json_schema_input_type=Words)
    ] = Field(
        default_factory=dict,
        alias="globals",
        description="Global variables, zero at first: names of words, or {name: size} for arrays.",
    )
    step_ns: PositiveDuration = Field(default=1_000, alias="step", description="CPU time of each step.")
    _lines: dict[KeyPath, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _small_stack(cls, given: object) -> object:
        """A call takes little of the stack and much of our time, so that 8 MiB overflow late."""
        memory = given.get("memory", {}) if isinstance(given, Mapping) else None
        if not isinstance(given, Mapping) or not isinstance(memory, Mapping) or "stack" in memory:
            return given
        return {**given, "memory": {"stack": PROGRAM_STACK, **memory}}

    @model_validator(mode="wrap")
    @classmethod
    def _remember_lines(cls, given: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        job = handler(given)
        if not isinstance(given, ProgramJob):
            job._lines = lines_of(given)  # noqa: SLF001 - its own
        return job

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if bool(self.functions) == bool(self.steps):
            both = "give one of `functions` and `steps`" + (", not both" if self.steps else "")
            raise findings_error([Finding(("steps",) if self.steps else (), both, on_key=True)])
        _, findings = self._compiled()
        if findings:
            raise findings_error(findings)
        if self.memory.heap is not None:
            try:
                check_has_room(self.memory.heap.config)
            except HeapConfigError as error:
                raise findings_error([Finding(("memory", "heap"), error.message)]) from None
        return self

    @property
    def script(self) -> Script:
        """What it runs."""
        return self._compiled()[0]

    def _compiled(self) -> tuple[Script, list[Finding]]:
        return compile_program(self.functions, self.steps, self.variables, self.step_ns, self._lines)


class PluginJob(CommonJob):
    """A workload from outside: an installed plug-in's name, or module:callable."""

    workload: str = Field(
        pattern=rf"^({MODULE_ATTRIBUTE}|[A-Za-z][A-Za-z0-9_-]*)$",
        description="What the job runs: module:callable, or the name under which a plug-in is installed.",
        json_schema_extra={
            "not": {"enum": ["vision", "cpu-bound", "interactive", "heap-churn", "memory-walk", "program"]}
        },
    )
    options: Mapping[str, Any] = Field(
        default_factory=dict, description="Handed to the workload as it stands here, without checks."
    )
    arrivals: Arrivals | None = Field(
        default=None, description="How requests arrive, for a workload that serves requests."
    )
    deadline_ns: PositiveDuration | None = Field(
        default=None,
        alias="deadline",
        description="A request answered later than this after its arrival has missed its deadline.",
    )

    @model_validator(mode="after")
    def _workload_can_be_loaded(self) -> Self:
        try:
            find(GROUP, self.workload)
        except PluginError as error:
            raise findings_error([Finding(("workload",), str(error))]) from None
        return self

    @model_validator(mode="after")
    def _deadline_needs_requests(self) -> Self:
        if self.deadline_ns is not None and self.arrivals is None:
            message = "a deadline is for requests, and this job has none; give it `arrivals`"
            raise findings_error([Finding(("deadline",), message, on_key=True)])
        return self


BUILT_IN: dict[str, type[CommonJob]] = {
    "vision": VisionJob,
    "cpu-bound": CpuBoundJob,
    "interactive": InteractiveJob,
    "heap-churn": HeapChurnJob,
    "memory-walk": MemoryWalkJob,
    "program": ProgramJob,
}
"""The workloads whose options the schema knows."""
PLUGIN = "plug-in"


def known_workloads() -> list[str]:
    """Return the names of all workloads that can be used here, built in or installed, sorted."""
    return sorted({*BUILT_IN, *installed("timeshare.workloads")})


def _kind(value: object) -> str | None:
    """Return which model a job is of; None or an unknown name is refused by pydantic."""
    workload = value.get("workload") if isinstance(value, Mapping) else getattr(value, "workload", None)
    if not isinstance(workload, str) or workload in BUILT_IN:
        return workload if isinstance(workload, str) else None
    return PLUGIN if ":" in workload or workload in known_workloads() else workload


Job = Annotated[
    Annotated[VisionJob, Tag("vision")]
    | Annotated[CpuBoundJob, Tag("cpu-bound")]
    | Annotated[InteractiveJob, Tag("interactive")]
    | Annotated[HeapChurnJob, Tag("heap-churn")]
    | Annotated[MemoryWalkJob, Tag("memory-walk")]
    | Annotated[ProgramJob, Tag("program")]
    | Annotated[PluginJob, Tag(PLUGIN)],
    Discriminator(_kind),
]
"""One job; which keys it takes depends on its workload."""
