"""Groups of jobs with weights and quotas, as Linux's cgroups are."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from scenarios.common_job import CommonJob
from scenarios.memory_limits import MemoryLimits
from scenarios.problems import Finding
from scenarios.units import PositiveDuration
from simulator.groups import DEFAULT_WEIGHT, ROOT, Group, Quota, group_problems, unknown_group

GroupName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CpuMax(_Part):
    """The most CPU time that a group may use, on all CPUs together: cgroup v2's `cpu.max`."""

    quota_ns: PositiveDuration = Field(alias="quota", description="CPU time in each period.")
    period_ns: PositiveDuration = Field(
        default=100_000_000, alias="period", description="Length of a period, 1ms to 1s."
    )

    @property
    def quota(self) -> Quota:
        """As the simulated system knows it."""
        return Quota(self.quota_ns, self.period_ns)


class GroupTerms(_Part):
    """A group: its jobs share what it gets, by their own tickets or nice values."""

    weight: Annotated[int, Field(strict=True)] = Field(
        default=DEFAULT_WEIGHT,
        description="Its claim against its siblings, groups and jobs, from 1 to 10000, as cgroup v2's "
        "cpu.weight; 100 is as much as one job of nice 0 has.",
    )
    of: str = Field(default=ROOT, description="The group that it is in; left out: root, the group of all.")
    cpu_max: CpuMax | None = Field(
        default=None, description="The most CPU time it may use; left out: no limit of its own."
    )
    memory: MemoryLimits | None = Field(
        default=None, description="What its jobs may hold of memory; left out: no limit of its own."
    )

    @property
    def shares_cpu(self) -> bool:
        """Whether it says anything about the CPU."""
        return self.weight != DEFAULT_WEIGHT or self.cpu_max is not None


def groups_of(terms: Mapping[str, GroupTerms]) -> dict[str, Group]:
    """Return the groups as the simulated system knows them."""
    return {
        name: Group(spec.weight, spec.of, None if spec.cpu_max is None else spec.cpu_max.quota)
        for name, spec in terms.items()
    }


def share_cpu(terms: Mapping[str, GroupTerms]) -> bool:
    """Say whether the groups are for sharing the CPU too, not for memory alone."""
    any_memory = any(spec.memory is not None for spec in terms.values())
    return any(spec.shares_cpu for spec in terms.values()) or not any_memory


def check_groups(
    terms: Mapping[str, GroupTerms],
    jobs: Mapping[str, CommonJob],
    cpus: int,
    unable: str | None,
) -> list[Finding]:
    """Return what is wrong with groups, and with the jobs that name them.

    Args:
        terms: the groups.
        jobs: the jobs.
        cpus: number of CPUs.
        unable: the scheduler's name if it does not look at groups, else None.
    """
    if terms and unable is not None and share_cpu(terms):
        message = f"the scheduler {unable} cannot share the CPU between groups; cfs and eevdf can"
        return [Finding(("groups",), message, on_key=True)]
    findings = []
    for name, attribute, message in group_problems(groups_of(terms), cpus):
        # A period that the file leaves out has no place of its own.
        steps = attribute.split(".") if attribute else []
        findings.append(Finding(("groups", name, *steps), message, on_key=not steps))
    findings += [
        Finding(("jobs", name, "group"), unknown_group(job.group, terms))
        for name, job in jobs.items()
        if job.group not in (ROOT, *terms)
    ]
    return findings
