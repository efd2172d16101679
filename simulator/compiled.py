"""From a policy to the function that runs its spans: interpreted at once, or compiled to machine code.

The rule exists once, as the methods of the policy's class. Interpreted, `self` is the policy; compiled, it is
a named tuple of the same arrays. numba is imported only when something is compiled.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from simulator import fluid, instant, requests, rules, span, tables, teams, waits
from simulator.errors import TimeshareError
from simulator.interrupts import interrupts_kept
from simulator.machine_code import Tree, cached
from simulator.schedulers.base import PerCpu, PerProcess, Shared, columns_of_policy
from simulator.table_making import layout_of, widths_of
from simulator.tables import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.schedulers.base import Scheduler
    from simulator.state import State

    Span = Callable[[State, int], int]

RARE = (
    fluid.meet_demands,
    fluid.renew_fluid,
    fluid.share_out,
    instant.at_instant,
    instant.wake,
    instant.settle,
    requests.let_arrive,
    requests.start_next,
    span.run_span,
    teams.reach_barrier,
    teams.begin_phase,
    waits.note_waste,
)
"""Functions that are called, not copied to where they are used: they run once a demand, or once a span."""

POLICY_MATRICES = ("process_table", "cpu_table", "shared_table", "draws")


class CompileError(TimeshareError):
    """A policy says that it can be compiled and cannot."""


def interpreted_span(policy: Scheduler) -> Span:
    """Return `run_span(state, horizon)` for a policy, interpreted."""

    def run(state: State, horizon: int) -> int:
        return span.run_span(
            policy,
            state.processes,
            state.cpus,
            state.totals,
            state.slices,
            state.sources,
            state.teams,
            horizon,
        )

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

    from simulator import columns  # noqa: PLC0415 - imports numba

    # One flat loop without reference counting: the arrays outlive the call, and counting them costs ten times
    # what the loop itself does.
    njit: Any = partial(numba.njit, nogil=True, _nrt=False)
    kind = type(policy)
    # What is rare keeps its wrappers: what nobody else could call would be copied to where it is used.
    inner = njit(forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
    tree = Tree(inner, njit(forceinline=False), (*RARE, *kind.rare))
    try:
        for step in kind.steps:
            tree.done[step] = tree.compiled(getattr(kind, step.__name__))
        for rule in rules.RULES:
            tree.done[rule] = tree.compiled(getattr(kind, rule.__name__))
        run_span = tree.compiled(span.run_span)
        fingerprint = tree.fingerprint(*_fields(policy), repr(_constants(policy)), tables, columns)
        name = f"{kind.__name__}_{fingerprint}"
        entry: Any = cached(_entry, {**_constructors(policy), "run_span": run_span}, name, njit)
    except OSError as error:
        raise CompileError(f"scheduler '{policy.name}': the source of its methods cannot be read") from error

    matrices_of = {table: _matrices(columns) for table, columns in KINDS.items()}

    def run(state: State, horizon: int) -> int:
        own = tuple(getattr(policy, matrix) for matrix in POLICY_MATRICES)
        kernel = [
            tuple(getattr(getattr(state, table), matrix) for matrix in matrices)
            for table, matrices in matrices_of.items()
        ]
        try:
            if not entry.signatures:  # the first call compiles, or loads what was compiled before
                with interrupts_kept():
                    return int(entry(own, *kernel, horizon))
            return int(entry(own, *kernel, horizon))
        except NumbaError as error:
            raise CompileError(
                f"scheduler '{policy.name}' says compilable = True, but its methods cannot be compiled: "
                f"{error}"
            ) from error

    return run


def _entry(
    own: Any, processes: Any, cpus: Any, totals: Any, slices: Any, sources: Any, teams: Any, horizon: int
) -> Any:
    return run_span(  # type: ignore[name-defined] # noqa: F821 - this and the tables are bound when compiled
        policy_table(own),  # type: ignore[name-defined] # noqa: F821
        processes_table(processes),  # type: ignore[name-defined] # noqa: F821
        cpus_table(cpus),  # type: ignore[name-defined] # noqa: F821
        totals_table(totals),  # type: ignore[name-defined] # noqa: F821
        slices_table(slices),  # type: ignore[name-defined] # noqa: F821
        sources_table(sources),  # type: ignore[name-defined] # noqa: F821
        teams_table(teams),  # type: ignore[name-defined] # noqa: F821
        horizon,
    )


def _fields(policy: Scheduler) -> list[str]:
    return [name for kind in (PerProcess, PerCpu, Shared) for name in columns_of_policy(type(policy), kind)]


def _constants(policy: Scheduler) -> dict[str, int]:
    return {name: value for name, value in vars(policy).items() if isinstance(value, int)}


def _constructors(policy: Scheduler) -> dict[str, Any]:
    """Return for each table the function that makes it from its matrices."""
    from simulator.columns import constructor  # noqa: PLC0415 - imports numba

    kind, constants = type(policy), _constants(policy)
    own = {
        column: (matrix, row)
        for matrix, declared in zip(POLICY_MATRICES, (PerProcess, PerCpu, Shared), strict=False)
        for row, column in enumerate(columns_of_policy(kind, declared))
    }
    name = f"{kind.__module__}.{kind.__qualname__} {constants}"
    # Ours never count from the end, which would cost three instructions each time; others' may.
    wraps = kind.__module__.partition(".")[0] != __name__.partition(".")[0]
    made = {"policy_table": constructor(name, POLICY_MATRICES, own, constants=constants, wraps=wraps)}
    for name, table in KINDS.items():
        places = {
            field: (place, column)
            for field, (place, column) in zip(table._fields, layout_of(table), strict=True)
            if column is not None
        }
        made[f"{name}_table"] = constructor(name, _matrices(table), places, widths=widths_of(table))
    return made


def _matrices(kind: Any) -> tuple[str, ...]:
    """Return which fields of a table are matrices."""
    return tuple(place for place, column in layout_of(kind) if column is None)
