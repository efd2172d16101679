"""What a process does with memory: getting it, bytes in and out, files, many accesses at once, and fork."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from simulator.memory.address_space import Access
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    import simpy
    from numpy.typing import NDArray

    from simulator.dispatcher import Dispatcher
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.mechanism import Mechanism
    from simulator.memory.memcheck.diagnosis import Diagnosis
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory
    from simulator.throttling import Throttle


class MemoryCalls:
    """Carries them out, and has the process spend the CPU time that they take.

    Args:
        mechanism: translates addresses.
        dispatcher: knows which CPU a process is on, and hands out CPU time.
        throttle: has processes sleep whose job holds too much.
        tell: puts an event on record: the process, the kind and what happened in words.
        diagnose: puts on record what memcheck finds.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        dispatcher: Dispatcher,
        throttle: Throttle,
        tell: Callable[[Process, str, str], None],
        diagnose: Callable[[Process, Diagnosis], None],
    ) -> None:
        self._mechanism = mechanism
        self._dispatcher = dispatcher
        self._throttle = throttle
        self._tell = tell
        self._diagnose = diagnose
        self._compactions = 0

    def give(self, process: Process, memory: ProcessMemory) -> AddressSpace:
        """Give a process that begins its memory."""
        self.note_compaction(process)
        process.memory, space = memory, memory.space
        process.account = space.account
        if memory.memcheck is not None:
            process.checked = True
            memory.memcheck.start(process.position, partial(self._diagnose, process))
        self._set_swap_ns(process, self._mechanism.save_ns(space), self._mechanism.restore_ns(space))
        return space

    def take(self, process: Process) -> None:
        """Take a process that has ended its memory."""
        if process.memory is not None:
            process.memory.release()
            process.memory = None
        self._set_swap_ns(process, 0, 0)

    def pay(self, process: Process) -> Generator[simpy.Event, Any, None]:
        """Have a process spend the CPU time that it owes for memory, if any."""
        owed = 0 if process.memory is None else process.memory.take_owed_ns()
        if owed or self._throttle.is_due(process):
            yield self._throttle.before(process, lambda: self._dispatcher.demand(process.pid, owed))

    def load(self, process: Process, address: int, size: int) -> simpy.Event:
        """Read bytes; the event's value is what they are.

        Raises:
            MemoryFault, OutOfMemory, ProcessAbort: as `ProcessMemory.read`.
        """
        memory = self.on_cpu(process)
        return self._spend(process, memory, memory.read(address, size))

    def store(self, process: Process, address: int, data: bytes) -> simpy.Event:
        """Write bytes.

        Raises:
            MemoryFault, OutOfMemory, ProcessAbort: as `ProcessMemory.write`.
        """
        memory = self.on_cpu(process)
        memory.write(address, data)
        return self._spend(process, memory, None)

    def access(self, process: Process, addresses: NDArray[np.int64], access: Access) -> simpy.Event:
        """Use one address after another, whatever the bytes are.

        Raises:
            MemoryFault, OutOfMemory, ProcessAbort: as `ProcessMemory.access`.
        """
        memory = self.on_cpu(process)
        memory.access(addresses, access)
        return self._spend(process, memory, None)

    def map_file(self, process: Process, name: str, size: int) -> int | None:
        """Have a file that is only read in memory, shared with others; return its address.

        The process owes the time that this takes. None where the mechanism cannot share.

        Raises:
            OutOfMemory: there is no room for it.
        """
        memory = self.on_cpu(process)
        address = memory.space.map_file(name, size)
        if address is not None:
            memory.space.touch(address, size, Access.READ)
        return address

    def fork(self, process: Process) -> ProcessMemory:
        """Return the memory of a process's child; the parent owes the time that copying takes.

        Raises:
            OutOfMemory, ForkError: as `Mechanism.fork`.
        """
        memory = self.on_cpu(process).fork(process.name)
        self.note_compaction(process)
        return memory

    def on_cpu(self, process: Process) -> ProcessMemory:
        """Return a process's memory, ready to be used by the CPU that it is on.

        Raises:
            RuntimeError: the process has ended.
        """
        if process.memory is None:
            raise RuntimeError(f"process {process.pid} has ended and makes no more system calls")
        self.note_on_cpu(process)
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

    def _set_swap_ns(self, process: Process, save_ns: int, restore_ns: int) -> None:
        """Let the kernel know what switches cost because of a process's memory."""
        columns = self._dispatcher.state.processes
        if save_ns or restore_ns:
            self._dispatcher.state.totals.swaps_memory[0] = 1
        columns.save_ns[process.pid : process.pid + process.threads] = save_ns
        columns.restore_ns[process.pid : process.pid + process.threads] = restore_ns

    def _spend(self, process: Process, memory: ProcessMemory, value: object) -> simpy.Event:
        """Return an event that happens with a value when the process has received the time it owes."""
        self.note_compaction(process)
        done = self._dispatcher.clock.event()
        owed = memory.take_owed_ns()
        spent = self._throttle.before(process, lambda: self._dispatcher.demand(process.pid, owed))
        spent.callbacks.append(partial(_happen, done, value))
        return done


def _happen(done: simpy.Event, value: object, _spent: simpy.Event) -> None:
    done.succeed(value)
