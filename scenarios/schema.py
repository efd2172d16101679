"""The scenario file: a machine, its jobs, what changes on the way and what the run is held to.

In the file, quantities carry their unit (`duration: 60s`); in Python they are integers in the base unit
that the attribute's name says (`scenario.duration_ns`). `model_dump()` gives the resolved scenario in base
units, `model_dump(by_alias=True)` a mapping that reads as a scenario file again.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaSerializer, core_schema

from scenarios.economy import Change, CurrencyName, Funding, check_currencies
from scenarios.groups import GroupName, GroupTerms, check_groups
from scenarios.jobs import MODULE_ATTRIBUTE, Job, PluginJob, VisionJob
from scenarios.memory import MachineMemory
from scenarios.memory_checks import check_spaces
from scenarios.memory_claims import check_limits
from scenarios.problems import Finding, did_you_mean, findings_error, known_words
from scenarios.requesting import PercentileRule, check_deadlines, deadline_of
from scenarios.swap import check_foresight
from scenarios.thresholds import METRICS, ThresholdText
from scenarios.units import Duration, PositiveDuration, format_duration
from simulator.plugins import PluginError
from simulator.schedulers.registry import make_scheduler, scheduler_class

JOB_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
MAX_WINDOWS = 100_000
ABOUT_WINDOWS = 150
JobName = Annotated[str, Field(pattern=JOB_NAME, max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Part):
    """The simulated computer."""

    cpus: Annotated[int, Field(strict=True, ge=1, le=4096)] = Field(default=1, description="Number of CPUs.")
    quantum_ns: PositiveDuration = Field(
        default=10_000_000,
        alias="quantum",
        description="Longest time a process keeps a CPU before the scheduler decides again.",
    )
    context_switch_ns: Duration = Field(
        default=0, alias="context_switch", description="CPU time lost at each switch to another process."
    )
    migration_ns: Duration = Field(
        default=0,
        alias="migration",
        description="CPU time lost to cold caches when a process runs on another CPU than its last.",
    )
    tick_ns: Duration = Field(
        default=0,
        alias="tick",
        description="CPU time lost at each timer tick, under schedulers that decide at ticks.",
    )
    memory: MachineMemory = Field(default_factory=MachineMemory, description="Physical memory.")


class Scheduler(BaseModel):
    """The policy that decides who runs next, and the options it takes."""

    model_config = ConfigDict(frozen=True, extra="allow")

    policy: str = Field(
        pattern=rf"^({MODULE_ATTRIBUTE}|[A-Za-z][A-Za-z0-9_-]*)$",
        description="Name of a scheduler, such as stride, or module:Class.",
    )

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        try:
            make_scheduler(self.policy, self.options)
        except PluginError as error:
            raise findings_error([Finding((), str(error))]) from None
        return self

    @property
    def options(self) -> dict[str, Any]:
        """All keys but `policy`, as they stand in the file; the policy checks them."""
        return dict(self.model_extra or {})


def _named(value: object) -> object:
    return {"policy": value} if isinstance(value, str) else value


class Scenario(_Part):
    """A scenario: who shares which machine, for how long, and what the run is held to."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        max_length=100,
        description="Name of the scenario: letters, digits, dot, dash, underscore.",
    )
    description: str = Field(default="", description="What the scenario shows; the first line is its title.")
    duration_ns: PositiveDuration = Field(
        alias="duration", description="How long the run is, in simulated time."
    )
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] = Field(
        default=0, description="Seed of all random draws; the same seed gives the same run."
    )
    window_ns: PositiveDuration | None = Field(
        default=None,
        alias="window",
        description="Width of the time windows in the result's tables; left out: a round width that gives "
        "about a hundred.",
    )
    machine: Machine = Field(
        default_factory=Machine, description="The simulated computer; left out: one CPU and 4GiB."
    )
    scheduler: Annotated[Scheduler, BeforeValidator(_named, json_schema_input_type=str | Scheduler)] = Field(
        description="Who runs next: a scheduler's name, module:Class, or {policy: NAME, option: value ...}."
    )
    jobs: Annotated[Mapping[JobName, Job], Field(min_length=1)] = Field(
        description="The jobs by name; the name stays with the job in every table and plot."
    )
    currencies: Mapping[CurrencyName, Funding] = Field(
        default_factory=dict,
        description="Currencies that jobs' tickets may be issued in: their holders share what backs them.",
    )
    groups: Mapping[GroupName, GroupTerms] = Field(
        default_factory=dict,
        description="Groups of jobs with weights and quotas, as Linux's cgroups, for cfs and eevdf.",
    )
    changes: tuple[Change, ...] = Field(
        default=(), description="Changes of jobs' tickets and currencies' fundings during the run."
    )
    percentiles: PercentileRule | None = Field(
        default=None,
        description="How many requests it takes to state a percentile of their latency: any (one), soft (one "
        "beyond it: 100 for p99), early-stopping (as MLPerf's load generator: 662) or mlperf (as MLPerf's "
        "rules: 262742). Left out: mlperf for MLPerf's arrivals, soft for others. MLPerf's arrivals take "
        "nothing laxer than early-stopping.",
    )
    thresholds: tuple[ThresholdText, ...] = Field(
        default=(), description="What the run is held to, such as `gate.latency.p99 < 100ms`."
    )

    @property
    def table_window_ns(self) -> int:
        """Width of the time windows of the result's tables."""
        return self.window_ns or round_up(max(1, self.duration_ns // ABOUT_WINDOWS))

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        findings = [
            *self._check_times(),
            *unknown_jobs(self.jobs, [change.job for change in self.changes], self._threshold_jobs()),
            *self._check_changes(),
            *self._check_affinity(),
            *check_spaces(self.machine.memory, self.machine.cpus, self.jobs),
            *check_limits(self.machine.memory, self.jobs, self.groups),
            *check_foresight(self.machine.memory.swap, self.machine.memory.replacement, self.jobs),
            *check_currencies(self.currencies, self.jobs, self.changes),
            *self._check_groups(),
            *check_deadlines(self.jobs),
            *self._check_thresholds(),
        ]
        if all(job.tickets == 0 for job in self.jobs.values()):
            findings.append(Finding(("jobs",), "all jobs have 0 tickets; give one of them some", on_key=True))
        if findings:
            raise findings_error(findings)
        return self

    def _threshold_jobs(self) -> list[str | None]:
        return [threshold.job for threshold in self.thresholds]

    def _check_times(self) -> list[Finding]:
        end = format_duration(self.duration_ns)
        findings = [
            Finding(("jobs", name, "start"), f"{name} would start when the run is over; it ends at {end}")
            for name, job in self.jobs.items()
            if job.start_ns >= self.duration_ns
        ]
        if self.duration_ns // self.table_window_ns > MAX_WINDOWS:
            message = f"gives more than {MAX_WINDOWS} windows in {end}; make it wider"
            findings.append(Finding(("window",), message))
        return findings

    def _check_changes(self) -> list[Finding]:
        findings = []
        for index, change in enumerate(self.changes):
            path = ("changes", index, "at")
            job = self.jobs.get(change.job or "")
            if change.at_ns >= self.duration_ns:
                end = format_duration(self.duration_ns)
                findings.append(
                    Finding(path, f"the change would come when the run is over; it ends at {end}")
                )
            elif job is not None and change.at_ns < job.start_ns < self.duration_ns:
                start = format_duration(job.start_ns)
                findings.append(Finding(path, f"the change comes before {change.job} starts at {start}"))
        return findings

    def _check_affinity(self) -> list[Finding]:
        findings = []
        last = self.machine.cpus - 1
        pins = scheduler_class(self.scheduler.policy).honours_affinity
        for name, job in self.jobs.items():
            if job.affinity is None:
                continue
            path = ("jobs", name, "affinity")
            if not pins:
                message = f"the scheduler {self.scheduler.policy} cannot bind jobs to CPUs"
                findings.append(Finding(path, message, on_key=True))
            there = "0 alone" if last == 0 else f"0 to {last}"
            findings += [
                Finding((*path, index), f"there is no CPU {cpu}; the machine has {there}")
                for index, cpu in enumerate(job.affinity)
                if cpu > last
            ]
        return findings

    def _check_groups(self) -> list[Finding]:
        policy = self.scheduler.policy
        unable = None if scheduler_class(policy).honours_groups else policy
        return check_groups(self.groups, self.jobs, self.machine.cpus, unable)

    def _check_thresholds(self) -> list[Finding]:
        findings = []
        for index, threshold in enumerate(self.thresholds):
            job = self.jobs.get(threshold.job or "")
            if METRICS[threshold.metric].memcheck and (job is not None or threshold.job is None):
                findings += self._check_memcheck(index, threshold.metric, job)
            if job is None or not METRICS[threshold.metric].requests:
                continue
            if not isinstance(job, VisionJob | PluginJob) or job.arrivals is None:
                message = f"{threshold.job} serves no requests, so it has no {threshold.metric}"
                findings.append(Finding(("thresholds", index), message))
            elif threshold.metric == "missed_deadlines" and deadline_of(job) is None:
                message = f"{threshold.job} has no deadline to miss; give it `deadline`"
                findings.append(Finding(("thresholds", index), message))
        return findings

    def _check_memcheck(self, index: int, metric: str, job: Job | None) -> list[Finding]:
        """Return a finding if a threshold is about what memcheck finds, and nobody runs with it."""
        jobs = list(self.jobs.values()) if job is None else [job]
        if any(own.memory.memcheck != "off" for own in jobs):
            return []
        message = f"{metric} is what memcheck finds; give a job `memory: {{memcheck: report}}`"
        return [Finding(("thresholds", index), message)]


def round_up(duration_ns: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50 ... that is not less."""
    decade: int = 10 ** (len(str(duration_ns)) - 1)
    return next(step * decade for step in (1, 2, 5, 10) if step * decade >= duration_ns)


def unknown_jobs(
    jobs: Mapping[str, object], changed: Sequence[str | None], thresholds: Sequence[str | None]
) -> list[Finding]:
    """Return a finding for each job that `jobs` lacks, of the jobs the changes and the thresholds name."""
    places: list[tuple[tuple[str | int, ...], str | None]] = [
        *((("changes", index, "job"), name) for index, name in enumerate(changed)),
        *((("thresholds", index), name) for index, name in enumerate(thresholds)),
    ]
    return [
        Finding(path, f"unknown job {name}{did_you_mean(name, jobs)} {known_words(jobs)}")
        for path, name in places
        if name is not None and name not in jobs
    ]


class _FileSchema(GenerateJsonSchema):
    """Writes defaults as they stand in a file: "10ms", not 10000000."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        result = super().default_schema(schema)
        if result.get("type") == "string" and isinstance(result.get("default"), int):
            result["default"] = SchemaSerializer(schema["schema"]).to_python(result["default"], by_alias=True)
        return result


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the scenario file, for editors and other tools."""
    schema = Scenario.model_json_schema(schema_generator=_FileSchema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
