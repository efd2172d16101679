"""What a process does with memory: getting it, bytes in and out, files, many accesses at once, and fork."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.disk_waits import DiskWaits
from simulator.memory.address_space import Access

if TYPE_CHECKING:
    import simpy
    from numpy.typing import NDArray

    from simulator.memory.address_space import AddressSpace
    from simulator.process import Process
    from simulator.process_memory import ProcessMemory


class MemoryCalls(DiskWaits):
    """Carries them out, and has the process spend the CPU time that they take."""

    def give(self, process: Process, memory: ProcessMemory) -> AddressSpace:
        """Give a process that begins its memory."""
        self.note_compaction(process)
        process.memory, space = memory, memory.space
        process.account = space.account
        self._set_swap_ns(process, self._mechanism.save_ns(space), self._mechanism.restore_ns(space))
        return space

    def take(self, process: Process) -> None:
        """Take a process that has ended its memory."""
        if process.memory is not None:
            process.memory.release()
            process.memory = None
        self._set_swap_ns(process, 0, 0)

    def load(self, process: Process, address: int, size: int) -> simpy.Event:
        """Read bytes; the event's value is what they are.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.read`; where the disk had to be waited for, the event
                fails with them.
        """
        parts: list[bytes] = []
        done = 0

        def step(space: AddressSpace) -> bool:
            nonlocal done
            length = space.step_bytes(address + done, size - done)
            parts.append(space.read(address + done, length))
            done += length
            return done >= size

        return self.step_by_step(process, step, lambda: b"".join(parts), _range(address, size))

    def store(self, process: Process, address: int, data: bytes) -> simpy.Event:
        """Write bytes.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.write`; see `load`.
        """
        done = 0

        def step(space: AddressSpace) -> bool:
            nonlocal done
            length = space.step_bytes(address + done, len(data) - done)
            space.write(address + done, data[done : done + length])
            done += length
            return done >= len(data)

        return self.step_by_step(process, step, lambda: None, _range(address, len(data)))

    def access(self, process: Process, addresses: NDArray[np.int64], access: Access) -> simpy.Event:
        """Use one address after another, whatever the bytes are.

        Raises:
            MemoryFault, OutOfMemory: as `AddressSpace.access_many`; see `load`.
        """
        done = 0

        def step(space: AddressSpace) -> bool:
            nonlocal done
            done += space.access_some(addresses[done:], access)
            return done >= len(addresses)

        return self.step_by_step(process, step, lambda: None, addresses)

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

    def _set_swap_ns(self, process: Process, save_ns: int, restore_ns: int) -> None:
        """Let the kernel know what switches cost because of a process's memory."""
        columns = self._dispatcher.state.processes
        if save_ns or restore_ns:
            self._dispatcher.state.totals.swaps_memory[0] = 1
        columns.save_ns[process.pid : process.pid + process.threads] = save_ns
        columns.restore_ns[process.pid : process.pid + process.threads] = restore_ns


def _range(address: int, size: int) -> NDArray[np.int64]:
    """Return the first and the last address of a range, if it has any."""
    return np.array([address, address + size - 1] if size > 0 else [], np.int64)
