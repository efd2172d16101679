"""memory.high: a process whose job holds more than it should sleeps before it goes on.

After `__mem_cgroup_handle_over_high` and `calculate_high_delay` in mm/memcontrol.c. The kernel takes memory
back from the job first, if it can; a process that took memory meanwhile then sleeps on its way back to user
mode, the longer the further its job is beyond the limit: as the square of that, and at most two seconds.

Two things are plainer here. The kernel counts jiffies, and nanoseconds are counted here. And it charges in
batches of 64 pages, each counted whole; here pages are counted as they are taken, which is as many in all.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import simpy

    from simulator.clock import Clock
    from simulator.memory.control import MemoryControl
    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process

SECOND_NS = 1_000_000_000
LONGEST_NS = 2 * SECOND_NS
"""MEMCG_MAX_HIGH_DELAY_JIFFIES."""
NOT_WORTH_NS = SECOND_NS // 100
"""A sleep that is not longer is not slept."""
PRECISION_SHIFT, SCALING_SHIFT = 20, 14
CHARGE_BATCH = 64
RECLAIM_PAGES = 32
"""SWAP_CLUSTER_MAX: what is taken back at a time once the first batch has been."""


def overage(used_bytes: int, high_bytes: int, page_bytes: int) -> int:
    """Return how far a claim is beyond its limit, as a part of the limit, times 2^20."""
    used, high = used_bytes // page_bytes, high_bytes // page_bytes
    return 0 if used <= high else (used - high << PRECISION_SHIFT) // max(high, 1)


def worst_overage(control: MemoryControl, page_bytes: int) -> int:
    """Return the largest overage of a claim and the groups around it."""
    return max(
        (
            overage(one.used_bytes, one.high_bytes, page_bytes)
            for one in control.lineage()
            if one.high_bytes is not None
        ),
        default=0,
    )


def high_delay_ns(overage: int, pages: int) -> int:
    """Return how long a process is to sleep.

    Args:
        overage: how far its job is beyond the limit, as `overage` has it.
        pages: how many it has taken while that was so.
    """
    delay = overage * overage * SECOND_NS >> PRECISION_SHIFT >> SCALING_SHIFT
    delay = min(delay * pages // CHARGE_BATCH, LONGEST_NS)
    return 0 if delay <= NOT_WORTH_NS else delay


class Throttle:
    """Has the processes of one machine sleep.

    Args:
        clock: simulated time.
        mechanism: whose charges are watched, and what can take memory back.
        processes: all processes, by pid, more to come.
        asking: returns the process that is making a system call, if any.
        tell: puts an event on record: the process, the kind and what happened in words.
    """

    def __init__(
        self,
        clock: Clock,
        mechanism: Mechanism,
        processes: Sequence[Process],
        asking: Callable[[], Process | None],
        tell: Callable[[Process, str, str], None],
    ) -> None:
        self._clock = clock
        self._mechanism = mechanism
        self._processes = processes
        self._asking = asking
        self._tell = tell
        mechanism.memory.charges.note_high = self._note

    def before(self, process: Process, ask: Callable[[], simpy.Event]) -> simpy.Event:
        """Let a process ask for something once it has slept as long as it must.

        Args:
            process: the process, on its way back to user mode.
            ask: makes the request, and returns its event.

        Returns:
            An event with that event's outcome.
        """
        delay = self._delay_ns(process)
        if delay == 0:
            return ask()
        process.throttled_ns += delay
        for one in process.control.lineage():
            one.throttled_ns += delay
        done = self._clock.event()
        # Who waits for the request waits for its event here, too.
        self._clock.timeout(delay).callbacks.append(partial(self._go_on, process, ask, done))
        return done

    def is_due(self, process: Process) -> bool:
        """Say whether a process may have to sleep before it goes on."""
        return process.over_high_pages > 0

    def _note(self, _control: MemoryControl, size: int) -> None:
        process = self._asking()
        if process is not None:
            process.over_high_pages += -(-size // self._mechanism.page_bytes)

    def _delay_ns(self, process: Process) -> int:
        """Take memory back as the kernel does, and return how long the process is to sleep after that."""
        pages, process.over_high_pages = process.over_high_pages, 0
        if pages == 0:
            return 0
        amount = pages
        while True:
            freed = self._reclaim(process.control, amount)
            delay = high_delay_ns(worst_overage(process.control, self._mechanism.page_bytes), pages)
            if delay == 0:
                return 0
            if freed == 0:
                break
            amount = RECLAIM_PAGES
        beyond = next(
            one
            for one in process.control.lineage()
            if one.high_bytes is not None and one.used_bytes > one.high_bytes
        )
        held, high = format_bytes(beyond.used_bytes), format_bytes(beyond.high_bytes or 0)
        self._tell(
            process,
            "throttle",
            f"asleep {delay // 1_000_000} ms: {beyond.name} holds {held}, memory.high is {high}",
        )
        return delay

    def _reclaim(self, control: MemoryControl, pages: int) -> int:
        """Take so many pages back from each claim that is beyond its limit; return bytes freed."""
        freed = 0
        for one in control.lineage():
            if one.high_bytes is not None and one.used_bytes > one.high_bytes:
                spaces = [
                    process.memory.space
                    for process in self._processes
                    if process.memory is not None and process.control.is_within(one)
                ]
                freed += self._mechanism.reclaim(pages * self._mechanism.page_bytes, spaces)
        return freed

    @staticmethod
    def _go_on(process: Process, ask: Callable[[], simpy.Event], done: simpy.Event, _slept: object) -> None:
        if process.ended is None:
            event = ask()
            event.callbacks.append(partial(_pass_on, done))


def _pass_on(done: simpy.Event, event: simpy.Event) -> None:
    """Let one event happen as another did."""
    event.defused = True
    done.trigger(event)
