"""How a process spends CPU time on memory, and waits for the disk where pages can be on one.

An access is carried out up to the first page that is on disk: the process spends what it owes for the fault,
is blocked until the disk is done, and goes on. Everything else costs CPU time alone. A process may be killed
while it is blocked; then it does not go on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    import simpy
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.dispatcher import Dispatcher
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.mechanism import Mechanism
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory


class DiskWaits:
    """Has processes execute, and be blocked in between where they must.

    Args:
        mechanism: translates addresses.
        dispatcher: knows which CPU a process is on, and hands out CPU time.
        tell: puts an event on record: the process, the kind and what happened in words.
    """

    def __init__(
        self, mechanism: Mechanism, dispatcher: Dispatcher, tell: Callable[[Process, str, str], None]
    ) -> None:
        self._mechanism = mechanism
        self._dispatcher = dispatcher
        self._tell = tell
        self._compactions = 0

    def pay(self, process: Process) -> Generator[simpy.Event, Any, None]:
        """Have a process spend the CPU time that it owes for memory, and wait for the disk, if it must."""
        if process.memory is not None:
            yield from self._settle(process, process.memory)

    def compute(self, process: Process, cpu_ns: int) -> simpy.Event:
        """Have a process execute for so long, and for what it owes for memory."""
        memory = self.living(process)
        done_ns = memory.take_disk_done_ns()
        if done_ns <= self._dispatcher.clock.now_ns:
            return self._dispatcher.demand(process.pid, cpu_ns + memory.take_owed_ns())
        memory.space.disk_done_ns = done_ns
        return self._dispatcher.clock.process(self._compute_later(process, memory, cpu_ns))

    def execute(self, process: Process, burst: Burst, received_ns: Callable[[], int]) -> simpy.Event:
        """Have a process execute a burst, whole or, if it may have to wait for the disk, in pieces.

        Args:
            process: who.
            burst: what.
            received_ns: says what CPU time the process has received.
        """
        memory, kernel, pid = self.living(process), self._dispatcher, process.pid
        if memory.space.disk_done_ns > kernel.clock.now_ns:
            return kernel.clock.process(self._execute_later(process, memory, burst, received_ns))
        owed = memory.take_owed_ns()
        trajectory = memory.begin(burst, received_ns() + owed)
        failure = trajectory.failure
        if memory.pieces is not None:
            error = None if failure is None else failure.error
            return kernel.clock.process(self._execute_in_pieces(process, memory, burst, owed, error))
        if failure is None:
            faults = trajectory.end_ns - burst.cpu_ns
            event = kernel.execute(pid, burst, burst.cpu_ns, before_ns=owed + faults)
        else:
            until = int(burst.event_offset_ns[failure.event])
            before = owed + failure.offset_ns - until
            event = kernel.execute(pid, burst, until, before_ns=before, failure=failure.error)
        event.callbacks.append(lambda _: memory.finish())
        return event

    def on_cpu(self, process: Process) -> ProcessMemory:
        """Return a process's memory, ready to be used by the CPU that it is on.

        Raises:
            RuntimeError: the process has ended.
        """
        memory = self.living(process)
        self.note_on_cpu(process)
        return memory

    def living(self, process: Process) -> ProcessMemory:
        """Return a process's memory.

        Raises:
            RuntimeError: the process has ended.
        """
        if process.memory is None:
            raise RuntimeError(f"process {process.pid} has ended and makes no more system calls")
        return process.memory

    def note_on_cpu(self, process: Process) -> None:
        """Let the mechanism know that a process, if it has not ended, is on the CPU that it was on last."""
        if process.memory is not None:
            columns, pid = self._dispatcher.state.processes, process.pid
            cpu, switches = int(columns.last_cpu[pid]), int(columns.switches_in[pid])
            self._mechanism.run_on(process.memory.space, cpu, switches)

    def note_compaction(self, process: Process) -> None:
        """Tell of address spaces that have been moved together for a process."""
        if self._mechanism.compactions > self._compactions:
            self._compactions = self._mechanism.compactions
            hole = format_bytes(self._mechanism.memory.largest_hole_bytes)
            self._tell(process, "compact", f"moved other processes together; {hole} are left in one piece")

    def step_by_step(
        self,
        process: Process,
        step: Callable[[AddressSpace], bool],
        value: Callable[[], object],
        addresses: NDArray[np.int64],
    ) -> simpy.Event:
        """Take steps until one says that it was the last; return an event with a value.

        Only a step that has to wait for the disk keeps the next ones waiting. The process spends what it owes
        then, and at the end. One that is not on a CPU and may have to wait must be given one first, as the
        disk is asked by a process that executes.
        """
        memory = self.on_cpu(process)
        clock, kernel = self._dispatcher.clock, self._dispatcher
        if not kernel.is_running(process.pid) and memory.space.may_wait(addresses):
            return clock.process(self._go_on(process, memory, step, value, last=False))
        last = step(memory.space)
        while not last and not memory.space.disk_done_ns:
            last = step(memory.space)
        self.note_compaction(process)
        if memory.space.disk_done_ns:
            return clock.process(self._go_on(process, memory, step, value, last=last))
        done = clock.event()
        spent = self._dispatcher.demand(process.pid, memory.take_owed_ns())
        spent.callbacks.append(partial(_happen, done, value()))
        return done

    def _go_on(
        self,
        process: Process,
        memory: ProcessMemory,
        step: Callable[[AddressSpace], bool],
        value: Callable[[], object],
        *,
        last: bool,
    ) -> Generator[simpy.Event, Any, object]:
        if memory.space.disk_done_ns:
            yield from self._settle(process, memory)
        else:
            yield self._on_a_cpu(process, memory)
        while not last and process.memory is memory:
            self.note_on_cpu(process)
            last = step(memory.space)
            if last or memory.space.disk_done_ns:
                yield from self._settle(process, memory)
        return value()

    def _settle(self, process: Process, memory: ProcessMemory) -> Generator[simpy.Event, Any, None]:
        """Spend the CPU time that is owed; then be blocked until the disk is done, and get a CPU again."""
        owed, done_ns = memory.take_owed_ns(), memory.take_disk_done_ns()
        if owed:
            yield self._dispatcher.demand(process.pid, owed)
        clock = self._dispatcher.clock
        begun_ns = clock.now_ns
        if done_ns > begun_ns and process.memory is memory:
            yield clock.timeout(done_ns - begun_ns)
            memory.space.account.blocked_ns += done_ns - begun_ns
            if process.memory is memory:
                yield self._on_a_cpu(process, memory)

    def _on_a_cpu(self, process: Process, memory: ProcessMemory) -> simpy.Event:
        """Return an event that happens when a process has executed for one reference to memory."""
        memory.prepay(self._mechanism.costs.reference_ns)
        return self._dispatcher.demand(process.pid, self._mechanism.costs.reference_ns)

    def _compute_later(
        self, process: Process, memory: ProcessMemory, cpu_ns: int
    ) -> Generator[simpy.Event, Any, None]:
        yield from self._settle(process, memory)
        if process.memory is memory:
            yield self._dispatcher.demand(process.pid, cpu_ns)

    def _execute_later(
        self, process: Process, memory: ProcessMemory, burst: Burst, received_ns: Callable[[], int]
    ) -> Generator[simpy.Event, Any, None]:
        yield from self._settle(process, memory)
        if process.memory is memory:
            yield self.execute(process, burst, received_ns)

    def _execute_in_pieces(
        self, process: Process, memory: ProcessMemory, burst: Burst, before_ns: int, failure: Exception | None
    ) -> Generator[simpy.Event, Any, None]:
        """Execute a burst piece by piece; each begins when its pages are in memory."""
        pieces, kernel = memory.pieces, self._dispatcher
        if not kernel.is_running(process.pid):
            yield self._on_a_cpu(process, memory)
        for piece in range(0 if pieces is None else pieces.count):
            if process.memory is not memory or pieces is None:
                return
            self.note_on_cpu(process)
            try:
                from_ns, until_ns = pieces.touch(piece)
            except OutOfMemory:
                memory.finish()
                raise
            faults_ns = memory.take_owed_ns()
            memory.delay(faults_ns)
            before_ns += faults_ns
            if memory.space.disk_done_ns > kernel.clock.now_ns:
                yield kernel.demand(process.pid, before_ns)
                before_ns = 0
                yield from self._settle(process, memory)
            if until_ns - from_ns + before_ns > 0 and process.memory is memory:
                yield kernel.execute(process.pid, burst, until_ns, from_ns=from_ns, before_ns=before_ns)
            before_ns = 0
        if process.memory is not memory:
            return
        memory.finish()
        if failure is not None:
            raise failure


def _happen(done: simpy.Event, value: object, _spent: simpy.Event) -> None:
    done.succeed(value)
