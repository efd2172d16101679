"""The free list as a tree: every placement finds exactly its chunk in O(log n).

The tree is a treap (Seidel and Aragon, 1996): in order of the keys from left to right, a heap by random
priorities, hence balanced. Each node knows the largest chunk below it, so the leftmost chunk that is large
enough is found on one path down. What "left" means makes the policy:

- first and next fit: the order of the free list, whichever that is;
- best fit: by size, equal sizes in the order of the list, so that the leftmost that fits is the smallest;
- worst fit: the same tree, asked for a chunk as large as the largest.

The shape of the tree depends on the priorities; what is found does not.
"""

from __future__ import annotations

from simulator.memory.allocator.layout import (
    BEST_FIT,
    COALESCING,
    COUNT,
    DICE,
    LARGEST,
    LEFT,
    LIST_NEIGHBOURS,
    PLACE,
    PLACEMENT,
    RANDOM,
    RIGHT,
    ROOT,
    SIZE,
    TIE,
    UP,
    Cells,
)


def by_size(heap: Cells) -> bool:
    """Say whether the tree is in order of size; where chunks merge along the list, it is the list."""
    return heap[PLACEMENT] >= BEST_FIT and heap[COALESCING] != LIST_NEIGHBOURS


def lies_before(cells: Cells, heap: Cells, one: int, other: int) -> bool:
    """Say whether one chunk comes before another in the tree."""
    if cells[one + SIZE] != cells[other + SIZE] and by_size(heap):
        return cells[one + SIZE] < cells[other + SIZE]
    if cells[one + PLACE] != cells[other + PLACE]:
        return cells[one + PLACE] < cells[other + PLACE]
    return cells[one + TIE] < cells[other + TIE]


def insert_node(cells: Cells, heap: Cells, node: int) -> None:
    """Put a chunk into the tree; its SIZE, PLACE and TIE are set."""
    size = cells[node + SIZE]
    heap[DICE] = (heap[DICE] * 1103515245 + 12345) & 0x7FFFFFFF
    cells[node + RANDOM] = heap[DICE] >> 8
    cells[node + LEFT] = 0
    cells[node + RIGHT] = 0
    cells[node + COUNT] = 1
    cells[node + LARGEST] = size
    parent, goes_left, at = 0, False, heap[ROOT]
    while at:
        cells[at + COUNT] += 1
        cells[at + LARGEST] = max(cells[at + LARGEST], size)
        parent = at
        goes_left = lies_before(cells, heap, node, at)
        at = cells[at + LEFT] if goes_left else cells[at + RIGHT]
    cells[node + UP] = parent
    if parent == 0:
        heap[ROOT] = node
    elif goes_left:
        cells[parent + LEFT] = node
    else:
        cells[parent + RIGHT] = node
    while parent and cells[parent + RANDOM] < cells[node + RANDOM]:
        lift(cells, heap, node)
        parent = cells[node + UP]


def remove_node(cells: Cells, heap: Cells, node: int) -> None:
    """Take a chunk out of the tree."""
    while cells[node + LEFT] and cells[node + RIGHT]:
        left, right = cells[node + LEFT], cells[node + RIGHT]
        lift(cells, heap, left if cells[left + RANDOM] > cells[right + RANDOM] else right)
    child = cells[node + LEFT] + cells[node + RIGHT]
    parent = cells[node + UP]
    if child:
        cells[child + UP] = parent
    replace_child(cells, heap, parent, node, child)
    gone = cells[node + SIZE]
    while parent:
        cells[parent + COUNT] -= 1
        if cells[parent + LARGEST] == gone:
            cells[parent + LARGEST] = largest_below(cells, parent)
        parent = cells[parent + UP]


def resize_node(cells: Cells, heap: Cells, node: int, size: int) -> None:
    """Change the size of a chunk, which keeps its place in the list."""
    if by_size(heap):
        remove_node(cells, heap, node)
        cells[node + SIZE] = size
        insert_node(cells, heap, node)
        return
    cells[node + SIZE] = size
    while node:
        largest = largest_below(cells, node)
        if largest == cells[node + LARGEST]:
            return
        cells[node + LARGEST] = largest
        node = cells[node + UP]


def lift(cells: Cells, heap: Cells, node: int) -> None:
    """Rotate a node up over its parent."""
    parent = cells[node + UP]
    grand = cells[parent + UP]
    if cells[parent + LEFT] == node:
        inner = cells[node + RIGHT]
        cells[node + RIGHT] = parent
        cells[parent + LEFT] = inner
    else:
        inner = cells[node + LEFT]
        cells[node + LEFT] = parent
        cells[parent + RIGHT] = inner
    if inner:
        cells[inner + UP] = parent
    cells[parent + UP] = node
    cells[node + UP] = grand
    replace_child(cells, heap, grand, parent, node)
    cells[node + COUNT] = cells[parent + COUNT]
    cells[node + LARGEST] = cells[parent + LARGEST]
    cells[parent + COUNT] = 1 + cells[cells[parent + LEFT] + COUNT] + cells[cells[parent + RIGHT] + COUNT]
    cells[parent + LARGEST] = largest_below(cells, parent)


def replace_child(cells: Cells, heap: Cells, parent: int, old: int, new: int) -> None:
    """Let a parent, or the tree where there is none, have another child in place of one."""
    if parent == 0:
        heap[ROOT] = new
    elif cells[parent + LEFT] == old:
        cells[parent + LEFT] = new
    else:
        cells[parent + RIGHT] = new


def largest_below(cells: Cells, node: int) -> int:
    """Return the size of the largest chunk among a node and those below it."""
    largest = cells[node + SIZE]
    left, right = cells[cells[node + LEFT] + LARGEST], cells[cells[node + RIGHT] + LARGEST]
    largest = max(largest, left)
    return max(right, largest)


def leftmost_fitting(cells: Cells, node: int, size: int) -> int:
    """Return the leftmost chunk of at least `size` bytes among a node and those below it, 0 if none."""
    if cells[node + LARGEST] < size:
        return 0
    while True:
        left = cells[node + LEFT]
        if cells[left + LARGEST] >= size:
            node = left
        elif cells[node + SIZE] >= size:
            return node
        else:
            node = cells[node + RIGHT]


def first_from(cells: Cells, heap: Cells, place: int, tie: int) -> int:
    """Return the first chunk in the list at or behind a place, 0 if there is none."""
    found, at = 0, heap[ROOT]
    while at:
        if cells[at + PLACE] < place or (cells[at + PLACE] == place and cells[at + TIE] < tie):
            at = cells[at + RIGHT]
        else:
            found = at
            at = cells[at + LEFT]
    return found


def fitting_from(cells: Cells, node: int, size: int) -> int:
    """Return the first chunk of at least `size` bytes from a node on to the right, 0 if none."""
    came_from_left = True
    while node:
        if came_from_left:
            if cells[node + SIZE] >= size:
                return node
            found = leftmost_fitting(cells, cells[node + RIGHT], size)
            if found:
                return found
        parent = cells[node + UP]
        came_from_left = cells[parent + LEFT] == node
        node = parent
    return 0


def rank(cells: Cells, node: int) -> int:
    """Return how many chunks lie before a node."""
    before = cells[cells[node + LEFT] + COUNT]
    parent = cells[node + UP]
    while parent:
        if cells[parent + RIGHT] == node:
            before += 1 + cells[cells[parent + LEFT] + COUNT]
        node = parent
        parent = cells[node + UP]
    return before


def leftmost(cells: Cells, heap: Cells) -> int:
    """Return the first chunk in the tree, 0 if it is empty."""
    node = heap[ROOT]
    while cells[node + LEFT]:
        node = cells[node + LEFT]
    return node


def next_to(cells: Cells, node: int) -> int:
    """Return the chunk that follows in the tree, 0 after the last."""
    if cells[node + RIGHT]:
        node = cells[node + RIGHT]
        while cells[node + LEFT]:
            node = cells[node + LEFT]
        return node
    parent = cells[node + UP]
    while parent and cells[parent + RIGHT] == node:
        node = parent
        parent = cells[node + UP]
    return parent
