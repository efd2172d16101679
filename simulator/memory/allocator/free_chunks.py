"""The free chunks: put in order, searched, merged (OSTEP ch. 17, "Free-Space Management")."""

from __future__ import annotations

from simulator.memory.allocator.classes import first_of_class, head_of_class, largest_listed, pull, push
from simulator.memory.allocator.layout import (
    ABOVE,
    ADDRESS,
    BEST_FIT,
    FIRST_FIT,
    FREE,
    FREE_CHUNKS,
    HIGHEST,
    KIND,
    LARGEST,
    LAST_SEARCHED,
    LIFO,
    LOWEST,
    NEXT_FIT,
    ORDER,
    PLACE,
    PLACEMENT,
    ROOT,
    ROVER_PLACE,
    ROVER_TIE,
    SEARCHED,
    SEGREGATED,
    SEQUENCE,
    SIZE,
    SIZE_DOWN,
    SIZE_UP,
    STALE,
    STALE_FIRST,
    START,
    TIE,
    TOP,
    TOP_APART,
    UNMERGED,
    WORST_FIT,
    Cells,
    unlink,
)
from simulator.memory.allocator.tree import (
    by_size,
    first_from,
    fitting_from,
    insert_node,
    leftmost,
    leftmost_fitting,
    next_to,
    rank,
    remove_node,
    resize_node,
)


def put(cells: Cells, heap: Cells, chunk: int) -> None:
    """Put a chunk into the free list: where its order says, and behind those that are equal."""
    cells[chunk + KIND] = FREE
    heap[FREE_CHUNKS] += 1
    if heap[PLACEMENT] >= SEGREGATED:
        push(cells, heap, chunk)
        return
    order = heap[ORDER]
    cells[chunk + TIE] = 0
    if order == ADDRESS:
        cells[chunk + PLACE] = cells[chunk + START]
    else:
        heap[SEQUENCE] += 1
        sequence = heap[SEQUENCE]
        if order >= SIZE_UP:
            sort_stale(cells, heap)
            size = cells[chunk + SIZE]
            cells[chunk + PLACE] = size if order == SIZE_UP else -size
            heap[SEQUENCE] += 1
            cells[chunk + TIE] = heap[SEQUENCE]
        else:
            cells[chunk + PLACE] = -sequence if order == LIFO else sequence
    insert_node(cells, heap, chunk)


def take_out(cells: Cells, heap: Cells, chunk: int) -> None:
    """Take a chunk out of the free list."""
    heap[FREE_CHUNKS] -= 1
    if heap[PLACEMENT] >= SEGREGATED:
        pull(cells, heap, chunk)
        return
    if cells[chunk + STALE] >= 0:
        forget_stale(cells, heap, chunk)
    remove_node(cells, heap, chunk)


def change_size(cells: Cells, heap: Cells, chunk: int, start: int, size: int) -> None:
    """Give a chunk in the list another extent; it keeps its place in the list.

    A list in order of size is sorted when a block is freed, not before (as OSTEP's malloc.py does).
    """
    if heap[PLACEMENT] >= SEGREGATED:
        pull(cells, heap, chunk)
        cells[chunk + START] = start
        cells[chunk + SIZE] = size
        push(cells, heap, chunk)
        return
    order = heap[ORDER]
    if order == ADDRESS and cells[chunk + PLACE] != start:
        # In a tree by size the place is a part of the key, and changes with the size below.
        if by_size(heap):
            remove_node(cells, heap, chunk)
            cells[chunk + START] = start
            cells[chunk + PLACE] = start
            cells[chunk + SIZE] = size
            insert_node(cells, heap, chunk)
            return
        cells[chunk + PLACE] = start
    cells[chunk + START] = start
    if order >= SIZE_UP and cells[chunk + STALE] < 0:
        note_stale(cells, heap, chunk)
    resize_node(cells, heap, chunk, size)


def find(cells: Cells, heap: Cells, size: int) -> int:
    """Return the free chunk that the placement picks for `size` bytes, 0 if none is large enough."""
    placement = heap[PLACEMENT]
    if placement >= SEGREGATED:
        found = head_of_class(heap, size)
        looked = 1
        if found == 0 and placement == SEGREGATED:
            found = first_of_class(cells, heap, size)
            looked = 2
    elif placement >= BEST_FIT:
        looked = heap[FREE_CHUNKS]
        found = pick_by_size(cells, heap, size)
    elif placement == FIRST_FIT:
        found = leftmost_fitting(cells, heap[ROOT], size)
        looked = rank(cells, found) + 1 if found else heap[FREE_CHUNKS]
    else:
        first = first_from(cells, heap, heap[ROVER_PLACE], heap[ROVER_TIE])
        found = fitting_from(cells, first, size)
        passed = rank(cells, first) if first else heap[FREE_CHUNKS]
        if found:
            looked = rank(cells, found) - passed + 1
        else:
            found = leftmost_fitting(cells, heap[ROOT], size)
            looked = heap[FREE_CHUNKS] - passed + rank(cells, found) + 1 if found else heap[FREE_CHUNKS]
        if found:
            heap[ROVER_PLACE] = cells[found + PLACE]
            heap[ROVER_TIE] = cells[found + TIE]
    heap[LAST_SEARCHED] = looked
    heap[SEARCHED] += looked
    return found


def pick_by_size(cells: Cells, heap: Cells, size: int) -> int:
    """Return the smallest chunk of at least `size` bytes, or the largest; of equals the first in the list."""
    worst = heap[PLACEMENT] == WORST_FIT
    if by_size(heap):
        largest = cells[heap[ROOT] + LARGEST]
        if largest < size:
            return 0
        return leftmost_fitting(cells, heap[ROOT], largest if worst else size)
    found, at = 0, leftmost(cells, heap)
    while at:
        here, there = cells[at + SIZE], cells[found + SIZE]
        if here >= size and (found == 0 or (here > there if worst else here < there)):
            found = at
        at = next_to(cells, at)
    return found


def largest_free(cells: Cells, heap: Cells) -> int:
    """Return the size of the largest free chunk, that at the top of the heap included."""
    listed = heap[PLACEMENT] >= SEGREGATED
    largest = largest_listed(cells, heap) if listed else cells[heap[ROOT] + LARGEST]
    highest = heap[HIGHEST]
    if cells[highest + KIND] == TOP and cells[highest + SIZE] > largest:
        largest = cells[highest + SIZE]
    return largest


def merge_all(cells: Cells, heap: Cells) -> None:
    """Merge all free chunks that touch (deferred coalescing); a merged one is put into the list anew."""
    heap[UNMERGED] = 0
    chunk = heap[LOWEST]
    while chunk:
        above = cells[chunk + ABOVE]
        if cells[chunk + KIND] == FREE and above and cells[above + KIND] >= FREE:
            take_out(cells, heap, chunk)
            while above and cells[above + KIND] >= FREE:
                if cells[above + KIND] == FREE:
                    take_out(cells, heap, above)
                cells[chunk + SIZE] += cells[above + SIZE]
                unlink(cells, heap, above)
                above = cells[chunk + ABOVE]
            put_or_top(cells, heap, chunk)
        chunk = above


def put_or_top(cells: Cells, heap: Cells, chunk: int) -> None:
    """Put a free chunk into the list, or keep it apart where it is the top of the heap and that is so set."""
    if heap[TOP_APART] and cells[chunk + ABOVE] == 0:
        cells[chunk + KIND] = TOP
    else:
        put(cells, heap, chunk)


def merge_list_neighbours(cells: Cells, heap: Cells) -> None:
    """Merge each chunk with the next in the list while that one begins where it ends, in one pass."""
    chunk = leftmost(cells, heap)
    while chunk:
        following = next_to(cells, chunk)
        while following and cells[following + START] == cells[chunk + START] + cells[chunk + SIZE]:
            size = cells[chunk + SIZE] + cells[following + SIZE]
            take_out(cells, heap, following)
            unlink(cells, heap, following)
            change_size(cells, heap, chunk, cells[chunk + START], size)
            following = next_to(cells, chunk)
        chunk = following


def keep_rover(cells: Cells, heap: Cells, chunk: int) -> None:
    """Let next fit go on at a merged chunk where it would have gone on in the middle of it."""
    if heap[PLACEMENT] == NEXT_FIT and heap[ORDER] == ADDRESS:
        start = cells[chunk + START]
        if start < heap[ROVER_PLACE] < start + cells[chunk + SIZE]:
            heap[ROVER_PLACE] = start


def merges_in_place(heap: Cells) -> bool:
    """Say whether a merged chunk has the place in the list that its parts had."""
    return heap[ORDER] == ADDRESS and heap[PLACEMENT] < BEST_FIT


def note_stale(cells: Cells, heap: Cells, chunk: int) -> None:
    """Remember, in order of the list, that the chunk's size changed since the list was sorted."""
    before, at = 0, heap[STALE_FIRST]
    while at and list_before(cells, at, chunk):
        before = at
        at = cells[at + STALE]
    cells[chunk + STALE] = at
    if before:
        cells[before + STALE] = chunk
    else:
        heap[STALE_FIRST] = chunk


def forget_stale(cells: Cells, heap: Cells, chunk: int) -> None:
    """Take a chunk out of those remembered."""
    if heap[STALE_FIRST] == chunk:
        heap[STALE_FIRST] = cells[chunk + STALE]
    else:
        before = heap[STALE_FIRST]
        while cells[before + STALE] != chunk:
            before = cells[before + STALE]
        cells[before + STALE] = cells[chunk + STALE]
    cells[chunk + STALE] = -1


def list_before(cells: Cells, one: int, other: int) -> bool:
    """Say whether one chunk comes before another in the list."""
    if cells[one + PLACE] != cells[other + PLACE]:
        return cells[one + PLACE] < cells[other + PLACE]
    return cells[one + TIE] < cells[other + TIE]


def sort_stale(cells: Cells, heap: Cells) -> None:
    """Sort the list by size, stably: only chunks whose size changed can move.

    One that came before the chunks of its new size stays before all of them, one that came after them stays
    after; among themselves they keep their order.
    """
    kept, chunk = 0, heap[STALE_FIRST]
    heap[STALE_FIRST] = 0
    while chunk:
        following = cells[chunk + STALE]
        cells[chunk + STALE] = -1
        place = cells[chunk + SIZE] if heap[ORDER] != SIZE_DOWN else -cells[chunk + SIZE]
        if cells[chunk + PLACE] > place:
            heap[SEQUENCE] += 1
            move(cells, heap, chunk, place, heap[SEQUENCE])
        elif cells[chunk + PLACE] < place:
            # Those that stay before are moved last first: each goes before all the others.
            cells[chunk + STALE] = kept
            kept = chunk
        chunk = following
    while kept:
        following = cells[kept + STALE]
        cells[kept + STALE] = -1
        place = cells[kept + SIZE] if heap[ORDER] != SIZE_DOWN else -cells[kept + SIZE]
        heap[SEQUENCE] += 1
        move(cells, heap, kept, place, -heap[SEQUENCE])
        kept = following


def move(cells: Cells, heap: Cells, chunk: int, place: int, tie: int) -> None:
    """Give a chunk another place in the list."""
    remove_node(cells, heap, chunk)
    cells[chunk + PLACE] = place
    cells[chunk + TIE] = tie
    insert_node(cells, heap, chunk)
