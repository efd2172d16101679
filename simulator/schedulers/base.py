"""The contract between the kernel and a scheduling policy."""

from __future__ import annotations

import typing
from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import numpy as np

from simulator.tables import Float64s, Int64s

PerProcess = Annotated[Int64s, "one value a process"]
"""Declares an int64 array with one value a process, indexed by pid."""

Shared = Annotated[Int64s, "one value"]
"""Declares an int64 array of length 1: a number that the policy's methods may change."""

DRAWS = 1 << 14


class Scheduler(ABC):
    """Decides which runnable process gets a CPU.

    A policy keeps the *queue*: the runnable processes that are on no CPU. The kernel calls

    - `enter(pid)` when a process becomes runnable (new, or woken),
    - `pick()` when a CPU is free and the queue is not empty: the chosen pid leaves the queue,
    - `charge(pid, ran_ns)` when that process stops executing: its use is booked, and it is back on the queue,
    - `leave(pid)` when a process on the queue stops being runnable (it blocked or ended; then `charge` was
      called just before).

    Those four are the whole policy. `slice_ns` and `retune` have defaults that suit most.

    State lives in arrays that a policy declares as annotations, `PerProcess` or `Shared`, and uses as
    attributes; all start at 0. A policy whose methods use only these, `tickets`, `quantum_ns`, whole-number
    attributes set in its constructor and module-level functions can be compiled: it then sets
    `compilable = True`, and the kernel runs the very same methods as machine code. Any other policy runs
    interpreted, with no further duties. Random numbers come from `next_draw`, never from elsewhere.

    Attributes:
        name: what scenarios call the policy.
        tickets: int64[capacity], tickets by pid, kept by the kernel through `retune`.
        quantum_ns: int64[1], the machine's timer quantum in nanoseconds.
        draws: float64[n], uniform draws in [0, 1), refilled by the kernel.
        draw_at: int64[1], the position of the next draw.
    """

    name: ClassVar[str]
    compilable: ClassVar[bool] = False

    tickets: PerProcess
    quantum_ns: Shared
    draw_at: Shared
    draws: Float64s
    # The rows of these are the declared arrays, so that a compiled span is handed two arrays, not twenty.
    shared_table: Int64s
    process_table: Int64s

    def attach(self, capacity: int, quantum_ns: int) -> None:
        """Give the policy its arrays; called once, by whoever drives it, before anything else.

        Args:
            capacity: how many pids there is room for.
            quantum_ns: the timer quantum in nanoseconds.
        """
        self.shared_table = np.zeros((len(shared_columns(type(self))), 1), np.int64)
        self.process_table = np.zeros((len(process_columns(type(self))), capacity), np.int64)
        self._bind()
        self.quantum_ns[0] = quantum_ns
        self.draws = np.zeros(DRAWS)
        self.draw_at[0] = DRAWS

    def grow(self, capacity: int) -> None:
        """Make room for pids up to `capacity`, keeping all values."""
        rows, known = self.process_table.shape
        self.process_table = np.hstack([self.process_table, np.zeros((rows, capacity - known), np.int64)])
        self._bind()

    def _bind(self) -> None:
        for name, row in zip(shared_columns(type(self)), self.shared_table, strict=True):
            setattr(self, name, row)
        for name, row in zip(process_columns(type(self)), self.process_table, strict=True):
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
    def pick(self) -> int:
        """Choose the process that runs next, take it off the queue and return its pid."""

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


def next_draw(scheduler: Scheduler) -> float:
    """Return the next uniform draw from [0, 1) of the scheduler's own random stream."""
    position = scheduler.draw_at[0]
    scheduler.draw_at[0] = position + 1
    draw: float = scheduler.draws[position]
    return draw


def shared_columns(policy: type[Scheduler]) -> list[str]:
    """Return the names that a policy declares as `Shared`, in order of declaration."""
    return _declared(policy, Shared)


def process_columns(policy: type[Scheduler]) -> list[str]:
    """Return the names that a policy declares as `PerProcess`, in order of declaration."""
    return _declared(policy, PerProcess)


def _declared(policy: type[Scheduler], marker: object) -> list[str]:
    hints = typing.get_type_hints(policy, include_extras=True)
    return [name for name, hint in hints.items() if hint == marker]
