"""From a scenario to a simulated run and its tables."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from scenarios.common_job import CommonJob
from scenarios.economy import currencies_of
from scenarios.frames import final_tables
from scenarios.groups import groups_of, share_cpu
from scenarios.jobs import (
    CpuBoundJob,
    HeapChurnJob,
    InteractiveJob,
    MemoryWalkJob,
    PluginJob,
    ProgramJob,
    VisionJob,
)
from scenarios.memory import make_mechanism
from scenarios.memory_claims import Controls, are_used
from scenarios.requesting import (
    are_finite,
    deadline_of,
    make_source,
    percentile_rule,
    requests_of,
    samples_per_query,
)
from scenarios.result import Output
from scenarios.spool import Requester, Spool, StreamedRecordings
from simulator.groups import ROOT
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Layout
from simulator.memory.heap_log import HeapLog
from simulator.schedulers.registry import make_scheduler, scheduler_class
from simulator.streams import Streams
from simulator.tickets import Economy
from workloads.base import Context, Workload, make_workload

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import simpy

    from scenarios.economy import Change
    from scenarios.jobs import Job
    from scenarios.schema import Scenario
    from simulator.dispatcher import Engine
    from simulator.process import Process
    from simulator.sources import Source

GANTT_SLICES = 400
"""Slices kept for the picture of the first quanta when not all are asked for."""


SHARED_KEYS = {*CommonJob.model_fields, "workload"}
"""What is no option of the workload itself."""
RECORDED_PIECES = 20_000
"""Blocks of a heap that are recorded for a picture, and extents of the heap."""


class Simulation:
    """A scenario laid out on a machine, ready to run once.

    Args:
        scenario: the scenario.
        policy: another scheduler than the scenario's own, by name.
        replication: which independent repetition.
        all_slices: keep every slice on record.
        engine: how spans are run.
        directory: where tables that grow with time are written as it passes; None keeps them in memory.

    Raises:
        TimeshareError: a scheduler, workload, profile or option that cannot be had.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        policy: str | None = None,
        replication: int = 0,
        all_slices: bool = False,
        engine: Engine = "auto",
        directory: Path | None = None,
    ) -> None:
        self.scenario = scenario
        own = policy is None or policy == scenario.scheduler.policy
        self.policy = scenario.scheduler.policy if policy is None else policy
        self.replication = replication
        spec = scenario.machine
        # For memory alone, groups are none of the scheduler's business where it does not look at them.
        self._groups = (
            scenario.groups
            if scheduler_class(self.policy).honours_groups or share_cpu(scenario.groups)
            else {}
        )
        self.controls = Controls(scenario.jobs, scenario.groups)
        self.spool = Spool(directory)
        self.recordings = StreamedRecordings(spool=self.spool, cpus=spec.cpus)
        self.machine = Machine(
            make_scheduler(self.policy, scenario.scheduler.options if own else {}),
            Hardware(spec.cpus, spec.quantum_ns, spec.context_switch_ns, spec.migration_ns, spec.tick_ns),
            mechanism=make_mechanism(
                spec.memory,
                cpus=spec.cpus,
                random=Streams(scenario.seed, replication).named("tlb"),
                replacing=Streams(scenario.seed, replication).named("replacement"),
            ),
            economy=Economy(currencies_of(scenario.currencies)),
            seed=scenario.seed,
            replication=replication,
            engine=engine,
            slices=None if all_slices else GANTT_SLICES,
            recordings=self.recordings,
            groups=groups_of(self._groups),
            killer=spec.memory.oom,
        )
        if are_used(spec.memory, scenario.jobs, scenario.groups):
            self.machine.watch_controls([*self.controls.groups.values(), *self.controls.jobs.values()])
        self.sources: dict[str, Source] = {}
        self.workloads: dict[str, Workload] = {}
        self.processes: dict[str, Process] = {}
        for name, job in scenario.jobs.items():
            self._add(name, job)
        for change in scenario.changes:
            self.machine.clock.process(self._change(change))

    def run(self, progress: Callable[[int], None] | None = None) -> Output:
        """Simulate to the scenario's end and return manifest and tables.

        Args:
            progress: called now and then with the simulated time in nanoseconds.
        """
        scenario = self.scenario
        self.machine.run(scenario.duration_ns, window_ns=scenario.table_window_ns, progress=progress)
        self.recordings.write_windows()
        return Output(
            self._manifest(),
            {
                **self.spool.close(),
                **final_tables(self.machine, scenario.duration_ns, scenario.machine.memory),
            },
        )

    def _add(self, name: str, job: Job) -> None:
        arrivals = getattr(job, "arrivals", None)
        if arrivals is not None:
            source = make_source(
                self.machine.dispatcher,
                arrivals,
                start_ns=job.start_ns,
                random=self.machine.streams.named(f"arrivals {name}"),
            )
            self.sources[name] = source
            self.recordings.requesters[source.number] = Requester(name, deadline_of(job))
        heap = (job.memory.heap or self.scenario.machine.memory.heap).config
        random = self.machine.streams.named(f"job {name}")
        context = Context(name, self.sources.get(name), random, heap)
        workload = make_workload(job.workload, context, _options(job))
        self.workloads[name] = workload
        limit = job.memory.limit_bytes
        layout = Layout(
            code_bytes=job.memory.code_bytes,
            heap_bytes=workload.heap_bytes if limit is None else limit,
            stack_bytes=job.memory.stack_bytes,
            program=_program(job),
        )
        threads = job.threads if isinstance(job, VisionJob) else 1
        self.processes[name] = self.machine.spawn(
            name,
            workload.program,
            tickets=job.tickets,
            layout=layout,
            start_ns=job.start_ns,
            affinity=job.cpu_mask,
            currency=job.currency,
            threads=threads,
            heap=replace(heap, tagged=workload.stores_bytes),
            group=job.group if self._groups else ROOT,
            control=self.controls.jobs[name],
            memcheck=job.memory.memcheck,
        )
        if job.memory.record == "heap":
            self.processes[name].heap_log = HeapLog(RECORDED_PIECES)

    def _change(self, change: Change) -> Generator[simpy.Event, Any, None]:
        yield self.machine.clock.timeout(change.at_ns)
        if change.job is not None and change.tickets is not None:
            self.machine.set_tickets(self.processes[change.job], change.tickets)
        if change.job is not None and change.memory_tickets is not None:
            self.machine.set_memory_tickets(self.processes[change.job], change.memory_tickets)
        if change.currency is not None and change.funding is not None:
            self.machine.bank.set_funding(change.currency, change.funding)

    def _manifest(self) -> dict[str, Any]:
        scenario = self.scenario
        return {
            "format": "timeshare-result",
            "version": 1,
            "kind": "run",
            "timeshare": version("timeshare"),
            "scenario": scenario.model_dump(mode="json"),
            "scheduler": self.policy,
            "seed": scenario.seed,
            "replication": self.replication,
            "duration_ns": scenario.duration_ns,
            "quantum_ns": scenario.machine.quantum_ns,
            "cpus": scenario.machine.cpus,
            "memory_bytes": scenario.machine.memory.size_bytes,
            "translation": scenario.machine.memory.kind,
            "jobs": [
                {
                    "job": name,
                    "workload": job.workload,
                    "tickets": job.tickets,
                    "deadline_ns": deadline_of(job),
                    "profile": getattr(job, "profile", None) or getattr(job, "model", None),
                    "modelled": not self.workloads[name].recorded,
                    "percentile_rule": percentile_rule(job, scenario.percentiles),
                    "finite_requests": are_finite(job),
                    "samples_per_query": samples_per_query(job),
                }
                for name, job in scenario.jobs.items()
            ],
            "thresholds": [
                {
                    "text": threshold.text,
                    "metric": threshold.metric,
                    "job": threshold.job,
                    "statistic": threshold.statistic,
                    "op": threshold.op,
                    "value": threshold.value,
                    "tolerance": threshold.tolerance,
                }
                for threshold in scenario.thresholds
            ],
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in ("numpy", "simpy", "pyarrow")},
            },
            "host": {"system": platform.system(), "machine": platform.machine(), "cpus": os.cpu_count()},
        }


def _program(job: Job) -> str:
    """Return the name of the program that a job runs; jobs of the same program can share its code."""
    model = getattr(job, "profile", None) or getattr(job, "model", None)
    return job.workload if model is None else str(model)


def _options(job: Job) -> dict[str, Any]:
    """Return what the job's workload is made with."""
    if isinstance(job, VisionJob):
        return {"profile": job.profile, "model": job.model, "requests": requests_of(job)}
    if isinstance(job, CpuBoundJob):
        return {"work_ns": job.work_ns}
    if isinstance(job, InteractiveJob):
        return {"compute_ns": job.compute_ns, "sleep_ns": job.sleep_ns}
    if isinstance(job, HeapChurnJob | MemoryWalkJob):
        return {name: getattr(job, name) for name in type(job).model_fields if name not in SHARED_KEYS}
    if isinstance(job, ProgramJob):
        return {"script": job.script}
    if isinstance(job, PluginJob):
        return dict(job.options)
    raise TypeError(f"a job of an unknown kind: {type(job).__name__}")
