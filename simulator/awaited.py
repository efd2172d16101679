"""What programs wait for: their demands for the CPU, from asking for one until they go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import demands, requests, teams
from simulator.clock import Demand
from simulator.tables import NOBODY
from simulator.withdrawal import withdraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.burst import Burst
    from simulator.clock import Clock
    from simulator.schedulers.base import Scheduler
    from simulator.sources import Source
    from simulator.state import State
    from simulator.tables import Int64s


class Awaited:
    """The demands that are not yet met, each with the event that lets its program go on.

    Between asking and going on, a demand is a row of the kernel's tables, which spans work on.

    Args:
        policy: hears who becomes runnable.
        state: the kernel's tables.
        clock: where the events happen.
        sources: all sources of requests, at any time.
    """

    def __init__(self, policy: Scheduler, state: State, clock: Clock, sources: Sequence[Source]) -> None:
        self._policy = policy
        self._state = state
        self._clock = clock
        self._sources = sources
        self._events: dict[int, Demand] = {}
        self._failures: dict[int, Exception] = {}

    def demand(self, pid: int, cpu_ns: int, failure: Exception | None = None) -> Demand:
        """Ask for CPU time; the event happens when it has been received, at once for 0 ns.

        Args:
            pid: the process.
            cpu_ns: CPU time in nanoseconds, >= 0.
            failure: raised in the program at that point instead of letting it go on.
        """
        event = Demand(self._clock)
        if cpu_ns == 0:
            event.happen_in(0, failure)
            return event
        team = int(self._state.processes.team[pid])
        if team != NOBODY:
            return self._begin_team(team, teams.alone(cpu_ns), failure)
        self._events[pid] = event
        if failure is not None:
            self._failures[pid] = failure
        self._state.processes.rounds[pid] = 1
        demands.ask(self._policy, self._state.processes, self._state.totals, pid, cpu_ns)
        return event

    def execute(
        self,
        pid: int,
        burst: Burst,
        until_ns: int,
        *,
        from_ns: int = 0,
        before_ns: int = 0,
        failure: Exception | None = None,
    ) -> Demand:
        """Ask for the CPU time of a burst, up to `until_ns` into it, on as many threads as the process has.

        Args:
            pid: the process.
            burst: what it executes.
            until_ns: CPU time where it ends or breaks off, as recorded.
            from_ns: CPU time where it begins, as recorded.
            before_ns: CPU time beside that, which one thread spends alone; where there are several, first.
            failure: raised in the program then.
        """
        team = int(self._state.processes.team[pid])
        if team == NOBODY or until_ns == from_ns:
            return self.demand(pid, before_ns + until_ns - from_ns, failure)
        phases = teams.phases_of(burst, self._state.threads_of(team), until_ns, before_ns, from_ns)
        return self._begin_team(team, phases, failure)

    def serve(self, pid: int, source: int, burst: Burst, rounds: int) -> Demand:
        """Let the kernel answer so many requests for a process; the event happens after the last.

        Args:
            pid: the process.
            source: number of the source.
            burst: what each request takes, some CPU time at least.
            rounds: how many, >= 1.
        """
        state, team = self._state, int(self._state.processes.team[pid])
        if team != NOBODY:
            state.lay_out(team, teams.phases_of(burst, state.threads_of(team)), rounds)
        self._events[pid] = Demand(self._clock)
        state.processes.rounds[pid] = rounds
        state.processes.source[pid] = source
        state.sources.pid[source] = pid
        state.sources.burst_ns[source] = burst.cpu_ns
        state.sources.served[source] = 0
        requests.start_next(self._policy, state.processes, state.totals, state.sources, state.teams, source)
        return self._events[pid]

    def abandon(self, pid: int) -> None:
        """Let a thread have no demand any more, wherever it was with it; its event never happens.

        Requests that it was to be handed stay where they are.
        """
        withdraw(self._policy, self._state, pid)
        self._events.pop(pid, None)
        self._failures.pop(pid, None)
        for source in self._sources:
            source.forget_receiver(pid)

    def end_service(self, pid: int) -> None:
        """Let a process that the kernel serves requests for go on itself, as soon as it has answered one.

        It does at once if it has none in hand.
        """
        processes, sources = self._state.processes, self._state.sources
        source, team = int(processes.source[pid]), int(processes.team[pid])
        if source == NOBODY:
            return
        if sources.current[source] == NOBODY:
            processes.source[pid] = sources.pid[source] = NOBODY
            self._events.pop(pid).happen_in(self._delay())
        elif team == NOBODY:
            processes.rounds[pid] = 1
        else:
            self._state.teams.rounds[team] = 1

    def complete(self) -> None:
        """Let the programs whose demands were met go on."""
        processes, cpus = self._state.processes, self._state.cpus
        for cpu in cpus.undecided.nonzero()[0].tolist():
            pid = int(cpus.pid[cpu])
            if processes.rounds[pid] == 0 and pid in self._events:
                self._let_go_on(pid)

    def resume(self) -> None:
        """Let the programs whose teams have executed their bursts go on."""
        self._state.totals.resumed[0] = 0
        known = self._state.teams
        for team in ((known.rounds == 0) & (known.phase == known.length)).nonzero()[0].tolist():
            if int(known.leader[team]) in self._events:
                self._let_go_on(int(known.leader[team]))

    def hand_over(self) -> None:
        """Let the programs go on that waited for the requests that have arrived."""
        self._state.totals.handed[0] = 0
        for source in self._sources:
            source.hand_over(self._delay())

    def _begin_team(self, team: int, phases: Int64s, failure: Exception | None) -> Demand:
        state = self._state
        pid = int(state.teams.leader[team])
        event = self._events[pid] = Demand(self._clock)
        if failure is not None:
            self._failures[pid] = failure
        state.lay_out(team, phases, 1)
        teams.begin_burst(self._policy, state.processes, state.totals, state.teams, team)
        return event

    def _let_go_on(self, pid: int) -> None:
        processes, sources = self._state.processes, self._state.sources
        source = int(processes.source[pid])
        if source != NOBODY:
            requests.finish(self._state.totals, sources, source)
            processes.source[pid] = sources.pid[source] = NOBODY
        self._events.pop(pid).happen_in(self._delay(), self._failures.pop(pid, None))

    def _delay(self) -> int:
        """Return how long it is from SimPy's time to that which the CPUs have reached."""
        return int(self._state.totals.now_ns[0]) - self._clock.now_ns
