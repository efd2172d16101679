"""Many independent simulations, in this process or spread over worker processes, in the order asked for."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

T = TypeVar("T")

WORTH_WORKERS_S = 2.0
"""Work ahead, in seconds, from which on starting worker processes pays."""


def cpus_to_use() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers(Generic[T]):
    """A context in which one function is called with many arguments.

    Calls are made in this process until there is work ahead that is worth starting worker processes for.
    Results come in the order of the arguments and are the same either way. Leaving the context ends the
    worker processes, whatever they are at.

    Args:
        function: a module's function, which worker processes can import.
        jobs: worker processes at most; 1 means none.
        worth_s: seconds of work ahead from which on to start them.
    """

    def __init__(self, function: Callable[..., T], jobs: int, *, worth_s: float = WORTH_WORKERS_S) -> None:
        self.function = function
        self.jobs = jobs
        self._worth_s = worth_s
        self._pool: ProcessPoolExecutor | None = None
        self._started: list[Any] = []
        self._spent_s = 0.0
        self._calls = 0

    def __enter__(self) -> Workers[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            for process in self._started:
                process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)

    def results(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        """Call the function with each of the arguments, and give the results in that order.

        Raises:
            TimeshareError: a worker process was killed.
        """
        for at, arguments in enumerate(calls):
            if self._pool is not None or self._are_worth_it(len(calls) - at):
                yield from self._from_workers(calls[at:])
                return
            begun = time.perf_counter()
            result = self.function(*arguments)
            self._spent_s += time.perf_counter() - begun
            self._calls += 1
            yield result

    def _are_worth_it(self, to_come: int) -> bool:
        each_s = self._spent_s / self._calls if self._calls else 0.0
        return self.jobs > 1 and to_come > 1 and to_come * each_s >= self._worth_s

    def _from_workers(self, calls: Sequence[tuple[Any, ...]]) -> Iterator[T]:
        with _interrupts_unheard():
            if self._pool is None:
                before = set(multiprocessing.active_children())
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self.jobs, mp_context=context)
                futures = self._submitted(calls)
                self._started = [p for p in multiprocessing.active_children() if p not in before]
            else:
                futures = self._submitted(calls)
        try:
            for future in futures:
                yield future.result()
        except BrokenProcessPool as error:
            raise TimeshareError(
                "a worker process was killed, perhaps for want of memory; try fewer with --jobs"
            ) from error

    def _submitted(self, calls: Sequence[tuple[Any, ...]]) -> list[Future[T]]:
        assert self._pool is not None  # noqa: S101 - for the type checker
        return [self._pool.submit(self.function, *arguments) for arguments in calls]


@contextmanager
def _interrupts_unheard() -> Iterator[None]:
    """Have processes that start meanwhile ignore Ctrl-C, which this one answers by ending them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
