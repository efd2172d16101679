"""The contract between the kernel and a scheduling policy."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from collections.abc import Callable  # noqa: TC003 - annotations are read at run time
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from simulator.tables import NEVER, Float64s, Int64s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.groups import Terms, Throttling

PerProcess = Annotated[Int64s, "one value a process"]
"""Declares an int64 array with one value a process, indexed by pid."""

PerCpu = Annotated[Int64s, "one value a CPU"]
"""Declares an int64 array with one value a CPU, indexed by the CPU's number."""

Shared = Annotated[Int64s, "one value"]
"""Declares an int64 array of length 1: a number that the policy's methods may change."""

DRAWS = 1 << 14


class Scheduler(ABC):
    """Decides which runnable process gets a CPU.

    A policy keeps the *queue*: the runnable processes that are on no CPU. The kernel calls

    - `enter(pid)` when a process becomes runnable (new, or woken),
    - `pick(cpu)` when that CPU is free and the queue is not empty: the chosen pid leaves the queue,
    - `charge(pid, ran_ns)` when that process stops executing: its use is booked, and it is back on the queue,
    - `leave(pid)` when a process on the queue stops being runnable (it blocked or ended; then `charge` was
      called just before).

    Those four are the whole policy. Five more have defaults that suit most: `slice_ns`, `retune`, `preempts`,
    `tick` and `alarm`.

    State lives in arrays that a policy declares as annotations, `PerProcess`, `PerCpu` or `Shared`, and uses
    as attributes; all start at 0. A policy whose methods use only these, the attributes below, whole-number
    attributes set in its constructor and module-level functions can be compiled: it then sets
    `compilable = True`, and the kernel runs the very same methods as machine code. Any other policy runs
    interpreted, with no further duties. Random numbers come from `next_draw`, never from elsewhere.

    Attributes:
        name: what scenarios call the policy.
        honours_affinity: whether `pick` looks at `affinity`; scenarios that pin jobs need such a policy.
        honours_groups: whether it shares the CPU between groups first; scenarios with groups need such one.
        steps: functions that stand for the policy's methods of the same names, as those of `simulator.rules`
            do, for what policies share; none by default.
        rare: functions that compiled code calls, not copies to where they are used, because they seldom run.
        tickets: by pid, tickets, kept by the kernel through `retune`.
        affinity: by pid, the CPUs the process may run on, one bit each; see `may_run`.
        group: by pid, the number of the group it is in, 0 for none; see `set_groups`.
        held: by pid, the CPUs, one bit each, on which the policy itself would have it wait, be they idle.
        left_ns: by pid, CPU time until the process's present demand is met: what a shortest-job policy knows.
        ran_ns: by pid, for a process on a CPU: execution since it was picked.
        quantum_ns: the machine's timer quantum.
        tick_ns: the period of the timer tick for a policy that decides at ticks, set in `attach`; else 0.
        alarm_ns: when `alarm` is to be called, NEVER by default.
        now_ns: the time.
        cpus: number of CPUs.
        draws: uniform draws in [0, 1), refilled by the kernel.
        draw_at: the position of the next draw.
    """

    name: ClassVar[str]
    compilable: ClassVar[bool] = False
    honours_affinity: ClassVar[bool] = False
    honours_groups: ClassVar[bool] = False
    steps: ClassVar[tuple[Callable[..., Any], ...]] = ()
    rare: ClassVar[tuple[Callable[..., Any], ...]] = ()

    tickets: PerProcess
    affinity: PerProcess
    group: PerProcess
    held: PerProcess
    left_ns: PerProcess
    ran_ns: PerProcess
    quantum_ns: Shared
    tick_ns: Shared
    alarm_ns: Shared
    now_ns: Shared
    cpus: Shared
    draw_at: Shared
    draws: Float64s
    # The rows of these are the declared arrays, so that a compiled span is handed three arrays, not twenty.
    shared_table: Int64s
    process_table: Int64s
    cpu_table: Int64s

    def attach(self, capacity: int, quantum_ns: int, cpus: int = 1) -> None:
        """Give the policy its arrays; called once, by whoever drives it, before anything else.

        A policy with a set-up of its own extends this.

        Args:
            capacity: how many pids there is room for.
            quantum_ns: the timer quantum in nanoseconds.
            cpus: number of CPUs.
        """
        self.shared_table = np.zeros((len(columns_of_policy(type(self), Shared)), 1), np.int64)
        self.process_table = np.zeros((len(columns_of_policy(type(self), PerProcess)), capacity), np.int64)
        self.cpu_table = np.zeros((len(columns_of_policy(type(self), PerCpu)), cpus), np.int64)
        self._bind()
        self.quantum_ns[0] = quantum_ns
        self.cpus[0] = cpus
        self.alarm_ns[0] = NEVER
        self.draws = np.zeros(DRAWS)
        self.draw_at[0] = DRAWS

    def set_groups(self, terms: Sequence[Terms]) -> None:
        """Hear of the groups, the root first; called before `attach`, if there are any.

        Only a policy that honours groups hears of them.
        """
        raise NotImplementedError

    def throttling(self) -> list[Throttling]:
        """Return by group what became of its quota up to now; nothing without groups."""
        return []

    def grow(self, capacity: int) -> None:
        """Make room for pids up to `capacity`, keeping all values."""
        rows, known = self.process_table.shape
        self.process_table = np.hstack([self.process_table, np.zeros((rows, capacity - known), np.int64)])
        self._bind()

    def _bind(self) -> None:
        tables = ((Shared, self.shared_table), (PerProcess, self.process_table), (PerCpu, self.cpu_table))
        for kind, table in tables:
            for name, row in zip(columns_of_policy(type(self), kind), table, strict=True):
                setattr(self, name, row)

    def refill(self, source: np.random.Generator) -> None:
        """Replace the used draws by new ones; the sequence of draws is that of `source.random()`."""
        used = int(self.draw_at[0])
        self.draws = np.concatenate([self.draws[used:], source.random(used)])
        self.draw_at[0] = 0

    @abstractmethod
    def enter(self, pid: int) -> None:
        """Put a process that became runnable on the queue."""

    @abstractmethod
    def leave(self, pid: int) -> None:
        """Take a process that is no longer runnable off the queue."""

    @abstractmethod
    def pick(self, cpu: int) -> int:
        """Choose the process that runs next on a CPU, take it off the queue and return its pid.

        -1 says that none of those on the queue may or should run there; the CPU stays idle for now. That all
        CPUs stay idle while processes wait is right only before an alarm.
        """

    @abstractmethod
    def charge(self, pid: int, ran_ns: int) -> None:
        """Book `ran_ns` nanoseconds of execution to a process and put it back on the queue."""

    def slice_ns(self, pid: int) -> int:  # noqa: ARG002 - policies that override it need the pid
        """Return how long a process may run before the policy is asked again, in nanoseconds, > 0."""
        quantum: int = self.quantum_ns[0]
        return quantum

    def retune(self, pid: int, tickets: int) -> None:
        """Change the tickets of a process that is not on the queue.

        The kernel takes a waiting process off the queue first (`leave`) and puts it back after (`enter`);
        that of a process on a CPU changes when its slice ends.
        """
        self.tickets[pid] = tickets

    def preempts(self, pid: int, running: int) -> bool:  # noqa: ARG002 - policies that override it need them
        """Say whether a process that has just entered takes the CPU of a running one at once.

        Asked for every CPU in turn until one says yes. `left_ns` and `ran_ns` are up to date.
        """
        return False

    def tick(self, pid: int, ran_ns: int) -> bool:  # noqa: ARG002 - policies that override it need them
        """Say at a timer tick whether the slice of a running process ends; asked only if `tick_ns` is set.

        Args:
            pid: the running process.
            ran_ns: its execution since it was picked.
        """
        return True

    def alarm(self) -> None:
        """Do what is due at `alarm_ns`, and set the next time there.

        Called before anybody is picked at that instant.
        """
        self.alarm_ns[0] = NEVER


def may_run(scheduler: Scheduler, pid: int, cpu: int) -> bool:
    """Say whether a process's affinity includes a CPU."""
    return (scheduler.affinity[pid] >> cpu) & 1 == 1  # type: ignore[no-any-return] # a comparison is a bool


def next_draw(scheduler: Scheduler) -> float:
    """Return the next uniform draw from [0, 1) of the scheduler's own random stream."""
    position = scheduler.draw_at[0]
    scheduler.draw_at[0] = position + 1
    draw: float = scheduler.draws[position]
    return draw


def columns_of_policy(policy: type[Scheduler], kind: object) -> list[str]:
    """Return the names that a policy declares as `PerProcess`, `PerCpu` or `Shared`, in order."""
    hints = typing.get_type_hints(policy, include_extras=True)
    return [name for name, hint in hints.items() if hint == kind]
