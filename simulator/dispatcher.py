"""The dispatcher: who is on which CPU, and the spans in which that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from simulator import books, span
from simulator.clock import Clock, Demand
from simulator.compiled import (
    State,
    compiled_renewal,
    compiled_span,
    interpreted_renewal,
    interpreted_span,
)
from simulator.errors import TimeshareError
from simulator.schedulers.base import Scheduler
from simulator.tables import FAR, NEVER, NOBODY, Slices, Totals, cpu_table, grown, new_table, process_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.hardware import Hardware
    from simulator.tables import Table

Engine = Literal["auto", "interpreted", "compiled"]

WORTH_COMPILING = 100_000
"""Slices from which on loading machine code is quicker than going on interpreted."""

FIRST_CAPACITY = 16


class PolicyError(TimeshareError):
    """A scheduling policy breaks its contract."""


class Dispatcher:
    """Runs the CPUs between events and keeps their books.

    A process is *runnable* from `demand` until a demand is met and no other follows at the same instant; the
    policy hears of it through `enter` and `leave`. A program that asks for more at once keeps its CPU and
    what is left of its slice.

    Args:
        policy: the scheduling policy, not yet attached.
        hardware: the CPUs, their timer and their costs.
        draws: random stream for the policy's draws.
        engine: "interpreted", "compiled", or "auto": interpreted until compiling pays.
        slices: how many finished slices to keep for the record; None keeps all.
    """

    def __init__(
        self,
        policy: Scheduler,
        hardware: Hardware,
        *,
        draws: np.random.Generator,
        engine: Engine = "auto",
        slices: int | None = 0,
    ) -> None:
        self.policy = policy
        self._draws = draws
        self._slices_kept = NEVER if slices is None else slices
        policy.attach(FIRST_CAPACITY, hardware.quantum_ns, hardware.cpus)
        self.state = State(
            process_table(FIRST_CAPACITY),
            cpu_table(hardware.cpus),
            new_table(Totals, 1),
            new_table(Slices, 0),
        )
        self.state.totals.context_switch_ns[0] = hardware.context_switch_ns
        self.state.totals.migration_ns[0] = hardware.migration_ns
        self.state.totals.tick_cost_ns[0] = hardware.tick_cost_ns
        self.state.totals.cpus[0] = hardware.cpus
        self.state.totals.fluid_next_ns[0] = FAR
        self._new_slice_buffer()
        self.finished_slices: list[Table] = []
        self.clock = Clock(self.advance)
        self.each_window: Callable[[int], None] = lambda _now: None
        self.each_runnable: Callable[[int, bool], None] = lambda _pid, _runnable: None
        self.window_ns = NEVER
        self._next_window_ns = NEVER
        self._runnable: list[bool] = []
        self._awaited: dict[int, Demand] = {}
        self._failures: dict[int, Exception] = {}
        self._undecided: list[int] = []
        self._retunes: dict[int, int] = {}
        self._new_demands: list[tuple[int, int]] = []
        self._fluid_stale = False
        self._quantum_ns = hardware.quantum_ns
        self._compiled = engine == "compiled"
        self._may_compile = engine == "auto" and policy.compilable
        self._span = compiled_span(policy) if self._compiled else interpreted_span(policy)
        self._renew = compiled_renewal() if self._compiled else interpreted_renewal

    def admit(self, tickets: int, affinity: int | None = None) -> int:
        """Give a new process its pid.

        Args:
            tickets: its tickets, >= 0.
            affinity: the CPUs it may run on, one bit each; None for all.

        Raises:
            PolicyError: the policy does not look at affinity.
        """
        if affinity is not None and not self.policy.honours_affinity:
            raise PolicyError(f"scheduler '{self.policy.name}' cannot pin processes to CPUs")
        pid = len(self._runnable)
        if pid == len(self.state.process_table):
            self.state.process_table = grown(self.state.process_table, 2 * pid)
            self.state.bind()
            self.policy.grow(2 * pid)
        self.state.totals.processes[0] = pid + 1
        self.state.processes.tickets[pid] = tickets
        self._runnable.append(False)
        self.state.processes.affinity[pid] = -1 if affinity is None else affinity
        self.policy.affinity[pid] = self.state.processes.affinity[pid]
        self.policy.retune(pid, tickets)
        return pid

    def watch_windows(self, window_ns: int, each_window: Callable[[int], None]) -> None:
        """Have `each_window(now_ns)` called at every multiple of `window_ns`, before events of that time."""
        self.window_ns = self._next_window_ns = window_ns
        self.each_window = each_window

    def demand(self, pid: int, cpu_ns: int, failure: Exception | None = None) -> Demand:
        """Ask for CPU time; the event happens when it has been received, at once for 0 ns.

        Args:
            pid: the process.
            cpu_ns: CPU time in nanoseconds, >= 0.
            failure: raised in the program at that point instead of letting it go on.
        """
        event = Demand(self.clock)
        if cpu_ns == 0:
            event.happen_in(0, failure)
            return event
        self._awaited[pid] = event
        if failure is not None:
            self._failures[pid] = failure
        self.state.processes.demand_ns[pid] = cpu_ns
        self.policy.left_ns[pid] = cpu_ns
        self._new_demands.append((pid, cpu_ns))
        self._fluid_stale = True
        if not self._runnable[pid]:
            self._runnable[pid] = True
            self._enter(pid)
        return event

    def set_tickets(self, pid: int, tickets: int) -> None:
        """Change a process's tickets; the policy hears of it at the end of a running process's slice."""
        self.state.processes.tickets[pid] = tickets
        self._fluid_stale = True
        self._retunes.pop(pid, None)
        if self.is_running(pid):
            self._retunes[pid] = tickets
        elif self.state.processes.queued[pid]:
            self._requeue(pid, tickets)
        else:
            self.policy.retune(pid, tickets)

    def is_running(self, pid: int) -> bool:
        """Say whether a process is on a CPU."""
        return bool((self.state.cpus.pid == pid).any())

    def is_queued(self, pid: int) -> bool:
        """Say whether a process waits for a CPU."""
        return bool(self.state.processes.queued[pid])

    def advance(self, horizon: int) -> None:
        """Run the CPUs up to the horizon or to the first end of a demand, whichever comes first."""
        totals = self.state.totals
        if horizon <= totals.now_ns[0]:
            return
        self._decide()
        if self._fluid_stale:
            self._renew_fluid()
        reached = span.REACHED
        while reached != span.COMPLETED and totals.now_ns[0] < horizon:
            limit = min(horizon, self._next_window_ns, *self._slice_ends_awaited())
            reached = self._run_span(limit)
            now = int(totals.now_ns[0])
            if self._retunes:
                self._apply_retunes()
            if now == self._next_window_ns:
                self.each_window(now)
                self._next_window_ns += self.window_ns
        if reached == span.COMPLETED:
            self._complete()

    def close(self) -> None:
        """Book what is in progress, at the end of a simulation, and check the books.

        Raises:
            InvariantError: time was lost or counted twice.
        """
        self._decide()
        self._renew_fluid()
        books.close(self.policy, self.state)
        self._empty_slice_buffer()

    def _run_span(self, limit: int) -> int:
        totals = self.state.totals
        if self._may_compile:
            to_come = min(limit - int(totals.now_ns[0]), NEVER) // self._quantum_ns * len(self.state.cpus.pid)
            if totals.quanta[0] + to_come > WORTH_COMPILING:
                self._span = compiled_span(self.policy)
                self._renew = compiled_renewal()
                self._may_compile = False
        while True:
            reached = self._span(self.state, limit)
            if reached == span.DRAWS_SPENT:
                self.policy.refill(self._draws)
            elif reached == span.SLICES_FULL:
                self._empty_slice_buffer()
            elif reached == span.WRONG_PICK:
                wrong = self.state.totals.wrong_pid[0]
                raise PolicyError(
                    f"scheduler '{self.policy.name}': pick() returned {wrong}, which is no process that "
                    "waits for this CPU; it must return a pid that entered or was charged, has neither left "
                    "nor been picked since, and may run there"
                )
            else:
                return reached

    def _complete(self) -> None:
        """Let the programs whose demands were met go on."""
        delay = int(self.state.totals.now_ns[0]) - self.clock.now_ns
        for cpu, pid in enumerate(self.state.cpus.pid.tolist()):
            if pid != NOBODY and self.state.processes.demand_ns[pid] == 0:
                self._undecided.append(cpu)
                self._awaited.pop(pid).happen_in(delay, self._failures.pop(pid, None))

    def _decide(self) -> None:
        """See which processes asked for more when their demand was met; the others are not runnable."""
        processes, cpus, totals = self.state.processes, self.state.cpus, self.state.totals
        now = int(totals.now_ns[0])
        self.policy.now_ns[0] = now
        for cpu in self._undecided:
            pid = int(cpus.pid[cpu])
            more = processes.demand_ns[pid]
            if more > 0 and not self._slice_is_over(cpu, now):
                span.start_run(self.policy, processes, cpus, cpu, now)
                continue
            span.put_back(self.policy, processes, cpus, totals, self.state.slices, cpu, now)
            if more == 0:
                processes.queued[pid] = 0
                totals.queued[0] -= 1
                self._runnable[pid] = False
                self.policy.leave(pid)
                self.each_runnable(pid, False)
        self._undecided.clear()
        if self._retunes:
            self._apply_retunes()
        if span.slices_full(cpus, totals, self.state.slices):
            self._empty_slice_buffer()

    def _slice_is_over(self, cpu: int, now: int) -> bool:
        """Say whether the slice ends at the very instant at which the demand was met."""
        cpus, tick_ns = self.state.cpus, int(self.policy.tick_ns[0])
        if tick_ns == 0:
            return bool(cpus.slice_end_ns[cpu] <= now)
        return now % tick_ns == 0 and self.policy.tick(int(cpus.pid[cpu]), int(cpus.slice_ran_ns[cpu]))

    def _enter(self, pid: int) -> None:
        self.each_runnable(pid, True)
        self.state.processes.queued[pid] = 1
        self.state.processes.ready_since_ns[pid] = self.clock.now_ns
        self.state.totals.queued[0] += 1
        self.policy.now_ns[0] = self.clock.now_ns
        self.policy.enter(pid)
        if type(self.policy).preempts is not Scheduler.preempts:
            self._preempt(pid)

    def _preempt(self, pid: int) -> None:
        """Let a process that has just entered take a CPU at once where the policy says so."""
        processes, cpus, totals = self.state.processes, self.state.cpus, self.state.totals
        now = int(totals.now_ns[0])
        running = [cpu for cpu, other in enumerate(cpus.pid.tolist()) if other != NOBODY]
        for cpu in running:
            if cpu not in self._undecided:
                other, ran = int(cpus.pid[cpu]), max(now - int(cpus.run_start_ns[cpu]), 0)
                self.policy.left_ns[other] = processes.demand_ns[other] - ran
                self.policy.ran_ns[other] = cpus.slice_ran_ns[cpu] + ran
        for cpu in running:
            other = int(cpus.pid[cpu])
            allowed = int(processes.affinity[pid]) >> cpu & 1
            if cpu not in self._undecided and allowed and self.policy.preempts(pid, other):
                span.book_run(processes, cpus, totals, cpu, now)
                span.put_back(self.policy, processes, cpus, totals, self.state.slices, cpu, now)
                return

    def _requeue(self, pid: int, tickets: int) -> None:
        self.policy.now_ns[0] = self.clock.now_ns
        self.policy.leave(pid)
        self.policy.retune(pid, tickets)
        self.policy.enter(pid)

    def _slice_ends_awaited(self) -> list[int]:
        """Return when the slices of the running processes end whose tickets are to change."""
        if not self._retunes:
            return []
        cpus = self.state.cpus
        # Where ticks decide, the slice may end at the next one.
        ends = cpus.slice_end_ns if self.policy.tick_ns[0] == 0 else cpus.run_end_ns
        return [int(ends[cpu]) for cpu, pid in enumerate(cpus.pid.tolist()) if pid in self._retunes]

    def _apply_retunes(self) -> None:
        for pid in [pid for pid in self._retunes if not self.is_running(pid)]:
            tickets = self._retunes.pop(pid)
            if self.is_queued(pid):
                self._requeue(pid, tickets)
            else:
                self.policy.retune(pid, tickets)

    def _renew_fluid(self) -> None:
        pids, demands = np.array(self._new_demands, np.int64).reshape(-1, 2).T
        self._renew(self.state, pids, demands, books.service_by_now(self.state))
        self._new_demands.clear()
        self._fluid_stale = False

    def _new_slice_buffer(self) -> None:
        room = 2 * len(self.state.cpus.pid)
        rows = 1 << 16 if self._slices_kept == NEVER else self._slices_kept + room
        self.state.slice_table = new_table(Slices, rows if self._slices_kept > 0 else 0)
        self.state.totals.slices[0] = 0
        self.state.bind()

    def _empty_slice_buffer(self) -> None:
        """Move finished slices to the record; start a new buffer, an empty one when enough are kept."""
        used = int(self.state.totals.slices[0])
        if used:
            self.finished_slices.append(self.state.slice_table[:used])
            if self._slices_kept != NEVER:
                self._slices_kept = 0
            self._new_slice_buffer()
