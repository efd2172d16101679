"""What the kernel does when memory is short: reclaim what can be kept elsewhere, then kill somebody.

After `try_charge_memcg` in mm/memcontrol.c and `out_of_memory` in mm/oom_kill.c. A killed process gives its
memory back at once, so that whoever asked goes on without a wait; on Linux it waits until the victim, or the
reaper, has done so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.kills import SHOWN, Case, remedies_of
from simulator.memory.control import NEVER_KILLED
from simulator.memory.format import format_bytes
from simulator.oom import KILL_ASKING, Candidate, entitlements, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simulator.memory.charges import Shortage
    from simulator.memory.control import MemoryControl
    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process


class Shortages:
    """Relieves shortages of one machine's memory.

    Args:
        mechanism: what hands memory out.
        processes: all processes, by pid, more to come.
        killer: the rule by which a victim is chosen.
        asking: returns the process that is making a system call, if any.
        kill: ends a process that is not making one, for a reason and in a case.
        condemn: ends one that is, as soon as its program waits for something.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        processes: Sequence[Process],
        killer: str,
        asking: Callable[[], Process | None],
        kill: Callable[[Process, str, Case], None],
        condemn: Callable[[Process, str, Case], None],
    ) -> None:
        self.killer = killer
        self._mechanism = mechanism
        self._processes = processes
        self._asking = asking
        self._kill = kill
        self._condemn = condemn
        mechanism.memory.charges.relieve = self.relieve

    def relieve(self, shortage: Shortage) -> bool:
        """Free some of the memory that is lacking, if that can be; say whether any was.

        Where it is the process that asked that must end, it is left to end by the error that it receives.
        """
        limit = shortage.limit
        living = self._living(limit)
        spaces = [process.memory.space for process in living if process.memory is not None]
        if self._mechanism.reclaim(shortage.excess_bytes, spaces) > 0:
            return True
        if limit is not None:
            limit.ooms += 1
        asking = self._asking()
        line = self._in_line(shortage, living)
        case = shortage.case = self._case(shortage, asking, line)
        futile = self._is_futile(shortage, asking, line)
        victim = asking if futile else self._victim(asking, line)
        if victim is None:
            return False
        group = self._group_of(victim, limit)
        doomed = [victim, *self._members(group, victim)]
        for process in doomed:
            if process is not asking:
                self._kill(process, self._reason(case, process, victim, group), case)
            elif group is not None:
                # It has to end with the others, even if their ends have made room for it.
                self._condemn(process, self._reason(case, process, victim, group), case)
        return asking not in doomed and not futile

    def entitled(self) -> dict[MemoryControl, int]:
        """Return what the jobs that are alive are entitled to of the whole memory, in order of their pids."""
        return entitlements(_controls(self._living(None)), self._mechanism.memory.size_bytes)

    def _living(self, limit: MemoryControl | None) -> list[Process]:
        """Return the processes that have memory, those under a limit alone if one is given."""
        return [
            process
            for process in self._processes
            if process.memory is not None and process.control.is_within(limit)
        ]

    def _size(self, limit: MemoryControl | None) -> int:
        return self._mechanism.memory.size_bytes if limit is None else limit.max_bytes or 0

    def _in_line(self, shortage: Shortage, living: Sequence[Process]) -> list[tuple[Candidate, float]]:
        limit, controls = shortage.limit, _controls(living)
        if shortage.control not in controls:
            controls.append(shortage.control)
        entitled = entitlements(controls, self._size(limit))
        candidates = [_candidate(process, shortage, entitled[process.control]) for process in living]
        total = self._size(limit) + self._mechanism.swap_bytes
        return ranked(self.killer, candidates, total, self._mechanism.page_bytes)

    def _victim(self, asking: Process | None, line: Sequence[tuple[Candidate, float]]) -> Process | None:
        """Return who is to end; None where nobody may be killed."""
        if self.killer == KILL_ASKING and (
            asking is None or asking.control.oom_score_adj > NEVER_KILLED or asking.memory is None
        ):
            return asking
        return self._processes[line[0][0].pid] if line else None

    def _is_futile(
        self, shortage: Shortage, asking: Process | None, line: Sequence[tuple[Candidate, float]]
    ) -> bool:
        """Say whether the request could not be served if all that may be killed were."""
        others = [one for one, _ in line if asking is None or one.pid != asking.pid]
        freed = sum(one.rss_bytes + one.table_bytes for one in others)
        return any(lacking > freed for _, lacking in shortage.lacking)

    @staticmethod
    def _group_of(victim: Process, limit: MemoryControl | None) -> MemoryControl | None:
        """Return the outermost claim around a victim that says that all in it end together; None for none."""
        group = None
        for one in victim.control.lineage():
            group = one if one.oom_group else group
            if one is limit:
                break
        return group

    def _members(self, group: MemoryControl | None, victim: Process) -> list[Process]:
        """Return who else is in a group and may be killed."""
        living = [] if group is None else self._living(group)
        return [one for one in living if one is not victim and one.control.oom_score_adj > NEVER_KILLED]

    def _case(
        self, shortage: Shortage, asking: Process | None, line: Sequence[tuple[Candidate, float]]
    ) -> Case:
        limit = shortage.limit
        free = self._mechanism.memory.free_bytes
        if limit is not None:
            free = max((limit.max_bytes or 0) - limit.used_bytes, 0)
        return Case(
            killer=self.killer,
            asking_pid=-1 if asking is None else asking.pid,
            needed_bytes=shortage.needed_bytes,
            free_bytes=free,
            size_bytes=self._size(limit),
            short="memory" if limit is None else "memory.max",
            limit="" if limit is None else limit.name,
            candidates=tuple(line[:SHOWN]),
            remedies=remedies_of(shortage, self._mechanism),
        )

    def _reason(self, case: Case, process: Process, victim: Process, group: MemoryControl | None) -> str:
        """Return in words why a process is killed in a case."""
        asking = None if case.asking_pid < 0 else self._processes[case.asking_pid]
        who = "somebody" if asking is None else asking.name
        if asking is not None and asking.control is process.control:
            who = "it" if asking is process else "another of its processes"
        of = format_bytes(case.size_bytes)
        of = f"memory.max of {case.limit}, {of}" if case.limit else of
        chose = f"the killer {case.killer} chose {'it' if process is victim else victim.name}"
        together = f", and all of {group.name} end together" if group is not None else ""
        return (
            f"out of memory: {who} asked for {format_bytes(case.needed_bytes)}, and "
            f"{format_bytes(case.free_bytes)} were free of {of}; {chose}{together}"
        )


def _controls(processes: Sequence[Process]) -> list[MemoryControl]:
    """Return the claims of processes, each once, in order."""
    return list(dict.fromkeys(process.control for process in processes))


def _candidate(process: Process, shortage: Shortage, entitled_bytes: int) -> Candidate:
    memory, control = process.memory, process.control
    space = None if memory is None else memory.space
    return Candidate(
        pid=process.pid,
        job=process.name,
        rss_bytes=0 if space is None else space.rss_bytes,
        table_bytes=0 if space is None else space.table_bytes,
        swapped_bytes=0 if space is None else space.swapped_bytes,
        held_bytes=control.used_bytes,
        asked_bytes=shortage.needed_bytes if control is shortage.control else 0,
        tickets=control.tickets,
        entitled_bytes=entitled_bytes,
        oom_score_adj=control.oom_score_adj,
    )
