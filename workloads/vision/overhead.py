"""What the clock itself costs, measured operation by operation.

A dispatch mode written in Python costs about 5 us per operation when its code is in the CPU's caches, and
two to four times that in the midst of an inference, whose kernels push it out. Neither a guess nor a
measurement on an idle sequence will do. So the operations of one inference are kept with their arguments
and run again, one after another, through the same Python functions as the model called, with the mode and
without it: the difference of the two is the mode's cost, for this operation, at this place.
"""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time_ns
from typing import TYPE_CHECKING, Any

import torch

from workloads.vision.calls import Calls, name_of

if TYPE_CHECKING:
    from torch._ops import OpOverload

    from workloads.vision.calls import Inference

Call = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


def keep_calls(inference: Inference) -> list[Call | None]:
    """Run one inference and return its operations as calls to repeat; None where one cannot be repeated."""
    with Calls(keep_arguments=True) as kept:
        inference()
    return [
        _callable(operation, args, kwargs)
        for operation, (args, kwargs) in zip(kept.operations, kept.arguments, strict=True)
    ]


def run_calls(calls: list[Call | None]) -> list[int]:
    """Repeat the calls and return the CPU time of each in nanoseconds, 0 where there is none."""
    times = []
    for call in calls:
        if call is None:
            times.append(0)
            continue
        function, args, kwargs = call
        begin = thread_time_ns()
        function(*args, **kwargs)
        times.append(thread_time_ns() - begin)
    return times


def _callable(operation: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
    """Return the Python function that dispatches to exactly this operation; failing that, the operation.

    The functions models call are quicker than the operation's own object, so a clock held against the
    latter would look cheaper than it is.
    """
    name = name_of(operation).partition("::")[2]
    functions = [
        getattr(home, name, None)
        for home in (torch, torch._C._nn, torch.Tensor)  # noqa: SLF001  # hardswish and its like live there only
    ]
    for function in (*functions, operation):
        if not callable(function):
            continue
        try:
            with Calls() as seen:
                function(*args, **kwargs)
        except Exception:  # noqa: BLE001, S112  # whatever it raises, this is not the function, or not repeatable
            continue
        if seen.operations == [operation]:
            return function, args, kwargs
    return None
