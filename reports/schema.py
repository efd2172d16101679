"""The tables of a result directory: which there are, and which columns of which kind each must have."""

from collections.abc import Mapping
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from reports.errors import ReportError

Kind = Literal["int", "float", "str", "bool"]
Columns = Mapping[str, Kind]

_PROCESSES: Columns = {
    "pid": "int",
    "job": "str",
    "tickets": "int",
    "state": "str",
    "arrived_s": "float",
    "first_run_s": "float",
    "exited_s": "float",
    "cpu_s": "float",
    "wait_s": "float",
    "entitled_s": "float",
    "lag_max_s": "float",
    "lag_min_s": "float",
    "dispatches": "int",
    "switches_in": "int",
    "preemptions": "int",
    "address_space_bytes": "int",
    "peak_resident_bytes": "int",
    "peak_heap_bytes": "int",
    "mallocs": "int",
    "frees": "int",
    "exit_reason": "str",
}
_CPU: Columns = {
    "window_start_s": "float",
    "window_end_s": "float",
    "job": "str",
    "cpu_s": "float",
    "share": "float",
    "entitled_share": "float",
}
_REQUESTS: Columns = {
    "job": "str",
    "request": "int",
    "arrived_s": "float",
    "started_s": "float",
    "finished_s": "float",
    "latency_s": "float",
    "deadline_s": "float",
    "met": "bool",
    "outcome": "str",
}
_RUN: dict[str, Columns] = {
    "processes": _PROCESSES,
    "cpus": {
        "cpu": "int",
        "busy_s": "float",
        "switching_s": "float",
        "idle_s": "float",
        "elapsed_s": "float",
        "switches": "int",
    },
    "cpu": _CPU,
    "memory": {
        "time_s": "float",
        "job": "str",
        "virtual_bytes": "int",
        "heap_bytes": "int",
        "heap_peak_bytes": "int",
        "resident_bytes": "int",
    },
    "heap": {
        "job": "str",
        "pid": "int",
        "kind": "str",
        "address": "int",
        "size_bytes": "int",
        "asked_bytes": "int",
        "from_cpu_s": "float",
        "to_cpu_s": "float",
    },
    "requests": _REQUESTS,
    "slices": {"cpu": "int", "pid": "int", "job": "str", "start_ns": "int", "end_ns": "int"},
    "events": {"time_s": "float", "pid": "int", "job": "str", "kind": "str", "detail": "str"},
    "runqueue_latency": {"job": "str", "bucket_low_ns": "int", "bucket_high_ns": "int", "count": "int"},
    "translation": {
        "pid": "int",
        "job": "str",
        "accesses": "int",
        "references": "int",
        "tlb_hits": "int",
        "tlb_misses": "int",
        "faults": "int",
    },
    "physical": {
        "time_s": "float",
        "used_bytes": "int",
        "free_bytes": "int",
        "largest_hole_bytes": "int",
        "compactions": "int",
    },
    "paging": {
        "time_s": "float",
        "pid": "int",
        "job": "str",
        "minor_faults": "int",
        "major_faults": "int",
        "swapped_in_bytes": "int",
        "swapped_out_bytes": "int",
        "blocked_s": "float",
    },
    "memory_map": {"time_s": "float", "base": "int", "size_bytes": "int", "owner": "str"},
    "address_spaces": {
        "pid": "int",
        "job": "str",
        "region": "str",
        "start": "int",
        "size_bytes": "int",
        "resident_bytes": "int",
        "allows": "str",
    },
    "memory_errors": {
        "time_s": "float",
        "job": "str",
        "pid": "int",
        "kind": "str",
        "detail": "str",
        "function": "str",
        "place": "str",
        "callers": "str",
        "address": "int",
        "size_bytes": "int",
        "block_bytes": "float",
        "allocated": "str",
        "freed": "str",
        "count": "int",
    },
    "groups": {
        "group": "str",
        "of": "str",
        "weight": "int",
        "quota_s": "float",
        "period_s": "float",
        "cpu_s": "float",
        "periods": "int",
        "throttled_periods": "int",
        "throttled_s": "float",
    },
}
_LIMITED: dict[str, Kind] = {"name": "str", "kind": "str", "of": "str", "memory_tickets": "int"}
_LIMITED |= {"high_bytes": "float", "max_bytes": "float", "throttled_s": "float"}
_RUN |= {
    "memory_control": {
        "time_s": "float",
        **_LIMITED,
        "held_bytes": "int",
        "entitled_resident_bytes": "int",
    },
    "memory_limits": {
        **_LIMITED,
        "peak_bytes": "int",
        "oom_score_adj": "int",
        "highs": "int",
        "maxes": "int",
        "ooms": "int",
        "oom_kills": "int",
    },
    "kills": {
        "time_s": "float",
        "kill": "int",
        "pid": "int",
        "job": "str",
        "kind": "str",
        "asking_pid": "int",
        "asking_job": "str",
        "needed_bytes": "int",
        "free_bytes": "int",
        "size_bytes": "int",
        "killer": "str",
        "short": "str",
        "limit": "str",
        "saved_by": "str",
        "reason": "str",
    },
    "kill_candidates": {
        "kill": "int",
        "rank": "int",
        "pid": "int",
        "job": "str",
        "score": "float",
        "score_of": "str",
        "rss_bytes": "int",
        "table_bytes": "int",
        "swapped_bytes": "int",
        "held_bytes": "int",
        "asked_bytes": "int",
        "entitled_bytes": "int",
        "tickets": "int",
        "oom_score_adj": "int",
    },
}
_COMPARISON: Mapping[str, Columns] = {
    "replications": {
        "scheduler": "str",
        "replication": "int",
        "job": "str",
        "metric": "str",
        "value": "float",
    },
    "processes": {"scheduler": "str", **_PROCESSES},
    "requests": {"scheduler": "str", **_REQUESTS},
    "cpu": {"scheduler": "str", **_CPU},
}
TABLES: Mapping[str, Mapping[str, Columns]] = {"run": _RUN, "comparison": _COMPARISON}
"""Per kind of result, per table, the kind of each column it must have. More columns are no error."""
OPTIONAL = frozenset(
    {"runqueue_latency", "heap", "translation", "physical", "memory_map", "address_spaces", "groups"}
    | {"paging", "memory_errors", "memory_control", "memory_limits", "kills", "kill_candidates"}
)
"""Tables that some results do not have, older ones or those without groups or limits; read as empty ones."""

_DTYPES: Mapping[Kind, str] = {"int": "int64", "float": "float64", "str": "object", "bool": "boolean"}


def empty(columns: Columns) -> pd.DataFrame:
    """Return a table of no rows."""
    return pd.DataFrame({name: pd.Series(dtype=_DTYPES[kind]) for name, kind in columns.items()})


def check(columns: Columns, schema: Any, where: str) -> None:  # noqa: ANN401 - pyarrow ships no types
    """Hold a table's Arrow schema against the columns it must have.

    Args:
        columns: the kind of each required column.
        schema: a `pyarrow.Schema`.
        where: the file to name in messages.

    Raises:
        ReportError: if a column is missing or of another kind.
    """
    missing = [name for name in columns if name not in schema.names]
    if missing:
        raise ReportError(
            f"{where}: lacks the column(s) {', '.join(missing)}; it holds {_listed(schema.names)}."
        )
    for name, kind in columns.items():
        found = schema.field(name).type
        if not _fits(kind, found):
            raise ReportError(f'{where}: column "{name}" is of type {found}; expected {kind}.')


def to_frame(columns: Columns, table: Any, where: str, *, used_up: bool = False) -> pd.DataFrame:  # noqa: ANN401 - pyarrow ships no types
    """Turn a checked `pyarrow.Table` into a frame whose dtypes do not depend on the rows it happens to hold.

    Args:
        columns: the kind of each required column.
        table: the table.
        where: the file to name in messages.
        used_up: the table is not needed any more, and its memory is given back on the way.

    Raises:
        ReportError: if a whole-number column has missing values.
    """
    nullable = {pa.bool_(): pd.BooleanDtype()}
    for at, name in enumerate(table.schema.names):
        # A column of names then holds each name once, not once a row.
        if columns.get(name) == "str" and not pa.types.is_dictionary(table.schema.field(name).type):
            table = table.set_column(at, name, table.column(name).dictionary_encode())
    frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=used_up, types_mapper=nullable.get)
    # A cast copies even what has the right type, and a table can have millions of rows.
    wrong = {name: _DTYPES[kind] for name, kind in columns.items() if frame[name].dtype != _DTYPES[kind]}
    try:
        return frame.astype(wrong) if wrong else frame
    except (TypeError, ValueError) as error:
        raise ReportError(f"{where}: a column has values it cannot have: {error}.") from None


def _fits(kind: Kind, found: Any) -> bool:  # noqa: ANN401 - pyarrow ships no types
    """Whether an Arrow type can stand for a column kind; an all-null column has no type of its own."""
    types = pa.types
    if types.is_dictionary(found):
        found = found.value_type
    if types.is_null(found):
        return True
    if kind == "str":
        return bool(types.is_string(found) or types.is_large_string(found) or types.is_string_view(found))
    if kind == "bool":
        return bool(types.is_boolean(found))
    return bool(types.is_integer(found) or (kind == "float" and types.is_floating(found)))


def _listed(names: list[str]) -> str:
    """Name a table's columns, a few of many."""
    shown = 6
    return ", ".join(names[:shown]) + (" ..." if len(names) > shown else "") if names else "no columns"
