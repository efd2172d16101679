"""Sums over pids as a complete binary tree in two columns: O(log n) to change one value or to find a place.

A column by pid holds the leaves; another of the same length, a power of two, holds the sums. Node 1 is the
root, nodes 2i and 2i + 1 are the children of i, and node length + pid is the leaf of a pid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from simulator.tables import Int64s


def tree_size(capacity: int) -> int:
    """Return the power of two, 2 at least, that has room for so many pids."""
    return 1 << max(capacity - 1, 1).bit_length()


def value_at(sums: Int64s, leaves: Int64s, node: int) -> int:
    """Return the sum of all leaves below a node, or the leaf that it is."""
    value: int = sums[node] if node < len(sums) else leaves[node - len(sums)]
    return value


def change_leaf(sums: Int64s, leaves: Int64s, pid: int, more: int) -> None:
    """Add to a leaf and to all sums above it."""
    leaves[pid] += more
    node = (len(sums) + pid) >> 1
    while node > 0:
        sums[node] += more
        node >>= 1


def add_up(sums: Int64s, leaves: Int64s) -> None:
    """Make all sums anew from the leaves."""
    for node in range(len(sums) - 1, 0, -1):
        sums[node] = value_at(sums, leaves, 2 * node) + value_at(sums, leaves, 2 * node + 1)


def moved_down(column: Int64s, known: int) -> None:
    """Move a tree of `known` leaves to the left half of the tree that its column has room for now."""
    old = column[:known].copy()
    column[:] = 0
    while known < len(column):
        deeper = np.zeros(2 * known, np.int64)
        first = 1
        while first < known:
            deeper[2 * first : 3 * first] = old[first : 2 * first]
            first *= 2
        old, known = deeper, 2 * known
    column[:] = old
