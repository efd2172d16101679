"""Physical memory in frames: any frame is as good as any other, so no hole is ever too small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError, TimeshareError
from simulator.memory.charges import Charges, Refusal
from simulator.memory.control import MemoryControl
from simulator.memory.errors import OutOfMemory
from simulator.memory.format import format_bytes
from simulator.memory.physical import Holding
from simulator.memory.storage import CHUNK_BYTES, Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.int64]

NOBODY = -1


class Frames:
    """The machine's memory as frames with an owner and a number of users.

    A frame is handed out to one user; `share` adds users, `release` takes them away, and the last one's going
    frees it and makes it read as 0.

    Attributes:
        size_bytes: the memory's size, a multiple of the frame's.
        frame_bytes: a frame's size.
        storage: the bytes it holds.
        charges: who is charged for what is handed out.
        version: changes whenever a frame changes hands.
    """

    def __init__(self, size_bytes: int, frame_bytes: int) -> None:
        if size_bytes % frame_bytes or size_bytes < frame_bytes:
            raise TimeshareError(
                f"a memory of {format_bytes(size_bytes)} is no whole number of frames of "
                f"{format_bytes(frame_bytes)}"
            )
        self.size_bytes = size_bytes
        self.frame_bytes = frame_bytes
        self.storage = Storage()
        self.charges = Charges()
        self.version = 0
        count = size_bytes // frame_bytes
        self._owner = np.full(count, NOBODY, np.int32)
        self._users = np.zeros(count, np.int32)
        self._payer = np.zeros(count, np.int32)
        # Taken from the end, so that the lowest come first.
        self._free = np.arange(count - 1, -1, -1, dtype=np.int64)
        self._free_count = count
        self._names: list[str] = []
        self._map: tuple[int, tuple[Holding, ...]] = (-1, ())

    @property
    def used_bytes(self) -> int:
        """Bytes handed out."""
        return self.size_bytes - self.free_bytes

    @property
    def free_bytes(self) -> int:
        """Bytes not handed out."""
        return self._free_count * self.frame_bytes

    @property
    def largest_hole_bytes(self) -> int:
        """The most neighbouring free bytes; only tables that span frames need neighbours."""
        largest = end = 0
        for piece in self.holdings():
            largest = max(largest, piece.base - end)
            end = piece.base + piece.size
        return max(largest, self.size_bytes - end)

    def allocate(self, count: int, owner: str, control: MemoryControl | None = None) -> Frame:
        """Hand out frames, wherever they are.

        Args:
            count: how many.
            owner: whose they are, for memory maps.
            control: who is charged for them; None for a claim of their own without limits.

        Returns:
            int64[count], their numbers.

        Raises:
            OutOfMemory: fewer are free, or a limit stands against it; none is handed out.
        """
        payer = MemoryControl(owner) if control is None else control
        self.charges.admit(payer, count * self.frame_bytes, lambda: self.refuse(count))
        rest = self._free_count - count
        frames = self._free[rest : self._free_count][::-1].copy()
        self._free_count = rest
        self._take(frames, owner, payer)
        return frames

    def allocate_neighbours(self, count: int, owner: str, control: MemoryControl | None = None) -> int:
        """Hand out frames one behind the other, beginning at a multiple of their power of two.

        Args:
            count: how many.
            owner: whose they are, for memory maps.
            control: who is charged for them; None for a claim of their own without limits.

        Returns:
            The number of the first.

        Raises:
            OutOfMemory: there are none, or a limit stands against it; none is handed out.
        """
        if count == 1:
            return int(self.allocate(1, owner, control)[0])
        size = count * self.frame_bytes

        def refuse() -> Refusal | None:
            found = self._neighbours(count)
            return None if len(found) else Refusal(self._lacking(size, " one behind the other"), size)

        payer = MemoryControl(owner) if control is None else control
        self.charges.admit(payer, size, refuse)
        first = int(self._neighbours(count)[0])
        frames = np.arange(first, first + count)
        free = self._free[: self._free_count]
        kept = free[(free < first) | (free >= first + count)]
        self._free[: len(kept)] = kept
        self._free_count = len(kept)
        self._take(frames, owner, payer)
        return first

    def refuse(self, count: int) -> Refusal | None:
        """Say why so many frames cannot be handed out now; None if they can."""
        if count <= self._free_count:
            return None
        size = count * self.frame_bytes
        return Refusal(self._lacking(size, ""), size - self.free_bytes)

    def share(self, frames: Frame) -> None:
        """Add a user to each of the frames."""
        self._users[frames] += 1

    def users(self, frame: int) -> int:
        """Return how many users a frame has."""
        return int(self._users[frame])

    def users_of_all(self) -> NDArray[np.int32]:
        """Return int32[frames], how many users each frame has."""
        return self._users

    def release(self, frames: Frame) -> None:
        """Take a user from each of the frames, which differ from each other.

        Raises:
            InvariantError: one of them is nobody's.
        """
        if not len(frames):
            return
        if int(self._users[frames].min()) < 1:
            raise InvariantError("a frame is released that nobody uses")
        self._users[frames] -= 1
        gone = frames[self._users[frames] == 0]
        for number, count in enumerate(np.bincount(self._payer[gone]).tolist()):
            if count:
                self.charges.withdraw(self.charges.numbered(number), count * self.frame_bytes)
        self._owner[gone] = NOBODY
        self._clear(gone)
        self._free[self._free_count : self._free_count + len(gone)] = gone[::-1]
        self._free_count += len(gone)
        self.version += 1
        self.charges.agree(self.used_bytes)

    def holdings(self) -> tuple[Holding, ...]:
        """Everything handed out, in address order; neighbouring frames of one owner are one piece."""
        if self._map[0] != self.version:
            edges = np.flatnonzero(np.diff(self._owner)) + 1
            starts = np.concatenate([[0], edges])
            ends = np.concatenate([edges, [len(self._owner)]])
            owners = self._owner[starts]
            rows = zip(starts.tolist(), ends.tolist(), owners.tolist(), strict=True)
            size = self.frame_bytes
            pieces = tuple(
                Holding(start * size, (end - start) * size, self._names[owner])
                for start, end, owner in rows
                if owner != NOBODY
            )
            self._map = (self.version, pieces)
        return self._map[1]

    def check(self) -> None:
        """Balance the books.

        Raises:
            InvariantError: a frame is free and used, neither, or twice in the list of free ones.
        """
        free = self._free[: self._free_count]
        owned = int((self._owner != NOBODY).sum())
        listed = np.zeros(len(self._owner), np.bool_)
        listed[free] = True
        if owned + len(free) != len(self._owner) or int(listed.sum()) != len(free):
            raise InvariantError(f"{owned} frames used + {len(free)} free != {len(self._owner)}")
        if (self._owner[free] != NOBODY).any() or ((self._users > 0) != (self._owner != NOBODY)).any():
            raise InvariantError("a frame is free and has an owner, or has an owner and no user")
        self.charges.check(self.used_bytes)
        for number, count in enumerate(np.bincount(self._payer[self._owner != NOBODY]).tolist()):
            payer = self.charges.numbered(number)
            if count * self.frame_bytes != payer.own_bytes:
                raise InvariantError(f"{payer.name} is charged {payer.own_bytes} bytes for {count} frames")

    def _neighbours(self, count: int) -> Frame:
        """Return where runs of so many free frames begin that a table may lie in."""
        step = min(1 << (count - 1).bit_length(), max(CHUNK_BYTES // self.frame_bytes, 1))
        starts, ends = _runs(self._owner == NOBODY)
        starts = -(-starts // step) * step
        return starts[ends - starts >= count]

    def _take(self, frames: Frame, owner: str, payer: MemoryControl) -> None:
        if owner not in self._names:
            self._names.append(owner)
        self._owner[frames] = self._names.index(owner)
        self._users[frames] = 1
        self._payer[frames] = self.charges.number_of(payer)
        self.version += 1
        self.charges.agree(self.used_bytes)

    def _clear(self, frames: Frame) -> None:
        """Make frames that are free now read as 0; few of them have been written."""
        if len(frames) <= len(self.storage):
            for frame in frames.tolist():
                self.storage.clear(frame * self.frame_bytes, self.frame_bytes)
            return
        per_chunk = max(CHUNK_BYTES // self.frame_bytes, 1)
        for number in self.storage.numbers():
            first = number * CHUNK_BYTES // self.frame_bytes
            for frame in range(first, min(first + per_chunk, len(self._owner))):
                if self._owner[frame] == NOBODY:
                    start = max(frame * self.frame_bytes, number * CHUNK_BYTES)
                    self.storage.clear(start, min(self.frame_bytes, CHUNK_BYTES))

    def _lacking(self, size: int, how: str) -> OutOfMemory:
        free, largest = self.free_bytes, self.largest_hole_bytes
        return OutOfMemory(
            f"no frame is free: needs {format_bytes(size)}{how}; {format_bytes(free)} are free of "
            f"{format_bytes(self.size_bytes)}",
            size,
            free,
            largest,
        )


def _runs(free: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where runs of True begin and where they end (exclusive)."""
    steps = np.diff(np.concatenate([[0], free.astype(np.int8), [0]]))
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
