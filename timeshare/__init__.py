"""timeshare: who gets the CPU and the memory when vision models share one box.

The Python door to what the command line does:

    import timeshare

    result = timeshare.simulate("camera-box", scheduler="lottery")
    result.table("processes")          # a pandas frame
    timeshare.load("results/camera-box-stride")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reports.result import Result, load
    from scenarios.loader import load_scenario
    from timeshare.running import compare, simulate

__all__ = ["Result", "compare", "load", "load_scenario", "simulate"]

_HOMES = {
    "Result": "reports.result",
    "compare": "timeshare.running",
    "load": "reports.result",
    "load_scenario": "scenarios.loader",
    "simulate": "timeshare.running",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as the language wants it
    # Imported when used: the command line must answer at once.
    if name not in _HOMES:
        raise AttributeError(f"module 'timeshare' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
