"""Free lists by size class, for segregated fit and for the buddy system: O(1) with a bit for each class.

A class's list is last in, first out. The buddy system has a class for each power of two; segregated fit has
four, as the two-level segregated fit of Masmano and others has (TLSF, ECRTS 2004).
"""

from __future__ import annotations

from simulator.memory.allocator.layout import (
    BITS,
    BUDDY,
    CLASSES,
    HEADS,
    LEFT,
    PLACE,
    PLACEMENT,
    RIGHT,
    SEQUENCE,
    SIZE,
    Cells,
    bits_of,
)


def class_of(heap: Cells, size: int) -> int:
    """Return the class whose list holds chunks of `size` bytes."""
    exponent = bits_of(size)
    if heap[PLACEMENT] == BUDDY:
        return exponent
    quarter = size >> (exponent - 2) if exponent > 1 else size << (2 - exponent)
    return 4 * exponent + (quarter & 3)


def push(cells: Cells, heap: Cells, chunk: int) -> None:
    """Put a chunk in front of its class's list."""
    number = class_of(heap, cells[chunk + SIZE])
    head = heap[HEADS + number]
    heap[SEQUENCE] += 1
    cells[chunk + PLACE] = -heap[SEQUENCE]
    cells[chunk + LEFT] = head
    cells[chunk + RIGHT] = 0
    if head:
        cells[head + RIGHT] = chunk
    heap[HEADS + number] = chunk
    heap[BITS + (number >> 5)] |= 1 << (number & 31)


def pull(cells: Cells, heap: Cells, chunk: int) -> None:
    """Take a chunk out of its class's list."""
    following, leading = cells[chunk + LEFT], cells[chunk + RIGHT]
    if following:
        cells[following + RIGHT] = leading
    if leading:
        cells[leading + LEFT] = following
        return
    number = class_of(heap, cells[chunk + SIZE])
    heap[HEADS + number] = following
    if following == 0:
        heap[BITS + (number >> 5)] &= ~(1 << (number & 31))


def class_from(heap: Cells, number: int) -> int:
    """Return the lowest class from a number on that has a chunk, CLASSES if none has."""
    cell = number >> 5
    bits = heap[BITS + cell] >> (number & 31) << (number & 31) if number < CLASSES else 0
    while bits == 0:
        cell += 1
        if cell >= CLASSES >> 5:
            return CLASSES
        bits = heap[BITS + cell]
    return (cell << 5) + bits_of(bits & -bits)


def head_of_class(heap: Cells, size: int) -> int:
    """Return the first chunk of the lowest class of which all chunks have `size` bytes, 0 if none has any."""
    number = class_of(heap, size)
    exponent = bits_of(size)
    if heap[PLACEMENT] == BUDDY:
        number += size != 1 << exponent
    elif exponent > 1 and size & ((1 << (exponent - 2)) - 1):
        number += 1
    number = class_from(heap, number)
    return heap[HEADS + number] if number < CLASSES else 0


def first_of_class(cells: Cells, heap: Cells, size: int) -> int:
    """Return the first chunk of at least `size` bytes in the class that size belongs to, 0 if none."""
    chunk = heap[HEADS + class_of(heap, size)]
    while chunk and cells[chunk + SIZE] < size:
        chunk = cells[chunk + LEFT]
    return chunk


def largest_listed(cells: Cells, heap: Cells) -> int:
    """Return the size of the largest chunk: one of the highest class that has any."""
    cell = (CLASSES >> 5) - 1
    while cell >= 0 and heap[BITS + cell] == 0:
        cell -= 1
    if cell < 0:
        return 0
    chunk = heap[HEADS + (cell << 5) + bits_of(heap[BITS + cell])]
    if heap[PLACEMENT] == BUDDY:
        return cells[chunk + SIZE]
    largest = 0
    while chunk:
        largest = max(largest, cells[chunk + SIZE])
        chunk = cells[chunk + LEFT]
    return largest
