"""The rule as machine code: clones of the same functions, compiled by numba, kept on disk."""

from __future__ import annotations

import hashlib
import inspect
from functools import cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simulator.memory.allocator import events, layout

if TYPE_CHECKING:
    from collections.abc import Callable

    RunEvents = Callable[..., int]


@cache
def compiled_run_events() -> RunEvents:
    """Return `simulator.memory.allocator.events.run_events` as machine code.

    The code is kept on disk under a hash of the rule's source, so that an edited rule never runs from an old
    cache.
    """
    import numba  # noqa: PLC0415 - a third of a second, and most short runs never need it

    done: dict[FunctionType, Any] = {}
    sources = [inspect.getsource(layout)]
    # Without reference counting: the arrays outlive the call, and nothing is allocated in it.
    njit: Any = partial(numba.njit, nogil=True, _nrt=False)
    for callee in _callees(events.run_events):
        _compile(callee, njit, done, sources)
    entry = _clone(events.run_events, done)
    sources.append(inspect.getsource(events.run_events))
    entry.__qualname__ = f"run_events_{hashlib.sha256(''.join(sources).encode()).hexdigest()[:16]}"
    try:
        compiled = njit(cache=True)(entry)
    except RuntimeError:  # no place on this machine can hold a cache
        compiled = njit()(entry)
    run: RunEvents = compiled
    return run


def _compile(function: FunctionType, njit: Any, done: dict[FunctionType, Any], sources: list[str]) -> None:
    """Compile a function and, before it, those that it calls."""
    if function not in done:
        for callee in _callees(function):
            _compile(callee, njit, done, sources)
        sources.append(inspect.getsource(function))
        done[function] = njit()(_clone(function, done))


def _callees(function: Any) -> list[FunctionType]:
    """Return the plain functions that a function names."""
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    return [called for called in named if isinstance(called, FunctionType)]


def _clone(function: Any, done: dict[FunctionType, Any]) -> Any:
    """Return a copy of a function that calls the compiled functions in place of the plain ones."""
    compiled = {called.__name__: done[called] for called in _callees(function)}
    return FunctionType(function.__code__, {**function.__globals__, **compiled}, function.__name__)
