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

import numpy as np
import torch

from workloads.vision.calls import Calls, name_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch._ops import OpOverload

    from workloads.vision.calls import Inference

LONG_NS = 100_000

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


def clock_cost(bare_ns: NDArray[np.int64], covered_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what the clock costs each operation.

    An operation of `LONG_NS` or more varies from run to run by more than the clock costs, and one that cannot
    be repeated has no figure of its own: both are given the median of the short ones.

    Args:
        bare_ns: int64[runs, operations], `run_calls` without the clock.
        covered_ns: int64[runs, operations], `run_calls` under the clock.

    Returns:
        int64[operations], nanoseconds, >= 0.
    """
    bare = np.median(bare_ns, axis=0)
    cost: NDArray[np.int64] = np.maximum(np.median(covered_ns, axis=0) - bare, 0).astype(np.int64)
    repeated = bare > 0
    short = repeated & (bare < LONG_NS)
    basis = short if short.any() else repeated
    if basis.any():
        cost[~short] = int(np.median(cost[basis]))
    return cost


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
