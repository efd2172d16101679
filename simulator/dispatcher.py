"""The dispatcher: who is on which CPU, and the spans in which that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simulator import books, instant, span
from simulator.awaited import Awaited
from simulator.clock import Clock
from simulator.compiled import compiled_span, interpreted_span
from simulator.errors import TimeshareError
from simulator.groups import NO_TERMS
from simulator.recordings import Recordings
from simulator.state import FIRST_CAPACITY, State
from simulator.tables import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from simulator.groups import Terms
    from simulator.hardware import Hardware
    from simulator.schedulers.base import Scheduler
    from simulator.sources import Source

Engine = Literal["auto", "interpreted", "compiled"]

WORTH_COMPILING = 100_000
"""Slices from which on loading machine code is quicker than going on interpreted."""

BREATH = 10_000_000
"""Slices of full length, all CPUs together, after which a span ends in any case, so that Ctrl-C is heard."""

PROGRAMS_GO_ON = (span.COMPLETED, instant.RESUMED, instant.HANDED)
"""Why a span ends that programs wait for."""


class PolicyError(TimeshareError):
    """A scheduling policy breaks its contract."""


class Dispatcher:
    """Runs the CPUs between events and keeps their books.

    A process is *runnable* from `Awaited.demand` until a demand is met and no other follows at the same
    instant; the policy hears of it through `enter` and `leave`. A program that asks for more at once keeps
    its CPU and what is left of its slice.

    Args:
        policy: the scheduling policy, not yet attached.
        hardware: the CPUs, their timer and their costs.
        draws: random stream for the policy's draws.
        recordings: where finished slices and requests go.
        engine: "interpreted", "compiled", or "auto": interpreted until compiling pays.
        slices: how many finished slices to keep for the record; None keeps all.
        groups: the groups that processes are in, the root first.

    Raises:
        PolicyError: groups, and a policy that does not look at them.

    Attributes:
        awaited: what programs wait for; demands are made there.
    """

    def __init__(
        self,
        policy: Scheduler,
        hardware: Hardware,
        *,
        draws: np.random.Generator,
        recordings: Recordings | None = None,
        engine: Engine = "auto",
        slices: int | None = 0,
        groups: Sequence[Terms] = NO_TERMS,
    ) -> None:
        self.policy = policy
        self._draws = draws
        self.recordings = recordings or Recordings()
        if len(groups) > 1:
            if not policy.honours_groups:
                raise PolicyError(f"scheduler '{policy.name}' cannot share the CPU between groups")
            policy.set_groups(groups)
        policy.attach(FIRST_CAPACITY, hardware.quantum_ns, hardware.cpus)
        self.state = State(hardware, slices, groups)
        self.sources: list[Source] = []
        self.clock = Clock(self.advance)
        self.awaited = Awaited(policy, self.state, self.clock, self.sources)
        self.each_window: Callable[[int], None] = lambda _now: None
        self._each_runnable: Callable[[int, bool], None] | None = None
        self.window_ns = NEVER
        self._next_window_ns = NEVER
        self._retunes: dict[int, int] = {}
        self._quantum_ns = hardware.quantum_ns
        self._chores: dict[int, Callable[[], None]] = {
            span.DRAWS_SPENT: self._refill,
            span.SLICES_FULL: self._empty_slices,
            span.RETUNE: self._apply_retunes,
            span.WRONG_PICK: self._refuse_pick,
            instant.MORE_TIMES: self._look_ahead,
            instant.MORE_ROOM: self._make_room,
            instant.STIRRED: self._tell_runnable,
        }
        self._may_compile = engine == "auto" and policy.compilable
        self._span = compiled_span(policy) if engine == "compiled" else interpreted_span(policy)

    def admit(self, tickets: int, affinity: int | None = None, group: int = 0) -> int:
        """Give a new process its pid.

        Args:
            tickets: its tickets, >= 0.
            affinity: the CPUs it may run on, one bit each; None for all.
            group: the number of its group.

        Raises:
            PolicyError: the policy does not look at affinity.
        """
        if affinity is not None and not self.policy.honours_affinity:
            raise PolicyError(f"scheduler '{self.policy.name}' cannot pin processes to CPUs")
        capacity = len(self.state.processes.queued)
        pid = self.state.new_pid()
        if len(self.state.processes.queued) > capacity:
            self.policy.grow(len(self.state.processes.queued))
        self.state.processes.tickets[pid] = tickets
        self.state.processes.affinity[pid] = -1 if affinity is None else affinity
        self.policy.affinity[pid] = self.state.processes.affinity[pid]
        self.state.processes.group[pid] = self.policy.group[pid] = group
        self.policy.retune(pid, tickets)
        return pid

    def attach(self, source: Source) -> int:
        """Give a new source of requests its number."""
        self.sources.append(source)
        return self.state.new_source()

    def watch_windows(self, window_ns: int, each_window: Callable[[int], None]) -> None:
        """Have `each_window(now_ns)` called at every multiple of `window_ns`, before events of that time."""
        self.window_ns = self._next_window_ns = window_ns
        self.each_window = each_window

    def watch_runnable(self, each_runnable: Callable[[int, bool], None]) -> None:
        """Have `each_runnable(pid, runnable)` called before the policy hears who is runnable, and after."""
        self._each_runnable = each_runnable
        self.state.totals.watched[0] = 1

    def set_tickets(self, pid: int, tickets: int) -> None:
        """Change a process's tickets; the policy hears of it at the end of a running process's slice."""
        self.state.processes.tickets[pid] = tickets
        self.state.totals.ideal_stale[0] = 1
        self.wake_at(int(self.state.totals.now_ns[0]))
        self._retunes[pid] = tickets
        self.state.processes.retune[pid] = 1
        self._apply_retunes()

    def wake_at(self, at_ns: int) -> None:
        """Let no slice begin after that instant before the kernel has looked at what is due."""
        due = self.state.totals.due_ns
        due[0] = min(int(due[0]), at_ns)

    def is_running(self, pid: int) -> bool:
        """Say whether a process is on a CPU."""
        return bool((self.state.cpus.pid == pid).any())

    def is_ready(self, pid: int) -> bool:
        """Say whether a process is runnable and on no CPU."""
        return bool(self.state.processes.runnable[pid]) and not self.is_running(pid)

    def advance(self, horizon: int) -> None:
        """Run the CPUs up to the horizon or to what a program waits for, whichever comes first."""
        totals = self.state.totals
        if horizon <= totals.now_ns[0]:
            return
        reached = span.REACHED
        while reached not in PROGRAMS_GO_ON and totals.now_ns[0] < horizon:
            breath = int(totals.now_ns[0]) + self._quantum_ns * BREATH // len(self.state.cpus.pid)
            reached = self._run_span(min(horizon, self._next_window_ns, breath))
            now = int(totals.now_ns[0])
            if now == self._next_window_ns:
                self.each_window(now)
                self._next_window_ns += self.window_ns
        if reached == span.COMPLETED:
            self.awaited.complete()
        elif reached == instant.RESUMED:
            self.awaited.resume()
        elif reached == instant.HANDED:
            self.awaited.hand_over()

    def close(self) -> None:
        """Book what is in progress, at the end of a simulation, and check the books.

        Raises:
            InvariantError: time was lost or counted twice.
        """
        state = self.state
        instant.settle(self.policy, state.processes, state.cpus, state.totals, state.slices)
        books.close(self.policy, state)

    def write_out(self) -> None:
        """Hand all slices and requests on to the recordings, at the very end."""
        self._empty_slices()
        for source in self.sources:
            source.flush(everything=True)

    def _run_span(self, limit: int) -> int:
        totals = self.state.totals
        if self._may_compile:
            to_come = min(limit - int(totals.now_ns[0]), NEVER) // self._quantum_ns * len(self.state.cpus.pid)
            if self.state.processes.dispatches.sum() + to_come > WORTH_COMPILING:
                self._span = compiled_span(self.policy)
                self._may_compile = False
        while (reached := self._span(self.state, limit)) in self._chores:
            self._chores[reached]()
        return reached

    def _refill(self) -> None:
        """Give the policy new draws."""
        self.policy.refill(self._draws)

    def _empty_slices(self) -> None:
        """Move finished slices to the record."""
        self.state.empty_slices(self.recordings)

    def _look_ahead(self) -> None:
        """Give sources whose arrival times are spent new ones."""
        for source in self.sources:
            source.look_ahead()

    def _refuse_pick(self) -> None:
        """Say what the policy did wrong."""
        wrong = self.state.totals.wrong_pid[0]
        raise PolicyError(
            f"scheduler '{self.policy.name}': pick() returned {wrong}, which is no process that "
            "waits for this CPU; it must return a pid that entered or was charged, has neither left "
            "nor been picked since, and may run there"
        )

    def _tell_runnable(self) -> None:
        """Tell the ticket economy who has become runnable, and who is no longer."""
        processes, totals = self.state.processes, self.state.totals
        totals.stirred[0] = 0
        for pid in processes.stirred.nonzero()[0].tolist():
            processes.stirred[pid] = 0
            if self._each_runnable is not None:
                self._each_runnable(pid, bool(processes.runnable[pid]))

    def _make_room(self) -> None:
        """Hand on the answered requests of full logs; where few were answered, make all logs larger."""
        for source in self.sources:
            source.flush()
        if (self.state.sources.rows > self.state.sources.log.shape[2] // 2).any():
            self.state.larger_logs()

    def _requeue(self, pid: int, tickets: int) -> None:
        self.policy.now_ns[0] = self.state.totals.now_ns[0]
        self.policy.leave(pid)
        self.policy.retune(pid, tickets)
        self.policy.enter(pid)

    def _apply_retunes(self) -> None:
        """Let the policy hear of changed tickets whose process is on no CPU any more."""
        for pid in [pid for pid in self._retunes if not self.is_running(pid)]:
            tickets = self._retunes.pop(pid)
            self.state.processes.retune[pid] = 0
            if self.state.processes.queued[pid]:
                self._requeue(pid, tickets)
            else:
                self.policy.retune(pid, tickets)
        self.state.totals.retunes[0] = len(self._retunes)
