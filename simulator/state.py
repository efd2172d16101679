"""The kernel's state: its tables, and how they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.groups import NO_TERMS
from simulator.recordings import SLICE
from simulator.table_making import (
    copied,
    cpu_table,
    new_table,
    process_table,
    source_table,
    team_table,
    totals_table,
)
from simulator.tables import NEVER, Slices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.groups import Terms
    from simulator.hardware import Hardware
    from simulator.recordings import Recordings
    from simulator.tables import Int64s

FIRST_CAPACITY = 16
FIRST_SOURCES = 4
TIMES_ON_HAND = 1 << 10
LOG_ROWS = 1 << 10
ALL_SLICES_ROWS = 1 << 16


class State:
    """What a span reads and changes.

    Args:
        hardware: the CPUs, their timer and their costs.
        slices: how many finished slices to keep for the record; None keeps all.
        groups: the groups that processes are in, the root first.

    Attributes:
        processes, cpus, totals, slices, sources, teams: the tables; a table that grows is replaced.
    """

    def __init__(self, hardware: Hardware, slices: int | None, groups: Sequence[Terms] = NO_TERMS) -> None:
        self.processes = process_table(FIRST_CAPACITY)
        self.cpus = cpu_table(hardware.cpus)
        self.totals = totals_table(hardware.cpus, groups)
        self.sources = source_table(0, TIMES_ON_HAND, LOG_ROWS)
        self.teams = team_table(0, 0)
        self.totals.context_switch_ns[0] = hardware.context_switch_ns
        self.totals.migration_ns[0] = hardware.migration_ns
        self.totals.tick_cost_ns[0] = hardware.tick_cost_ns
        self._slices_kept = NEVER if slices is None else slices
        self._new_slices()

    def new_pid(self) -> int:
        """Return the next pid; its columns are as new."""
        pid = int(self.totals.processes[0])
        if pid == len(self.processes.queued):
            self.processes = copied(self.processes, process_table(2 * pid))
        self.totals.processes[0] = pid + 1
        return pid

    def new_source(self) -> int:
        """Return the number of the next source."""
        number = int(self.totals.sources[0])
        if number == len(self.sources.next_ns):
            _, rows = self.sources.log.shape[1:]
            larger = source_table(max(2 * number, FIRST_SOURCES), TIMES_ON_HAND, rows)
            self.sources = copied(self.sources, larger)
        self.totals.sources[0] = number + 1
        return number

    def larger_logs(self) -> None:
        """Double the room in the logs of all sources."""
        size, rows = self.sources.log.shape[1:]
        self.sources = copied(self.sources, source_table(size, TIMES_ON_HAND, 2 * rows))

    def new_team(self, leader: int, threads: int) -> None:
        """Make a process and those whose pids follow its the threads of one team."""
        team = len(self.teams.leader)
        self.teams = copied(self.teams, team_table(team + 1, self.teams.phases.shape[2]))
        self.teams.leader[team] = leader
        self.processes.team[leader : leader + threads] = team

    def threads_of(self, team: int) -> int:
        """Return how many threads a team has."""
        return int((self.processes.team == team).sum())

    def lay_out(self, team: int, phases: Int64s, rounds: int) -> None:
        """Have a team's next bursts consist of these phases, so many times."""
        count = phases.shape[1]
        if count > self.teams.phases.shape[2]:
            self.teams = copied(self.teams, team_table(len(self.teams.leader), count))
        self.teams.phases[:, team, :count] = phases
        self.teams.length[team] = count
        self.teams.rounds[team] = rounds

    def empty_slices(self, recordings: Recordings) -> None:
        """Move finished slices to the record; make a new buffer, an empty one when enough are kept."""
        used = int(self.totals.slices[0])
        if used:
            recordings.add_slices(self.slices.ints[:used].view(SLICE)[:, 0])
            if self._slices_kept != NEVER:
                self._slices_kept = 0
            self._new_slices()

    def _new_slices(self) -> None:
        room = 2 * len(self.cpus.pid)
        rows = ALL_SLICES_ROWS if self._slices_kept == NEVER else self._slices_kept + room
        self.slices = new_table(Slices, rows if self._slices_kept > 0 else 0)
        self.totals.slices[0] = 0
