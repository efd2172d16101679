"""Tables made, made larger, and described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from simulator.tables import (
    FAR,
    NEVER,
    NOBODY,
    WAIT_BUCKETS,
    Cpus,
    Matrix,
    Processes,
    Slices,
    Sources,
    Teams,
    Totals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.groups import Terms

Columns = TypeVar("Columns", Processes, Cpus, Totals, Slices, Sources, Teams)


def layout_of(kind: type[Any]) -> list[tuple[str, int | None]]:
    """Return for each field of a table where it lies: the matrix and the column; a matrix has no column."""
    found: list[tuple[str, int | None]] = []
    columns = {"ints": 0, "floats": 0}
    for field in kind._fields:
        hint = str(kind.__annotations__[field])
        if "Matrix" in hint:
            found.append((field, None))
        else:
            place = "ints" if "Int64s" in hint else "floats"
            found.append((place, columns[place]))
            columns[place] += 1
    return found


def widths_of(kind: type[Any]) -> dict[str, int]:
    """Return how many columns lie in each of a table's matrices."""
    places = [place for place, column in layout_of(kind) if column is not None]
    return {place: places.count(place) for place in dict.fromkeys(places)}


def new_table(kind: type[Columns], size: int, **matrices: Matrix) -> Columns:
    """Return a table of zeros with `size` values a column.

    Args:
        kind: which table.
        size: number of processes, CPUs, slices or sources.
        matrices: its fields that are no columns, but for `ints` and `floats`.
    """
    types = {"ints": np.int64, "floats": np.float64}
    made = {place: np.zeros((size, width), types[place]) for place, width in widths_of(kind).items()}
    given = {**made, **matrices}
    return kind(*(given[place] if at is None else given[place][:, at] for place, at in layout_of(kind)))


def process_table(capacity: int) -> Processes:
    """Return an empty process table with room for `capacity` processes."""
    table = new_table(Processes, capacity, waits=np.zeros((capacity, WAIT_BUCKETS), np.int64))
    table.first_run_ns[:] = -1
    table.last_cpu[:] = NOBODY
    table.source[:] = NOBODY
    table.team[:] = NOBODY
    return table


def cpu_table(cpus: int) -> Cpus:
    """Return the table of `cpus` idle CPUs at time 0."""
    table = new_table(Cpus, cpus)
    table.pid[:] = NOBODY
    table.last_pid[:] = NOBODY
    table.run_end_ns[:] = NEVER
    return table


def totals_table(cpus: int, groups: Sequence[Terms]) -> Totals:
    """Return the single numbers of a machine at time 0; `groups` begins with the root."""
    most = [terms.quota_ns / terms.period_ns if terms.quota_ns else float(cpus) for terms in groups]
    parents, claims = [terms.parent for terms in groups], [terms.tickets for terms in groups]
    found_out = np.zeros((5, len(groups)))
    table = new_table(Totals, 1, groups=np.vstack([np.array([parents, claims, most], np.float64), found_out]))
    table.cpus[0] = cpus
    table.fluid_next_ns[0] = FAR
    return table


def source_table(capacity: int, times: int, rows: int) -> Sources:
    """Return an empty table of sources, with room for so many arrival times and rows of the log each."""
    table = new_table(
        Sources,
        capacity,
        times=np.zeros((capacity, times), np.int64),
        log=np.zeros((3, capacity, rows), np.int64),
    )
    table.next_ns[:] = NEVER
    table.pid[:] = NOBODY
    table.current[:] = NOBODY
    return table


def team_table(capacity: int, phases: int) -> Teams:
    """Return an empty table of teams, with room for so many phases each."""
    return new_table(Teams, capacity, phases=np.zeros((2, capacity, phases), np.int64))


def copied(old: Columns, new: Columns) -> Columns:
    """Copy all values of a table into the front of a larger one, and return that."""
    for before, after in zip(old, new, strict=True):
        after[tuple(slice(0, length) for length in before.shape)] = before
    return new
