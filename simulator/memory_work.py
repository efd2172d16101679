"""What takes a process time because of memory: bytes in and out, many accesses at once, bursts.

Where pages can be on disk, an access is carried out up to the first page that is: the process spends what it
owes for the fault, is blocked until the disk is done, and goes on. Everything else costs CPU time alone. One
whose job holds more memory than it should sleeps before it gets the CPU time (`simulator.throttling`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.memory.address_space import Access
from simulator.memory.errors import OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import simpy
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.dispatcher import Dispatcher
    from simulator.killing import Reaper
    from simulator.memory.address_space import AddressSpace
    from simulator.memory_calls import MemoryCalls
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory


class MemoryWork:
    """Carries it out, and has the process spend the CPU time and wait for the disk.

    Args:
        calls: knows a process's memory.
        dispatcher: hands out CPU time.
        reaper: knows on whose behalf what takes time is done, and has processes sleep that hold too much.
        reference_ns: what one reference to memory takes.
    """

    def __init__(self, calls: MemoryCalls, dispatcher: Dispatcher, reaper: Reaper, reference_ns: int) -> None:
        self._calls = calls
        self._dispatcher = dispatcher
        self._reaper = reaper
        self._throttle = reaper.throttle
        self._reference_ns = reference_ns

    def pay(self, process: Process) -> Generator[simpy.Event, Any, None]:
        """Have a process spend the CPU time that it owes for memory, and wait for the disk, if it must."""
        if process.memory is not None:
            yield from self._settle(process, process.memory)

    def compute(self, process: Process, cpu_ns: int) -> simpy.Event:
        """Have a process execute for so long, and for what it owes for memory."""
        memory = self._calls.living(process)
        done_ns = memory.take_disk_done_ns()
        if done_ns <= self._dispatcher.clock.now_ns:
            return self._spend(process, cpu_ns + memory.take_owed_ns())
        memory.space.disk_done_ns = done_ns
        return self._reaper.go_on(process, self._compute_later(process, memory, cpu_ns))

    def execute(self, process: Process, burst: Burst, received_ns: Callable[[], int]) -> simpy.Event:
        """Have a process execute a burst, whole or, if it may have to wait for the disk, in pieces.

        Args:
            process: who.
            burst: what.
            received_ns: says what CPU time the process has received.
        """
        memory, kernel, pid = self._calls.living(process), self._dispatcher, process.pid
        if memory.space.disk_done_ns > kernel.clock.now_ns:
            return self._reaper.go_on(process, self._execute_later(process, memory, burst, received_ns))
        owed = memory.take_owed_ns()
        trajectory = memory.begin(burst, received_ns() + owed)
        failure = trajectory.failure
        if memory.pieces is not None:
            error = None if failure is None else failure.error
            pieces = self._execute_in_pieces(process, memory, burst, owed, error)
            return self._reaper.go_on(process, pieces)

        def ask() -> simpy.Event:
            if failure is None:
                faults = trajectory.end_ns - burst.cpu_ns
                event = kernel.awaited.execute(pid, burst, burst.cpu_ns, before_ns=owed + faults)
            else:
                until = int(burst.event_offset_ns[failure.event])
                before = owed + failure.offset_ns - until
                event = kernel.awaited.execute(pid, burst, until, before_ns=before, failure=failure.error)
            event.callbacks.append(lambda _: memory.finish())
            return event

        return self._throttle.before(process, ask)

    def load(self, process: Process, address: int, size: int) -> simpy.Event:
        """Read bytes; the event's value is what they are.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.read`; where the disk had to be waited for, the event
                fails with them.
            ProcessAbort: memcheck found something, and is to abort.
        """
        found = bytearray()
        self._calls.living(process).check(Access.READ, address, size)

        def step(space: AddressSpace) -> bool:
            at = len(found)
            found.extend(space.read(address + at, space.step_bytes(address + at, size - at)))
            return len(found) >= size

        return self._step_by_step(process, step, lambda: bytes(found), _range(address, size))

    def store(self, process: Process, address: int, data: bytes) -> simpy.Event:
        """Write bytes.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.write`; see `load`.
        """
        done = 0
        self._calls.living(process).check(Access.WRITE, address, len(data))

        def step(space: AddressSpace) -> bool:
            nonlocal done
            length = space.step_bytes(address + done, len(data) - done)
            space.write(address + done, data[done : done + length])
            done += length
            return done >= len(data)

        return self._step_by_step(process, step, lambda: None, _range(address, len(data)))

    def access(self, process: Process, addresses: NDArray[np.int64], access: Access) -> simpy.Event:
        """Use one address after another, whatever the bytes are.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.access_many`; see `load`.
        """
        done = 0
        self._calls.living(process).check_many(access, addresses)

        def step(space: AddressSpace) -> bool:
            nonlocal done
            done += space.access_some(addresses[done:], access)
            return done >= len(addresses)

        return self._step_by_step(process, step, lambda: None, addresses)

    def _step_by_step(
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
        memory = self._calls.on_cpu(process)
        clock, kernel = self._dispatcher.clock, self._dispatcher
        if not kernel.is_running(process.pid) and memory.space.may_wait(addresses):
            return self._reaper.go_on(process, self._go_on(process, memory, step, value, last=False))
        last = step(memory.space)
        while not last and not memory.space.disk_done_ns:
            last = step(memory.space)
        self._calls.note_compaction(process)
        if memory.space.disk_done_ns:
            return self._reaper.go_on(process, self._go_on(process, memory, step, value, last=last))
        done = clock.event()
        spent = self._spend(process, memory.take_owed_ns())
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
            self._calls.note_on_cpu(process)
            last = step(memory.space)
            if last or memory.space.disk_done_ns:
                yield from self._settle(process, memory)
        return value()

    def _settle(self, process: Process, memory: ProcessMemory) -> Generator[simpy.Event, Any, None]:
        """Spend the CPU time that is owed; then be blocked until the disk is done, and get a CPU again."""
        owed, done_ns = memory.take_owed_ns(), memory.take_disk_done_ns()
        if owed or self._throttle.is_due(process):
            yield self._spend(process, owed)
        clock = self._dispatcher.clock
        if done_ns > clock.now_ns:
            begun_ns = clock.now_ns
            yield clock.timeout(done_ns - begun_ns)
            memory.space.account.blocked_ns += done_ns - begun_ns
            if process.memory is memory:
                yield self._on_a_cpu(process, memory)

    def _spend(self, process: Process, cpu_ns: int) -> simpy.Event:
        """Have a process execute for so long, once it has slept as long as it must."""
        return self._throttle.before(process, lambda: self._dispatcher.awaited.demand(process.pid, cpu_ns))

    def _on_a_cpu(self, process: Process, memory: ProcessMemory) -> simpy.Event:
        """Return an event that happens when a process has executed for one reference to memory."""
        memory.prepay(self._reference_ns)
        return self._dispatcher.awaited.demand(process.pid, self._reference_ns)

    def _compute_later(
        self, process: Process, memory: ProcessMemory, cpu_ns: int
    ) -> Generator[simpy.Event, Any, None]:
        yield from self._settle(process, memory)
        if process.memory is memory:
            yield self._spend(process, cpu_ns)

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
            self._calls.note_on_cpu(process)
            try:
                from_ns, until_ns = pieces.touch(piece)
            except OutOfMemory:
                memory.finish()
                raise
            faults_ns = memory.take_owed_ns()
            memory.delay(faults_ns)
            before_ns += faults_ns
            if memory.space.disk_done_ns > kernel.clock.now_ns:
                yield self._spend(process, before_ns)
                before_ns = 0
                yield from self._settle(process, memory)
            if until_ns - from_ns + before_ns > 0 and process.memory is memory:
                run = partial(kernel.awaited.execute, process.pid, burst, until_ns)
                ask = partial(run, from_ns=from_ns, before_ns=before_ns)
                yield self._throttle.before(process, ask)
            before_ns = 0
        if process.memory is not memory:
            return
        memory.finish()
        if failure is not None:
            raise failure


def _range(address: int, size: int) -> NDArray[np.int64]:
    """Return the first and the last address of a range, if it has any."""
    return np.array([address, address + size - 1] if size > 0 else [], np.int64)


def _happen(done: simpy.Event, value: object, _spent: simpy.Event) -> None:
    done.succeed(value)
