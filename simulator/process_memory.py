"""What one process has in memory, also in the middle of a burst."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.memory.address_space import Access
from simulator.memory.boundless import Boundless
from simulator.memory.errors import OutOfMemory
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT
from simulator.memory.memcheck.memcheck import Memcheck
from simulator.memory.tagged_heap import TaggedHeap
from simulator.memory.trajectory import TrajectoryCache, run_burst

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import simpy
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.address_space import AddressSpace, Layout
    from simulator.memory.control import MemoryControl
    from simulator.memory.heap_config import HeapConfig
    from simulator.memory.heap_log import HeapLog
    from simulator.memory.heap_outcome import HeapFigures
    from simulator.memory.mechanism import Mechanism
    from simulator.memory.memcheck.memcheck import Mode
    from simulator.memory.presence import BurstInPieces
    from simulator.memory.trajectory import Run, Trajectory


@dataclass(frozen=True)
class Repetition:
    """How far the kernel is with executing one and the same burst over and over.

    Attributes:
        served: returns how many bursts have been completed.
        busy: says whether one more is in progress.
        began_ns: CPU time that the process had received when it began.
        interrupt: lets it end with the burst in progress.
    """

    served: Callable[[], int]
    busy: Callable[[], bool]
    began_ns: int
    interrupt: Callable[[], None]

    def begun(self) -> int:
        """Return how many bursts have begun."""
        return self.served() + self.busy()


class ProcessMemory:
    """An address space with a heap in it, and how full that heap is at any instant.

    A burst's memory events are carried out on the heap when the burst begins; until it ends, the heap's
    level is read off the trajectory at the CPU time received so far. Nobody else touches a process's heap,
    so that both give the same. While the kernel repeats a burst that leaves the heap as it found it, nothing
    is carried out at all: the number of bursts completed and the CPU time received tell where it stands.

    What takes time beside the burst itself is owed, and paid for with the process's next demand.

    Args:
        mechanism: what the address space is made by.
        space: the address space.
        heap: the heap in it.
        memcheck: looks at what the program does with both; None if nobody does.

    Attributes:
        stack_pointer: the stack pointer of a program that keeps one; it begins at the stack's top.
        pieces: what the burst that has begun is to be executed in; None for one piece.
    """

    def __init__(
        self, mechanism: Mechanism, space: AddressSpace, heap: Heap, memcheck: Memcheck | None = None
    ) -> None:
        self.space = space
        self.heap = heap
        self.memcheck = memcheck
        self.stack_pointer = space.stack_top
        self._blocks_of = memcheck or heap
        self._mechanism = mechanism
        self._owed_ns = 0
        self._blocks: dict[int, int] = {}
        self._trajectories = TrajectoryCache()
        self._trajectory: Trajectory | None = None
        self._began_ns = 0
        self._seen_ns = 0
        self._peak_bytes = 0
        self._repetition: Repetition | None = None
        self._run: Run | None = None
        self._seen_bursts = 0
        self._broken: tuple[Burst, int] | None = None
        self.pieces: BurstInPieces | None = None
        self.peak_heap_bytes = 0
        self.peak_resident_bytes = self.space.resident_bytes

    @classmethod
    def create(
        cls,
        mechanism: Mechanism,
        layout: Layout,
        owner: str,
        *,
        heap: HeapConfig = FIRST_FIT,
        log: HeapLog | None = None,
        control: MemoryControl | None = None,
        memcheck: Mode = "off",
    ) -> ProcessMemory:
        """Return the memory of a new process.

        Args:
            mechanism: makes the address space.
            layout: sizes of code, heap and stack.
            owner: named in messages and memory maps.
            heap: how the heap is run.
            log: keeps the places and lives of the heap's blocks.
            control: who is charged for it.
            memcheck: whether what the program does with memory is looked at, and what is done then.

        Raises:
            OutOfMemory: the address space does not fit.
        """
        space = mechanism.create(layout, owner, control)
        try:
            made = (TaggedHeap if heap.tagged else Heap)(space, heap, log=log, copy=space.copy)
            check = None if memcheck == "off" else Memcheck(space, made, layout, memcheck)
            return cls(mechanism, space, made, check)
        except OutOfMemory:
            space.release()
            raise

    def fork(self, owner: str) -> ProcessMemory:
        """Return a copy; raises OutOfMemory, or ForkError where there can be none."""
        space = self._mechanism.fork(self.space, owner)
        # All of the heap's state but the space, which is the child's, and what records the parent's heap.
        others = {id(self.space): space, id(self.heap.log): None}
        heap = copy.deepcopy(self.heap, others)
        check = None if self.memcheck is None else self.memcheck.fork(space, heap)
        child = ProcessMemory(self._mechanism, space, heap, check)
        child.stack_pointer = self.stack_pointer
        child._blocks = dict(self._blocks)
        child._note_level()
        return child

    def take_owed_ns(self) -> int:
        """Return the CPU time owed for memory since the last call."""
        self._settle()
        owed = max(self._owed_ns, 0)
        self._owed_ns -= owed
        return owed

    def check(self, access: Access, address: int, size: int) -> None:
        """Have memcheck look at bytes that the program is about to use; it may raise ProcessAbort."""
        if self.memcheck is not None:
            self.memcheck.check(access, address, size)

    def check_many(self, access: Access, addresses: NDArray[np.int64]) -> None:
        """Likewise for many addresses."""
        if self.memcheck is not None and access is not Access.EXECUTE:
            self.memcheck.check_many(access, addresses)

    def move_stack(self, pointer: int) -> None:
        """Move the stack pointer: down when a function is called, up when it returns."""
        if self.memcheck is not None:
            self.memcheck.move_stack(self.stack_pointer, pointer)
        self.stack_pointer = pointer

    def prepay(self, cpu_ns: int) -> None:
        """Note that CPU time has been spent ahead of what will be owed."""
        self._owed_ns -= cpu_ns

    def take_disk_done_ns(self) -> int:
        """Return until when a disk must be waited for because of what was done since the last call, or 0."""
        done, self.space.disk_done_ns = self.space.disk_done_ns, 0
        return done

    def malloc(self, size: int) -> int:
        """Allocate on the heap and return the virtual address; raises OutOfMemory."""
        address = self._blocks_of.malloc(size)
        self._note_level()
        return address

    def calloc(self, count: int, size: int) -> int:
        """Allocate an array on the heap and return the virtual address; raises OutOfMemory."""
        address = self._blocks_of.calloc(count, size)
        try:
            self.space.clear(address, count * size)
        except OutOfMemory:
            self._blocks_of.free(address)
            raise
        self._note_level()
        return address

    def realloc(self, address: int, size: int) -> int:
        """Resize a block and return its virtual address; raises OutOfMemory or InvalidFree."""
        address = self._blocks_of.realloc(address, size)
        self._note_level()
        return address

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """Allocate at a multiple of the alignment and return the virtual address; raises OutOfMemory."""
        address = self._blocks_of.aligned_alloc(alignment, size)
        self._note_level()
        return address

    def free(self, address: int) -> None:
        """Free a block of the heap; raises InvalidFree."""
        self._blocks_of.free(address)

    def begin(self, burst: Burst, received_ns: int) -> Trajectory:
        """Carry out a burst's memory events; it begins when the process will have received `received_ns`.

        Where it is to be executed in pieces, they count their faults themselves, and `delay` hears of it.
        """
        if self.heap.log is not None:
            self.heap.log.now_ns = received_ns
        carried_out = self._trajectories.run(self.heap, burst, self._blocks)
        failed = carried_out.failure
        self._broken = None if failed is None else (burst, failed.event)
        self.pieces = self.space.pieces(burst, carried_out)
        if self.pieces is not None:
            self._enter(carried_out, received_ns)
            return carried_out
        trajectory = self.space.touch_burst(burst, carried_out)
        # What is in the trajectory is not owed any more.
        within = trajectory.end_ns - carried_out.end_ns
        self._owed_ns += max(self.space.account.settle(self._mechanism.costs) - within, 0)
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.space.resident_bytes)
        self._enter(trajectory, received_ns)
        return trajectory

    def delay(self, cpu_ns: int) -> None:
        """Let the rest of a burst in pieces come later: CPU time is spent that is none of its own."""
        self._began_ns += cpu_ns
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.space.resident_bytes)

    def finish(self) -> None:
        """End the burst: the heap is as the events left it."""
        if self._trajectory is not None:
            self._exit(self._trajectory)
            self.space.end_burst()
        self.pieces = None
        self._note_level()

    def is_steady(self, burst: Burst) -> bool:
        """Say whether executing the burst is sure to leave memory as it is now, and takes its own time alone.

        It must not fault, not even on pages that it gives back itself, and nothing may be owed.
        """
        run = self._trajectories.repetition(self.heap, burst, self._blocks)
        self._settle()
        if run is None or self._owed_ns > 0 or self.space.disk_done_ns or self.pieces is not None:
            return False
        # Faults would make it another one.
        return self.space.steady_burst(burst, run.trajectory) is run.trajectory

    def repeat(self, burst: Burst, repetition: Repetition) -> None:
        """Let a steady burst be executed again and again from now on."""
        self._repetition = repetition
        self._run = self._trajectories.repetition(self.heap, burst, self._blocks)
        self._seen_bursts = 0
        if self._run is not None:
            trajectory = self._run.trajectory
            self.space.repeat_burst(burst, trajectory, repetition.begun, repetition.interrupt)

    def end_repetition(self, _event: simpy.Event | None = None) -> None:
        """End that: no burst is in progress."""
        if self._repetition is not None:
            self._catch_up()
            self.count_repetition()
            self.space.end_repetition()
            self._repetition = None
            self._note_level()

    def count_repetition(self) -> None:
        """Count the mallocs and frees of the repeated bursts so far, begun ones included."""
        if self._repetition is not None and self._run is not None:
            bursts = self._repetition.begun()
            if bursts:
                run = self._run
                peak = run.trajectory.peak_bytes
                self.heap.count_replay(bursts * run.mallocs, bursts * run.frees, peak)

    def level_bytes(self, received_ns: int) -> int:
        """Return the live bytes of the heap when the process has received that much CPU time."""
        self._catch_up()
        if self._trajectory is None:
            return self.heap.live_bytes
        return self._trajectory.level_at(received_ns - self._began_ns)

    def heap_figures(self, received_ns: int) -> HeapFigures:
        """Return how the heap stands when the process has received that much CPU time."""
        self._catch_up()
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
        self.peak_resident_bytes = max(self.peak_resident_bytes, self.space.resident_bytes)
        self._peak_bytes = level
        return peak

    def room_wanted(self) -> int:
        """Return by how much the heap would grow to carry out the rest of a burst that broke off; else 0."""
        if self._broken is None:
            return 0
        burst, event = self._broken
        boundless = Boundless(self.space)
        heap = copy.deepcopy(self.heap, {id(self.space): boundless, id(self.heap.log): None})
        run_burst(heap, burst.rest(event), dict(self._blocks))
        return boundless.grown_bytes

    def release(self) -> None:
        """Give the physical memory back."""
        self.space.release()

    def _settle(self) -> None:
        """Owe the time of what the address space has counted since the last call."""
        self._owed_ns += self.space.account.settle(self._mechanism.costs)

    def _catch_up(self) -> None:
        """Bring the burst in progress up to date with the kernel's repetitions."""
        if self._repetition is None or self._run is None:
            return
        trajectory, bursts = self._run.trajectory, self._repetition.served()
        if bursts > self._seen_bursts:
            if self._trajectory is not None:
                self._exit(trajectory)
                self._seen_bursts += 1
            if bursts > self._seen_bursts:
                self._peak_bytes = max(self._peak_bytes, trajectory.peak_bytes)
            self._seen_bursts = bursts
        if self._trajectory is None and self._repetition.busy():
            self._enter(trajectory, self._repetition.began_ns + bursts * trajectory.end_ns)

    def _enter(self, trajectory: Trajectory, received_ns: int) -> None:
        self._trajectory = trajectory
        self._began_ns = received_ns
        self._seen_ns = 0
        self._peak_bytes = max(self._peak_bytes, trajectory.start_bytes)

    def _exit(self, trajectory: Trajectory) -> None:
        whole, rest = trajectory.peak_bytes, trajectory.peak_between
        burst_peak = whole if self._seen_ns == 0 else rest(self._seen_ns, trajectory.end_ns)
        self._peak_bytes = max(self._peak_bytes, burst_peak)
        self._trajectory = None

    def _note_level(self) -> None:
        self._peak_bytes = max(self._peak_bytes, self.heap.live_bytes)
        self.peak_heap_bytes = max(self.peak_heap_bytes, self._peak_bytes)
