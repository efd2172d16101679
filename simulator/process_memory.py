"""What one process has in memory, also in the middle of a burst."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT
from simulator.memory.trajectory import TrajectoryCache

if TYPE_CHECKING:
    from simulator.burst import Burst
    from simulator.memory.address_space import Layout
    from simulator.memory.heap_config import HeapConfig
    from simulator.memory.heap_log import HeapLog
    from simulator.memory.heap_outcome import HeapFigures
    from simulator.memory.physical import PhysicalMemory
    from simulator.memory.trajectory import Trajectory


class ProcessMemory:
    """An address space with a heap in it, and how full that heap is at any instant.

    A burst's memory events are carried out on the heap when the burst begins; until it ends, the heap's
    level is read off the trajectory at the CPU time received so far. Nobody else touches a process's heap,
    so that both give the same.

    Args:
        physical: where the address space gets its memory.
        layout: sizes of code, heap and stack.
        owner: named in messages and memory maps.
        heap: how the heap is run.
        log: keeps the places and lives of the heap's blocks.

    Raises:
        OutOfMemory: the address space does not fit.
    """

    def __init__(
        self,
        physical: PhysicalMemory,
        layout: Layout,
        owner: str,
        *,
        heap: HeapConfig = FIRST_FIT,
        log: HeapLog | None = None,
    ) -> None:
        self.space = BaseAndBounds(physical, layout, owner)
        self.heap = Heap(self.space, heap, log=log)
        self._blocks: dict[int, int] = {}
        self._trajectories = TrajectoryCache()
        self._trajectory: Trajectory | None = None
        self._began_ns = 0
        self._seen_ns = 0
        self._peak_bytes = 0
        self.peak_heap_bytes = 0
        self.peak_resident_bytes = self.space.resident_bytes

    def malloc(self, size: int) -> int:
        """Allocate on the heap and return the virtual address; raises OutOfMemory."""
        address = self.heap.malloc(size)
        self._note_level()
        return address

    def calloc(self, count: int, size: int) -> int:
        """Allocate an array on the heap and return the virtual address; raises OutOfMemory."""
        address = self.heap.calloc(count, size)
        self._note_level()
        return address

    def realloc(self, address: int, size: int) -> int:
        """Resize a block and return its virtual address; raises OutOfMemory or InvalidFree."""
        address = self.heap.realloc(address, size)
        self._note_level()
        return address

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Allocate at a multiple of the alignment and return the virtual address; raises OutOfMemory."""
        address = self.heap.aligned_alloc(alignment, size)
        self._note_level()
        return address

    def free(self, address: int) -> None:
        """Free a block of the heap; raises InvalidFree."""
        self.heap.free(address)

    def begin(self, burst: Burst, received_ns: int) -> Trajectory:
        """Carry out a burst's memory events, given the CPU time that the process has received so far."""
        if self.heap.log is not None:
            self.heap.log.now_ns = received_ns
        self._trajectory = self._trajectories.run(self.heap, burst, self._blocks)
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
        self._note_level()

    def level_bytes(self, received_ns: int) -> int:
        """Return the live bytes of the heap when the process has received that much CPU time."""
        if self._trajectory is None:
            return self.heap.live_bytes
        return self._trajectory.level_at(received_ns - self._began_ns)

    def heap_figures(self, received_ns: int) -> HeapFigures:
        """Return how the heap stands when the process has received that much CPU time."""
        if self._trajectory is None:
            return self.heap.figures
        return self._trajectory.figures_at(received_ns - self._began_ns)

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
        self._peak_bytes = level
        return peak

    def release(self) -> None:
        """Give the physical memory back."""
        self.space.release()

    def _note_level(self) -> None:
        self._peak_bytes = max(self._peak_bytes, self.heap.live_bytes)
        self.peak_heap_bytes = max(self.peak_heap_bytes, self._peak_bytes)
