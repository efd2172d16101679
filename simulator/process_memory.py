"""What one process has in memory, also in the middle of a burst."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from simulator.memory.heap import Heap
from simulator.memory.trajectory import TrajectoryCache

if TYPE_CHECKING:
    from simulator.burst import Burst
    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.mechanism import Mechanism
    from simulator.memory.trajectory import Trajectory


class ProcessMemory:
    """An address space with a heap in it, and how full that heap is at any instant.

    A burst's memory events are carried out on the heap when the burst begins; until it ends, the heap's
    level is read off the trajectory at the CPU time received so far. Nobody else touches a process's heap,
    so that both give the same.

    What takes time beside the burst itself is owed, and paid for with the process's next demand.

    Args:
        mechanism: what the address space is made by.
        space: the address space.
        heap: the heap in it; None for an empty one.
    """

    def __init__(self, mechanism: Mechanism, space: AddressSpace, heap: Heap | None = None) -> None:
        self.space = space
        self.heap = Heap(space) if heap is None else heap
        self._mechanism = mechanism
        self._owed_ns = 0
        self._blocks: dict[int, int] = {}
        self._trajectories = TrajectoryCache()
        self._trajectory: Trajectory | None = None
        self._began_ns = 0
        self._seen_ns = 0
        self._peak_bytes = 0
        self.peak_heap_bytes = 0
        self.peak_resident_bytes = self.space.resident_bytes

    @classmethod
    def create(cls, mechanism: Mechanism, layout: Layout, owner: str) -> ProcessMemory:
        """Return the memory of a new process; raises OutOfMemory where there is no room for it."""
        return cls(mechanism, mechanism.create(layout, owner))

    def fork(self, owner: str) -> ProcessMemory:
        """Return a copy; raises OutOfMemory, or ForkError where there can be none."""
        space = self._mechanism.fork(self.space, owner)
        # All of the heap's state but the space, which is the child's.
        child = ProcessMemory(self._mechanism, space, copy.deepcopy(self.heap, {id(self.space): space}))
        child._blocks = dict(self._blocks)
        child._note_level()
        return child

    def take_owed_ns(self) -> int:
        """Return the CPU time owed for memory since the last call."""
        owed, self._owed_ns = self._owed_ns + self.space.account.settle(self._mechanism.costs), 0
        return owed

    def malloc(self, size: int) -> int:
        """Allocate on the heap and return the virtual address; raises OutOfMemory."""
        address = self.heap.malloc(size)
        self._note_level()
        return address

    def free(self, address: int) -> None:
        """Free a block of the heap; raises InvalidFree."""
        self.heap.free(address)

    def begin(self, burst: Burst, received_ns: int) -> Trajectory:
        """Carry out a burst's memory events; it begins when the process will have received `received_ns`."""
        carried_out = self._trajectories.run(self.heap, burst, self._blocks)
        self._trajectory = self.space.touch_burst(burst, carried_out)
        # What is in the trajectory is not owed any more.
        within = self._trajectory.end_ns - carried_out.end_ns
        self._owed_ns += max(self.space.account.settle(self._mechanism.costs) - within, 0)
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.space.resident_bytes)
        self._began_ns = received_ns
        self._seen_ns = 0
        self._peak_bytes = max(self._peak_bytes, self._trajectory.start_bytes)
        return self._trajectory

    def finish(self) -> None:
        """End the burst: the heap is as the events left it."""
        if self._trajectory is not None:
            whole = self._trajectory.peak_bytes
            rest = self._trajectory.peak_between
            burst_peak = whole if self._seen_ns == 0 else rest(self._seen_ns, self._trajectory.end_ns)
            self._peak_bytes = max(self._peak_bytes, burst_peak)
            self._trajectory = None
            self.space.end_burst()
        self._note_level()

    def level_bytes(self, received_ns: int) -> int:
        """Return the live bytes of the heap when the process has received that much CPU time."""
        if self._trajectory is None:
            return self.heap.live_bytes
        return self._trajectory.level_at(received_ns - self._began_ns)

    def take_peak_bytes(self, received_ns: int) -> int:
        """Return the highest level since the last call, and start anew from the present one."""
        level = self.level_bytes(received_ns)
        peak = max(self._peak_bytes, level)
        if self._trajectory is not None:
            progress = received_ns - self._began_ns
            peak = max(peak, self._trajectory.peak_between(self._seen_ns, progress))
            # From just after: what happened at this very instant is seen, and is not to be seen again.
            self._seen_ns = progress + 1
        self.peak_heap_bytes = max(self.peak_heap_bytes, peak)
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.space.resident_bytes)
        self._peak_bytes = level
        return peak

    def release(self) -> None:
        """Give the physical memory back."""
        self.space.release()

    def _note_level(self) -> None:
        self._peak_bytes = max(self._peak_bytes, self.heap.live_bytes)
        self.peak_heap_bytes = max(self.peak_heap_bytes, self._peak_bytes)
