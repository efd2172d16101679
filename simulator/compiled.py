"""From a policy to the function that runs its spans: interpreted at once, or compiled to machine code.

The rule exists once, as the methods of the policy's class. Interpreted, `self` is the policy; compiled, it is
a named tuple of the same arrays. numba is imported only when something is compiled.
"""

from __future__ import annotations

import hashlib
import inspect
from collections import namedtuple
from dataclasses import dataclass
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

from simulator import fluid, span, tables
from simulator.errors import TimeshareError
from simulator.schedulers.base import PerCpu, PerProcess, Shared, columns_of_policy
from simulator.tables import Cpus, Processes, Slices, Totals, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.schedulers.base import Scheduler
    from simulator.tables import Int64s, Table

    Renewal = Callable[["State", Int64s, Int64s, int], None]
    Span = Callable[["State", int], int]

RARE = (fluid.meet_next,)
"""Functions that are called, not copied to where they are used: they run once a demand, not once a slice."""

RULES = ("pick", "charge", "slice_ns", "tick")
"""The policy's methods that the span calls."""


class CompileError(TimeshareError):
    """A policy says that it can be compiled and cannot."""


@dataclass
class State:
    """The kernel's tables: what a span reads and changes.

    Assigning a table anew (a larger one, say) needs `bind` after it.
    """

    process_table: Table
    cpu_table: Table
    total_table: Table
    slice_table: Table

    def __post_init__(self) -> None:
        self.bind()

    def bind(self) -> None:
        """Take the columns of the tables as they are now."""
        self.processes = columns_of(Processes, self.process_table)
        self.cpus = columns_of(Cpus, self.cpu_table)
        self.totals = columns_of(Totals, self.total_table)
        self.slices = columns_of(Slices, self.slice_table)


def interpreted_span(policy: Scheduler) -> Span:
    """Return `run_span(state, horizon)` for a policy, interpreted."""

    def run(state: State, horizon: int) -> int:
        return span.run_span(policy, state.processes, state.cpus, state.totals, state.slices, horizon)

    return run


def compiled_span(policy: Scheduler) -> Span:
    """Return `run_span(state, horizon)` for a policy, as machine code.

    The code is cached on disk under a name that holds a hash of the policy's and the kernel's source, so
    that an edited policy is never run from an old cache.

    Raises:
        CompileError: a method of the policy uses what cannot be compiled.
    """
    import numba  # noqa: PLC0415 - a third of a second, and most short runs never need it
    from numba.core.errors import NumbaError  # noqa: PLC0415 - as above

    # One flat loop without reference counting: the arrays outlive the call, and counting them costs ten times
    # what the loop itself does.
    njit: Any = partial(numba.njit, nogil=True, _nrt=False)
    tree = _Tree(njit(inline="always"), njit())
    kind = type(policy)
    try:
        for rule in RULES:
            tree.done[getattr(span, rule)] = tree.compiled(getattr(kind, rule))
        run_span = tree.compiled(span.run_span)
        views = {
            "policy_view": tree.wrap(_policy_view(policy)),
            "process_view": tree.wrap(_column_view(Processes)),
            "cpu_view": tree.wrap(_column_view(Cpus)),
            "total_view": tree.wrap(_column_view(Totals)),
            "slice_view": tree.wrap(_column_view(Slices)),
        }
        name = f"{kind.__name__}_{tree.fingerprint(*_fields(policy), repr(_constants(policy)))}"
        entry = _cached(_entry, {**views, "run_span": run_span}, name, njit)
    except OSError as error:
        raise CompileError(f"scheduler '{policy.name}': the source of its methods cannot be read") from error

    def run(state: State, horizon: int) -> int:
        kernel = (state.process_table, state.cpu_table, state.total_table, state.slice_table)
        try:
            own = (policy.process_table, policy.cpu_table, policy.shared_table, policy.draws)
            return int(entry(*own, *kernel, horizon))
        except NumbaError as error:
            raise CompileError(
                f"scheduler '{policy.name}' says compilable = True, but its methods cannot be compiled: "
                f"{error}"
            ) from error

    return run


def interpreted_renewal(state: State, pids: Int64s, demands_ns: Int64s, service: int) -> None:
    """Call `simulator.fluid.renew_fluid`."""
    fluid.renew_fluid(state.processes, state.totals, pids, demands_ns, service)


def compiled_renewal() -> Renewal:
    """Return `simulator.fluid.renew_fluid` as machine code; it is the same for all policies."""
    import numba  # noqa: PLC0415 - as in compiled_span

    njit: Any = partial(numba.njit, nogil=True, _nrt=False)
    tree = _Tree(njit(inline="always"), njit())
    names = {
        "renew_fluid": tree.compiled(fluid.renew_fluid),
        "process_view": tree.wrap(_column_view(Processes)),
        "total_view": tree.wrap(_column_view(Totals)),
    }
    entry = _cached(_renewal_entry, names, f"renewal_{tree.fingerprint()}", njit)

    def run(state: State, pids: Int64s, demands_ns: Int64s, service: int) -> None:
        entry(state.process_table, state.total_table, pids, demands_ns, service)

    return run


def _renewal_entry(processes: Any, totals: Any, pids: Any, demands_ns: Any, service: int) -> None:
    renew_fluid(process_view(processes), total_view(totals), pids, demands_ns, service)  # type: ignore[name-defined] # noqa: F821 - bound when compiled


def _cached(function: Any, names: dict[str, Any], name: str, njit: Any) -> Any:
    """Return a compiled clone of a function whose machine code is kept on disk under a name of its own."""
    entry = _clone(function, names)
    entry.__qualname__ = name
    try:
        return njit(cache=True)(entry)
    except RuntimeError:  # no place on this machine can hold a cache
        return njit()(entry)


def _entry(  # noqa: PLR0913, PLR0917 - machine code is handed arrays, not objects
    columns: Any,
    per_cpu: Any,
    numbers: Any,
    draws: Any,
    processes: Any,
    cpus: Any,
    totals: Any,
    slices: Any,
    horizon: int,
) -> Any:
    return run_span(  # type: ignore[name-defined] # noqa: F821 - this and the views are bound when compiled
        policy_view(columns, per_cpu, numbers, draws),  # type: ignore[name-defined] # noqa: F821
        process_view(processes),  # type: ignore[name-defined] # noqa: F821
        cpu_view(cpus),  # type: ignore[name-defined] # noqa: F821
        total_view(totals),  # type: ignore[name-defined] # noqa: F821
        slice_view(slices),  # type: ignore[name-defined] # noqa: F821
        horizon,
    )


class _Tree:
    """Functions with all that they call, compiled once each."""

    def __init__(self, wrap: Callable[[Any], Any], wrap_rare: Callable[[Any], Any]) -> None:
        self.wrap = wrap
        self.wrap_rare = wrap_rare
        self.done: dict[Any, Any] = {}
        self.sources: list[str] = []

    def compiled(self, function: Any) -> Any:
        """Return a compiled clone of a plain function; the plain functions it names are compiled too."""
        if function not in self.done:
            self.sources.append(inspect.getsource(function))
            callees = {
                name: self.compiled(called)
                for name in function.__code__.co_names
                if isinstance(called := function.__globals__.get(name), FunctionType)
            }
            wrap = self.wrap_rare if function in RARE else self.wrap
            self.done[function] = wrap(_clone(function, callees))
        return self.done[function]

    def fingerprint(self, *more: str) -> str:
        """Return a hash of everything that the machine code was made from."""
        made_from = [*self.sources, *more, inspect.getsource(tables)]
        return hashlib.sha256("\0".join(made_from).encode()).hexdigest()[:16]


def _clone(function: Any, names: dict[str, Any]) -> Any:
    """Return a copy of a function that sees other objects under some global names."""
    return FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__)


def _fields(policy: Scheduler) -> list[str]:
    return [name for kind in (PerProcess, PerCpu, Shared) for name in columns_of_policy(type(policy), kind)]


def _constants(policy: Scheduler) -> dict[str, int]:
    return {name: value for name, value in vars(policy).items() if isinstance(value, int)}


def _policy_view(policy: Scheduler) -> Any:
    """Return a function from the policy's tables to what its compiled methods see as `self`."""
    constants = _constants(policy)
    state = namedtuple("state", [*_fields(policy), "draws", *constants])  # type: ignore[misc] # noqa: PYI024 - the fields are known only here
    arguments = [
        f"{table}[{row}]"
        for table, kind in (("columns", PerProcess), ("per_cpu", PerCpu), ("numbers", Shared))
        for row in range(len(columns_of_policy(type(policy), kind)))
    ]
    arguments += ["draws", *(str(value) for value in constants.values())]
    return _built("columns, per_cpu, numbers, draws", state, arguments)


def _column_view(kind: Any) -> Any:
    """Return a function from a table to the named tuple of its columns."""
    return _built("table", kind, [f"table[{name!r}]" for name in kind._fields])


def _built(parameters: str, state: Any, arguments: list[str]) -> Any:
    """Return a function that makes a named tuple; field names must be literals for numba to type them."""
    names: dict[str, Any] = {"state": state}
    exec(f"def view({parameters}): return state({', '.join(arguments)})", names)  # noqa: S102 - made of identifiers and integers alone
    return names["view"]
