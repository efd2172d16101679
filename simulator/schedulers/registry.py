"""From a policy's name in a scenario to a scheduler."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from simulator.plugins import PluginError, find, installed
from simulator.schedulers.base import Scheduler

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUP = "timeshare.schedulers"


def scheduler_names() -> list[str]:
    """Return the names of all installed policies."""
    return installed(GROUP)


def scheduler_class(name: str) -> type[Scheduler]:
    """Return the class of a policy, by its installed name or `module:Class`.

    Raises:
        PluginError: there is no such policy, or it is not a scheduler.
    """
    kind = find(GROUP, name)
    if not (inspect.isclass(kind) and issubclass(kind, Scheduler)):
        raise PluginError(f"scheduler '{name}' is not a subclass of simulator.schedulers.base.Scheduler")
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        raise PluginError(f"scheduler '{name}' lacks the method(s) {missing}")
    return kind


def make_scheduler(name: str, options: Mapping[str, Any]) -> Scheduler:
    """Return a new scheduler of that policy, made with the options.

    Raises:
        PluginError: there is no such policy, or it does not take these options.
    """
    kind = scheduler_class(name)
    known = [parameter for parameter in inspect.signature(kind).parameters if parameter != "self"]
    for option in options:
        if option not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise PluginError(f"scheduler '{name}' has no option '{option}': {takes}")
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise PluginError(f"scheduler '{name}' does not accept these options: {error}") from error
