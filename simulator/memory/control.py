"""What a job may have of memory, beside others that want it too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class MemoryControl:
    """One job's claim on memory, for all of its processes together.

    Attributes:
        name: the job's name.
        tickets: its memory tickets: when memory is short, what it is entitled to is its part of all tickets
            (Waldspurger and Weihl, OSDI 1994, section 6.2).
    """

    name: str
    tickets: int = 1
