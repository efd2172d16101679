"""Where in its code a program is: for diagnoses, which are of no use without."""

from __future__ import annotations

from typing import NamedTuple

MOST_CALLERS = 12
"""Frames that a trace keeps, the innermost ones (as many as valgrind's --num-callers)."""


class Place(NamedTuple):
    """A place in a program.

    Attributes:
        function: the function's name.
        where: the place in it, in the program's own words: "step 3, line 12".
    """

    function: str
    where: str

    def __str__(self) -> str:
        return f"{self.function}, {self.where}" if self.where else self.function


Trace = tuple[Place, ...]
"""A place and where it was called from, the innermost first."""


class CodePosition:
    """The call stack of a program as it tells it itself."""

    def __init__(self) -> None:
        self._frames: list[Place] = []

    def enter(self, function: str) -> None:
        """Note that a function is called."""
        self._frames.append(Place(function, ""))

    def leave(self) -> None:
        """Note that the innermost function returns.

        Raises:
            ValueError: no function was entered.
        """
        if not self._frames:
            raise ValueError("a program leaves a function that it never entered")
        self._frames.pop()

    def at(self, where: str) -> None:
        """Note a place in the innermost function, which is called "main" if none was entered."""
        function = self._frames.pop().function if self._frames else "main"
        self._frames.append(Place(function, where))

    @property
    def trace(self) -> Trace:
        """Where the program is."""
        return tuple(reversed(self._frames[-MOST_CALLERS:]))
