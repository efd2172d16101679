"""Plain functions made into machine code: clones of a function and of all that it calls, compiled by numba.

numba is imported by whoever uses this, and only when something is compiled: it takes a third of a second, and
most short runs never need it.
"""

from __future__ import annotations

import hashlib
import inspect
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Function = Callable[..., Any]
    Wrap = Callable[[Any], Function]


class Tree:
    """Functions with all that they call, compiled once each.

    Args:
        wrap: compiles a function.
        wrap_rare: compiles one of `rare`.
        rare: functions that seldom run.

    Attributes:
        done: by plain function, its compiled clone; what is put here beforehand is taken as it is.
    """

    def __init__(self, wrap: Wrap, wrap_rare: Wrap | None = None, rare: Sequence[Any] = ()) -> None:
        self.done: dict[Function, Function] = {}
        self._wrap = wrap
        self._wrap_rare = wrap_rare or wrap
        self._rare = tuple(rare)
        self._sources: list[str] = []

    def compiled(self, function: Function) -> Function:
        """Return a compiled clone of a plain function; the plain functions it names are compiled too."""
        if function not in self.done:
            callees = self.callees(function)
            wrap = self._wrap_rare if function in self._rare else self._wrap
            self.done[function] = wrap(clone(function, callees))
        return self.done[function]

    def callees(self, function: Function) -> dict[str, Function]:
        """Return the plain functions that a function names, compiled, by the names."""
        self._sources.append(inspect.getsource(function))
        named = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        return {
            name: self.compiled(called) for name, called in named.items() if isinstance(called, FunctionType)
        }

    def fingerprint(self, *more: str | ModuleType) -> str:
        """Return a hash of everything that the machine code was made from.

        Args:
            more: what it depends on besides, and modules whose values or types it has built in.
        """
        built_in = [inspect.getsource(one) if isinstance(one, ModuleType) else one for one in more]
        made_from = [*self._sources, *built_in, repr([one.__name__ for one in self._rare])]
        return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16]


def clone(function: Function, names: Mapping[str, Any]) -> FunctionType:
    """Return a copy of a plain function that sees other objects under some global names."""
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)


def cached(function: Function, names: Mapping[str, Any], name: str, njit: Callable[..., Wrap]) -> Function:
    """Return a compiled clone of a function whose machine code is kept on disk under a name of its own.

    Args:
        function: a plain function.
        names: what it is to see under some global names.
        name: the name; with a fingerprint in it, an edited function is never run from an old cache.
        njit: makes a compiler, `numba.njit` or one with options.
    """
    entry = clone(function, names)
    entry.__qualname__ = name
    try:
        return njit(cache=True)(entry)
    except RuntimeError:  # no place on this machine can hold a cache
        return njit()(entry)
