"""What physical memory, or a disk image, holds: bytes, kept only where somebody wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulator.errors import InvariantError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK_BYTES = 4096
"""Memory is made in pieces of this size when it is first written; what was never written reads as 0."""


class Storage:
    """Bytes by address, sparse: gigabytes that nobody writes cost nothing."""

    def __init__(self) -> None:
        self._chunks: dict[int, NDArray[np.uint8]] = {}

    def __len__(self) -> int:
        """Number of chunks that exist."""
        return len(self._chunks)

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes from `address` on."""
        parts = []
        for number, offset, length in _chunks_of(address, size):
            chunk = self._chunks.get(number)
            parts.append(bytes(length) if chunk is None else chunk[offset : offset + length].tobytes())
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> None:
        """Put bytes at `address`."""
        done = 0
        for number, offset, length in _chunks_of(address, len(data)):
            part = np.frombuffer(data, np.uint8, length, done)
            self._chunk(number)[offset : offset + length] = part
            done += length

    def clear(self, address: int, size: int) -> None:
        """Make `size` bytes from `address` on read as 0."""
        for number in self._within(address, size):
            start = max(address - number * CHUNK_BYTES, 0)
            end = min(address + size - number * CHUNK_BYTES, CHUNK_BYTES)
            if end - start == CHUNK_BYTES:
                del self._chunks[number]
            else:
                self._chunks[number][start:end] = 0

    def copy(self, source: int, to: int, size: int, into: Storage | None = None) -> None:
        """Copy `size` bytes, here or into another storage; the two places may overlap."""
        parts = []
        for number in self._within(source, size):
            start = max(source, number * CHUNK_BYTES)
            end = min(source + size, (number + 1) * CHUNK_BYTES)
            parts.append((start, self.read(start, end - start)))
        target = self if into is None else into
        target.clear(to, size)
        for start, data in parts:
            target.write(to + start - source, data)

    def window(self, address: int, size: int) -> NDArray[np.uint8]:
        """Return a piece as an array; who writes into it writes into memory, until the piece is cleared.

        Raises:
            InvariantError: the piece neither lies within one chunk nor consists of whole ones.
        """
        number, offset = divmod(address, CHUNK_BYTES)
        if offset + size <= CHUNK_BYTES:
            return self._chunk(number)[offset : offset + size]
        if offset or size % CHUNK_BYTES:
            raise InvariantError(f"no window on {size} bytes at {address:#x}")
        whole = np.frombuffer(bytearray(self.read(address, size)), np.uint8)
        for index in range(size // CHUNK_BYTES):
            self._chunks[number + index] = whole[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        return whole

    def numbers(self) -> list[int]:
        """Return the numbers of the chunks that exist, ascending."""
        return sorted(self._chunks)

    def _chunk(self, number: int) -> NDArray[np.uint8]:
        chunk = self._chunks.get(number)
        if chunk is None:
            chunk = self._chunks[number] = np.zeros(CHUNK_BYTES, np.uint8)
        return chunk

    def _within(self, address: int, size: int) -> list[int]:
        """Return the numbers of the chunks that exist and overlap a range."""
        if size <= 0:
            return []
        first, last = address // CHUNK_BYTES, (address + size - 1) // CHUNK_BYTES
        if last - first < len(self._chunks):
            return [number for number in range(first, last + 1) if number in self._chunks]
        return sorted(number for number in self._chunks if first <= number <= last)


def _chunks_of(address: int, size: int) -> list[tuple[int, int, int]]:
    """Return (chunk's number, offset in it, length) of the pieces of a range."""
    pieces = []
    while size > 0:
        number, offset = divmod(address, CHUNK_BYTES)
        length = min(size, CHUNK_BYTES - offset)
        pieces.append((number, offset, length))
        address += length
        size -= length
    return pieces
