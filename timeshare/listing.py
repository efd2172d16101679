"""The commands that say what there is."""

from __future__ import annotations

import inspect
import json
import sys
from typing import TYPE_CHECKING

from rich.table import Table

from simulator.plugins import find
from timeshare.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    Rows = list[dict[str, str]]


def list_what(*, what: str, as_json: bool, quiet: bool) -> int:
    """`timeshare list`."""
    rows = LISTS[what]()
    terminal = Terminal(as_json, quiet)
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = list(rows[0]) if rows else []
    for heading in headings:
        # The last column, the longest text, is the one to be cut where the terminal is narrow.
        needed = max(len(row[heading]) for row in rows) if heading != headings[-1] else None
        table.add_column(heading, overflow="ellipsis", no_wrap=True, min_width=needed)
    for row in rows:
        table.add_row(*row.values())
    if not as_json:
        terminal.show(table)
    terminal.data(rows)
    return 0


def schema() -> int:
    """`timeshare schema`."""
    from scenarios.schema import json_schema  # noqa: PLC0415 - of all lists only this one needs it

    sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
    return 0


def _scenarios() -> Rows:
    from scenarios.library_index import library_titles  # noqa: PLC0415 - of all lists only this one needs it

    return [{"name": name, "what it shows": title} for name, title in library_titles().items()]


def _schedulers() -> Rows:
    from simulator.schedulers.registry import GROUP, scheduler_names  # noqa: PLC0415 - as above

    return [{"name": name, "rule": _first_line(find(GROUP, name))} for name in scheduler_names()]


def _workloads() -> Rows:
    from workloads.base import GROUP, workload_names  # noqa: PLC0415 - as above

    return [{"name": name, "what it does": _first_line(find(GROUP, name))} for name in workload_names()]


def _models() -> Rows:
    from reports.units import duration, size  # noqa: PLC0415 - as above
    from workloads.vision.profile import list_profiles, load_profile  # noqa: PLC0415 - as above

    rows = []
    for name in list_profiles():
        profile = load_profile(name)
        rows.append(
            {
                "name": name,
                "task": profile.task,
                "input": "x".join(str(length) for length in profile.input_shape),
                "CPU time": duration(sum(profile.ops.cpu_ns) / 1e9),
                "peak": size(profile.peak_bytes),
                "weights": size(profile.weights_bytes),
                "model": profile.description.partition(":")[0],
            }
        )
    return rows


def _figures() -> Rows:
    from timeshare.figures import FIGURES  # noqa: PLC0415 - as above

    return [{"name": name, "what it shows": published.shows} for name, published in FIGURES.items()]


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]


LISTS: dict[str, Callable[[], Rows]] = {
    "scenarios": _scenarios,
    "schedulers": _schedulers,
    "workloads": _workloads,
    "models": _models,
    "figures": _figures,
}
