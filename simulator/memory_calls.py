"""What a process does with memory as a whole: getting it, files, fork, and giving it back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from simulator.memory.address_space import Access
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.dispatcher import Dispatcher
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.mechanism import Mechanism
    from simulator.memory.memcheck.diagnosis import Diagnosis
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory


class MemoryCalls:
    """Carries them out; what they take is spent with the next demand.

    Args:
        mechanism: translates addresses.
        dispatcher: knows which CPU a process is on.
        tell: puts an event on record: the process, the kind and what happened in words.
        diagnose: puts on record what memcheck finds.
    """

    def __init__(
        self,
        mechanism: Mechanism,
        dispatcher: Dispatcher,
        tell: Callable[[Process, str, str], None],
        diagnose: Callable[[Process, Diagnosis], None],
    ) -> None:
        self._mechanism = mechanism
        self._dispatcher = dispatcher
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

    def _set_swap_ns(self, process: Process, save_ns: int, restore_ns: int) -> None:
        """Let the kernel know what switches cost because of a process's memory."""
        columns = self._dispatcher.state.processes
        if save_ns or restore_ns:
            self._dispatcher.state.totals.swaps_memory[0] = 1
        columns.save_ns[process.pid : process.pid + process.threads] = save_ns
        columns.restore_ns[process.pid : process.pid + process.threads] = restore_ns
