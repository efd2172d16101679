"""What is in memory and what is not: what the kernel asks around bursts, and before it waits for a disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from simulator.burst import Burst
    from simulator.memory.trajectory import Trajectory


class BurstInPieces(Protocol):
    """A burst that is executed piece by piece, since any of them may have to wait for a disk.

    Attributes:
        count: how many pieces there are.
    """

    count: int

    def touch(self, piece: int) -> tuple[int, int]:
        """Use the pages of a piece, whose faults are counted.

        Returns:
            CPU time into the burst, as recorded, where the piece begins and where it ends.

        Raises:
            OutOfMemory: there are no frames for it.
        """


class Presence:
    """The part of an address space's contract that is about what is in memory, and what that takes.

    The answers here are those of memory that is all there from the start. A mechanism that gives memory when
    it is touched, or takes it away, gives its own.

    Attributes:
        disk_done_ns: until when its process must wait for a disk before it goes on; 0 if it need not.
    """

    def __init__(self) -> None:
        self.disk_done_ns = 0

    def touch_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory:  # noqa: ARG002 - see the class
        """Use every block that a burst allocates; where that takes time, the burst takes longer.

        Args:
            burst: what is executed.
            trajectory: what it does to the heap, whose events have been carried out.

        Returns:
            The trajectory with the time that faults add, and the point where memory runs out, if it does.
        """
        return trajectory

    def steady_burst(self, burst: Burst, trajectory: Trajectory) -> Trajectory | None:  # noqa: ARG002 - see the class
        """What `touch_burst` is sure to say, now and whenever the burst is repeated; None if that is open.

        A kernel that repeats a burst without carrying it out needs to know: `trajectory` itself means that
        nothing faults.
        """
        return trajectory

    def pieces(self, burst: Burst, trajectory: Trajectory) -> BurstInPieces | None:  # noqa: ARG002 - see the class
        """The pieces that a burst is to be executed in because pages that it uses may be on disk.

        Returns:
            None where all of them are sure to be in memory: `touch_burst` says it all.
        """
        return None

    def repeat_burst(
        self,
        burst: Burst,
        trajectory: Trajectory,
        begun: Callable[[], int],
        interrupt: Callable[[], None],
    ) -> None:
        """Learn that the kernel repeats a steady burst from now on.

        Args:
            burst: what it repeats.
            trajectory: what that does to the heap.
            begun: says how many times it has begun.
            interrupt: to be called when it is steady no more, since a page of it was taken away.
        """

    def end_repetition(self) -> None:
        """Learn that the kernel repeats nothing any more."""

    def foresee(self, addresses: NDArray[np.int64]) -> None:
        """Learn that the program will use these addresses in this order, over and over (`access_many`).

        It changes nothing but what a replacement policy knows that looks at the future.
        """

    def may_wait(self, addresses: NDArray[np.int64]) -> bool:  # noqa: ARG002 - see the class
        """Say whether using addresses, or what is between two of them, may mean waiting for a disk."""
        return False

    def step_bytes(self, address: int, size: int) -> int:  # noqa: ARG002 - see the class
        """How many of `size` bytes from an address on are used before a disk may have to be waited for."""
        return size

    def end_burst(self) -> None:
        """Give back what was only held while the burst went on."""

    @property
    def working_set_bytes(self) -> int | None:
        """Pages used within the working set's window, in memory or not (Denning 1968); None if not known."""
        return None

    @property
    def swapped_bytes(self) -> int:
        """Pages that are in a swap device and not in memory."""
        return 0
