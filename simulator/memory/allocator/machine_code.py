"""The rule as machine code."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from simulator.machine_code import Tree, cached
from simulator.memory.allocator import events, layout

if TYPE_CHECKING:
    from collections.abc import Callable

    RunEvents = Callable[..., int]


@cache
def compiled_run_events() -> RunEvents:
    """Return `simulator.memory.allocator.events.run_events` as machine code, kept on disk."""
    import numba  # noqa: PLC0415 - a third of a second, and most short runs never need it

    # Without reference counting: the arrays outlive the call, and nothing is allocated in it.
    njit: Any = partial(numba.njit, nogil=True, _nrt=False)
    tree = Tree(njit())
    callees = tree.callees(events.run_events)
    run: RunEvents = cached(events.run_events, callees, f"run_events_{tree.fingerprint(layout)}", njit)
    return run
