"""Plug-ins: things found by the name they are installed under, or by `module:attribute`."""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from simulator.errors import TimeshareError


class PluginError(TimeshareError):
    """A plug-in cannot be found or loaded."""


def installed(group: str) -> list[str]:
    """Return the names installed in an entry-point group, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def find(group: str, name: str) -> Any:  # noqa: ANN401 - a plug-in can be any object
    """Return the object that a name stands for.

    Args:
        group: the entry-point group, such as "timeshare.schedulers".
        name: an installed name, or `module:attribute` of anything importable.

    Raises:
        PluginError: there is no such name, module or attribute, or importing it failed.
    """
    what = group.removeprefix("timeshare.").removesuffix("s")
    if ":" in name:
        module_name, _, attribute = name.partition(":")
        try:
            return getattr(importlib.import_module(module_name), attribute)
        except AttributeError:
            raise PluginError(f"{what} '{name}': module {module_name} has no attribute {attribute}") from None
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise PluginError(f"{what} '{name}': importing {module_name} failed: {why}") from error
    for point in entry_points(group=group):
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                raise PluginError(f"{what} '{name}' cannot be loaded: {error}") from error
    known = installed(group)
    near = get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise PluginError(
        f"unknown {what} {name}{hint} (known: {', '.join(known)}; or your own as module:attribute)"
    )
