"""Replacement policies by the names that scenarios give them, and by `module:Class`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.paging.replacement.base import Replacement
from simulator.memory.paging.replacement.chance import Random
from simulator.memory.paging.replacement.clock import Clock
from simulator.memory.paging.replacement.fifo import Fifo
from simulator.memory.paging.replacement.inverse_lottery import InverseLottery
from simulator.memory.paging.replacement.lru import Lru
from simulator.memory.paging.replacement.opt import Opt
from simulator.plugins import PluginError, find

if TYPE_CHECKING:
    from typing import Any

POLICIES: dict[str, type[Replacement]] = {
    policy.name: policy for policy in (Fifo, Lru, Clock, Random, Opt, InverseLottery)
}
"""In the order in which OSTEP comes to them."""
GROUP = "timeshare.replacements"


def replacement_class(name: str) -> type[Replacement]:
    """Return the policy of that name, or the class that `module:Class` says.

    Raises:
        PluginError: there is none, or it is no `Replacement`.
    """
    if ":" not in name and name in POLICIES:
        return POLICIES[name]
    found: Any = find(GROUP, name)
    if not (isinstance(found, type) and issubclass(found, Replacement)):
        raise PluginError(f"replacement '{name}' is no subclass of {Replacement.__module__}:Replacement")
    return found
