"""The policy's methods as the kernel calls them: bound to a policy's own when it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.schedulers.base import Scheduler


def enter(policy: Scheduler, pid: int) -> None:
    """Stand for the policy's `enter`."""
    policy.enter(pid)


def leave(policy: Scheduler, pid: int) -> None:
    """Stand for the policy's `leave`."""
    policy.leave(pid)


def pick(policy: Scheduler, cpu: int) -> int:
    """Stand for the policy's `pick`."""
    return policy.pick(cpu)


def charge(policy: Scheduler, pid: int, ran_ns: int) -> None:
    """Stand for the policy's `charge`."""
    policy.charge(pid, ran_ns)


def slice_ns(policy: Scheduler, pid: int) -> int:
    """Stand for the policy's `slice_ns`."""
    return policy.slice_ns(pid)


def preempts(policy: Scheduler, pid: int, running: int) -> bool:
    """Stand for the policy's `preempts`."""
    return policy.preempts(pid, running)


def tick(policy: Scheduler, pid: int, ran_ns: int) -> bool:
    """Stand for the policy's `tick`."""
    return policy.tick(pid, ran_ns)


def alarm(policy: Scheduler) -> None:
    """Stand for the policy's `alarm`."""
    policy.alarm()


RULES = (enter, leave, pick, charge, slice_ns, preempts, tick, alarm)
"""All of them; each has the name of the method that it stands for."""
