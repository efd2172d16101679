"""Groups of processes, as Linux's cgroups are: what they weigh and may use, what can be wrong with them.

After the kernel's Documentation/admin-guide/cgroup-v2.rst, section CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, Protocol

from simulator.errors import TimeshareError
from simulator.nice import NICE_0

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = "root"
"""The group of all: processes of no other group are in it, next to the groups that name no parent."""

DEFAULT_WEIGHT = 100
LIGHTEST, HEAVIEST = 1, 10_000

MS = 1_000_000
SHORTEST_NS, LONGEST_NS = 1 * MS, 1000 * MS
"""Bounds of a period; a quota is no shorter either."""


class GroupError(TimeshareError):
    """A group that cannot be, or that there is not."""


@dataclass(frozen=True)
class Quota:
    """The most CPU time a group may use, on all CPUs together: cgroup v2's `cpu.max`.

    Attributes:
        quota_ns: CPU time.
        period_ns: within each period of this length.
    """

    quota_ns: int
    period_ns: int = 100 * MS


@dataclass(frozen=True)
class Group:
    """A group.

    Attributes:
        weight: its claim against its siblings, 1 to 10000: cgroup v2's `cpu.weight`. 100 are as much as a
            process of nice 0 has.
        of: the parent group.
        cpu_max: None for no limit but its parent's.
    """

    weight: int = DEFAULT_WEIGHT
    of: str = ROOT
    cpu_max: Quota | None = None

    @property
    def tickets(self) -> int:
        """The weight on the scale of processes' tickets, rounded as `sched_weight_from_cgroup` does."""
        return (self.weight * NICE_0 + DEFAULT_WEIGHT // 2) // DEFAULT_WEIGHT


class Terms(NamedTuple):
    """A group as the kernel and a policy see it, in a list whose first entry is the root.

    Attributes:
        parent: number of the parent, which comes before it.
        tickets: its claim against its siblings, groups and processes.
        quota_ns: CPU time in each period; 0 for no limit.
        period_ns: length of a period.
    """

    parent: int
    tickets: int
    quota_ns: int
    period_ns: int


class Throttling(NamedTuple):
    """What became of a group's quota: cgroup v2's `cpu.stat`.

    Attributes:
        periods: periods in which the quota was in use.
        throttled_periods: those at whose end the group was held back on some CPU.
        throttled_ns: how long that was, summed over the CPUs.
    """

    periods: int
    throttled_periods: int
    throttled_ns: int


NO_TERMS = (Terms(0, 0, 0, 0),)
"""Where there is no group but the root."""


class Nested(Protocol):
    """Anything that is in a group."""

    @property
    def of(self) -> str:
        """The group's name."""


def parents_first(groups: Mapping[str, Nested]) -> list[str]:
    """Return the names of the root and of all groups, each parent before its children; else as given."""
    names = [ROOT]
    for name in names:
        names += [child for child, group in groups.items() if group.of == name and child != ROOT]
    return names


def terms_of(groups: Mapping[str, Group], cpus: int, scale: int = 1) -> list[Terms]:
    """Return the terms of the root and of all groups, in the order of `parents_first`.

    Args:
        groups: by name.
        cpus: number of CPUs.
        scale: tickets that the kernel counts for one.

    Raises:
        GroupError: something is wrong with them.
    """
    for name, _, message in group_problems(groups, cpus):
        raise GroupError(f"group {name}: {message}")
    names = parents_first(groups)
    found = list(NO_TERMS)
    for name in names[1:]:
        group, limit = groups[name], groups[name].cpu_max
        quota_ns, period_ns = (limit.quota_ns, limit.period_ns) if limit else (0, 0)
        found.append(Terms(names.index(group.of), group.tickets * scale, quota_ns, period_ns))
    return found


def group_problems(groups: Mapping[str, Group], cpus: int) -> Iterator[tuple[str, str, str]]:
    """Yield group, attribute ("" for the group itself) and message for all that is wrong with them."""
    reached = parents_first(groups)
    for name, group in groups.items():
        if name == ROOT:
            yield name, "", f"{ROOT} is the group of all and cannot be defined; choose another name"
        if not LIGHTEST <= group.weight <= HEAVIEST:
            yield name, "weight", f"a weight is from {LIGHTEST} to {HEAVIEST}, not {group.weight}"
        if group.of != ROOT and group.of not in groups:
            yield name, "of", unknown_group(group.of, groups)
        elif name not in reached and _is_in_circle(name, groups):
            yield (
                name,
                "of",
                f"groups are in each other in a circle: {name} is, by way of {group.of}, in itself",
            )
        if group.cpu_max is not None:
            yield from ((name, *problem) for problem in _quota_problems(group.cpu_max, cpus))


def _quota_problems(limit: Quota, cpus: int) -> Iterator[tuple[str, str]]:
    quota_ms, period_ms = f"{limit.quota_ns / MS:g}ms", f"{limit.period_ns / MS:g}ms"
    if not SHORTEST_NS <= limit.period_ns <= LONGEST_NS:
        yield "cpu_max.period", f"a period is from 1ms to 1s, not {period_ms}"
    elif limit.quota_ns < SHORTEST_NS:
        yield "cpu_max.quota", f"a quota is 1ms or more, not {quota_ms}"
    elif limit.quota_ns > cpus * limit.period_ns:
        there = "the CPU has" if cpus == 1 else f"the {cpus} CPUs have"
        yield (
            "cpu_max.quota",
            f"{quota_ms} in each {period_ms} is more than {there}: at most {cpus * limit.period_ns / MS:g}ms",
        )


def unknown_group(name: str, groups: Iterable[str]) -> str:
    """Return the message for a group that does not exist."""
    known = [ROOT, *groups]
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"unknown group {name}{hint} (known: {', '.join(known)})"


def _is_in_circle(start: str, groups: Mapping[str, Group]) -> bool:
    name = groups[start].of
    for _ in groups:
        if name == start:
            return True
        name = groups[name].of if name in groups else ROOT
    return False
