"""Killing a process that is in the middle of something, for another's need of memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.dispatcher import Dispatcher
    from simulator.process import Process


def break_off(process: Process, dispatcher: Dispatcher) -> None:
    """Take a process out of all that it is in the middle of: bursts, demands, requests that it waits for.

    Requests that it has taken stay unanswered. Calls, tickets and memory are for its end to settle.
    """
    if process.memory is not None:
        process.memory.end_repetition()
    for pid in process.pids:
        dispatcher.abandon(pid)


def stop_program(process: Process) -> None:
    """Let a process's program, which waits for an event, never go on, whatever becomes of the event.

    SIGKILL cannot be caught: what the program would do on its way out does not happen any more.
    """
    if process.running is not None:
        with suppress(Exception):
            process.running.close()
    if process.life is not None and process.life.is_alive:
        if process.life.target is not None:
            # It may be on its way to failing, and nobody is left who would hear of it.
            process.life.target.defused = True
        process.life.interrupt()
