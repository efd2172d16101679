"""Killing processes for another's need of memory, wherever they are."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from simulator.shortages import Shortages
from simulator.throttling import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import simpy

    from simulator.dispatcher import Dispatcher
    from simulator.kills import Case
    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process

    End = Callable[[Process, str, Case], None]


class Reaper:
    """Ends processes that must end for want of memory: at once, or once they have made their system call.

    Args:
        dispatcher: takes processes off CPUs and queues.
        mechanism: whose shortages have processes killed.
        processes: all processes, by pid, more to come.
        killer: the rule by which a victim is chosen.
        end: ends a process as killed, for a reason and in a case: its memory, its tickets, its calls.
        tell: puts an event on record: the process, the kind and what happened in words.

    Attributes:
        shortages: decides who ends.
        throttle: has processes sleep that hold too much.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        mechanism: Mechanism,
        processes: Sequence[Process],
        killer: str,
        end: End,
        tell: Callable[[Process, str, str], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._clock = dispatcher.clock
        self._end = end
        self._lives: dict[simpy.Event, Process] = {}
        self.shortages = Shortages(mechanism, processes, killer, self.asking, self.kill, self.condemn)
        self.throttle = Throttle(self._clock, mechanism, processes, self.asking, tell)

    def know(self, process: Process, life: simpy.Process) -> None:
        """Hear of a new process, and of the event that it is to SimPy."""
        process.life = life
        self._lives[life] = process

    def go_on(self, process: Process, errand: Generator[simpy.Event, Any, object]) -> simpy.Event:
        """Let what a system call needs time for go on by itself, on behalf of the process that made it.

        Returns:
            The event of its end, with what the errand returns.
        """
        event = self._clock.process(errand)
        self._lives[event] = process
        process.errands.append(event)
        event.callbacks.append(self._come_back)
        return event

    def asking(self) -> Process | None:
        """Return the process that is making a system call, if any."""
        active = self._clock.active_process
        return None if active is None else self._lives.get(active)

    def kill(self, process: Process, reason: str, case: Case) -> None:
        """Kill a process that is not making a system call.

        Its bursts, demands and requests break off; requests that it has taken stay unanswered.
        """
        if process.memory is not None:
            process.memory.end_repetition()
        for pid in process.pids:
            self._dispatcher.awaited.abandon(pid)
        self._end(process, reason, case)
        _stop_program(process)

    def _come_back(self, event: simpy.Event) -> None:
        process = self._lives.pop(event)
        process.errands = [errand for errand in process.errands if errand is not event]

    def condemn(self, process: Process, reason: str, case: Case) -> None:
        """Kill a process that is making a system call as soon as it has made it, if it lives that long."""

        def strike(_now: simpy.Event) -> None:
            if process.ended is None:
                self.kill(process, reason, case)

        self._clock.timeout(0).callbacks.append(strike)


def _stop_program(process: Process) -> None:
    """Let a program, which waits for an event, never go on, whatever becomes of the event.

    SIGKILL cannot be caught: what the program would do on its way out does not happen any more.
    """
    if process.running is not None:
        with suppress(Exception):
            process.running.close()
    for errand in process.errands:
        errand.defused = True
        if errand.is_alive:
            errand.interrupt()
    if process.life is not None and process.life.is_alive:
        if process.life.target is not None:
            # It may be on its way to failing, and nobody is left who would hear of it.
            process.life.target.defused = True
        process.life.interrupt()
