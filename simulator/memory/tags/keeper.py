"""Writes the allocator's words into memory, and finds what a program has done to them."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from simulator.memory.allocator import layout
from simulator.memory.allocator.layout import (
    ABOVE,
    BELOW,
    FREE,
    KIND,
    MAPPED,
    START,
    TOP,
    USED,
    VACANT,
)
from simulator.memory.errors import ProcessAbort
from simulator.memory.tags.words import (
    FLAGS,
    IS_MMAPPED,
    MAGIC,
    PREV_INUSE,
    WORD,
    Tag,
    Word,
    has_magic,
    header_of,
    tag_of,
)

if TYPE_CHECKING:
    from simulator.memory.address_space import AddressSpace
    from simulator.memory.heap_state import HeapState

_DAMAGED = {
    ("free", USED): "free(): invalid next size (normal)",
    ("free", TOP): "free(): invalid next size (normal)",
    ("malloc", TOP): "malloc(): corrupted top size",
    ("realloc", USED): "realloc(): invalid next size",
    ("realloc", TOP): "realloc(): invalid next size",
}
"""What glibc says when the size of a chunk that it reads makes no sense, by the call and the chunk's kind."""


class TagKeeper:
    """Keeps the tags of one heap.

    The allocator decides by its own arrays. What it would keep in memory is there, too, as real bytes: it is
    written where a call changes it, and every word that a call would read is held against what was written.
    A program that has written over it is ended as the C library would end it, with the library's words where
    it makes the same check. The library asks whether a word is plausible, and lives with a wrong one that
    is; here it has to be the very one that was written.

    Args:
        space: where the words are.
        state: the heap's arrays.
    """

    def __init__(self, space: AddressSpace, state: HeapState) -> None:
        self._space = space
        self._state = state
        self._written: dict[int, Tag] = {}
        self._starts: list[int] = []

    def check_block(self, call: str, address: int) -> None:
        """Look at the header of a block that is to be freed or resized.

        Raises:
            ProcessAbort: it is not what malloc wrote, or nothing that malloc wrote.
            MemoryFault: no memory is there.
        """
        cells, heap, index = self._state.cells, self._state.heap, self._state.index
        chunk = layout.chunk_at(index, address)
        if heap[layout.ALIGNED] and address % min(heap[layout.ALIGNMENT], 2 * WORD):
            raise ProcessAbort(f"{call}(): invalid pointer ({address:#x} is not aligned)")
        if chunk <= 0:
            raise self._no_block(call, address)
        for word in reversed(self._written[cells[chunk + START]].words):
            found = self._read(word.address)
            # Whether the chunk below is in use may have been changed in a damaged word, too.
            if found | PREV_INUSE != word.value | PREV_INUSE:
                what = "invalid pointer" if word.name == "magic number" else f"invalid {_old(call)}size"
                raise ProcessAbort(f"{call}(): {what} ({_said(word, found)})")

    def update(self, call: str, chunk: int, about: int) -> None:
        """Write what a call has changed.

        Args:
            call: "malloc", "free" or "realloc".
            chunk: the chunk that holds what it was about; 0 to look at all of them.
            about: where the chunk began that the call was about, -1 for none.

        Raises:
            ProcessAbort: a word that the call reads is not what was written.
        """
        changed = (
            self._changed_everywhere() if self._may_change_anywhere(chunk) else self._changed_near(chunk)
        )
        dropped = [self._drop_covered(call, tag, start, about) for start, tag in changed.items()]
        old = {start: tag for tags in dropped for start, tag in tags.items()}
        self._drop_trimmed()
        if call == "free" and about in old and has_magic(self._state.heap):
            # The block goes into the free list before it is merged, which takes the magic number away.
            self._write(old[about].words[1].address, 0)
        for start, tag in changed.items():
            self._put(call, tag, old.get(start))
            self._written[start] = tag
            insort(self._starts, start)

    def forget(self, start: int) -> None:
        """Forget a chunk whose mapping has been taken back."""
        del self._written[start], self._starts[bisect_left(self._starts, start)]

    def _may_change_anywhere(self, chunk: int) -> bool:
        """Say whether a call may have changed chunks that do not touch the one that it was about."""
        heap = self._state.heap
        merges_elsewhere = heap[layout.COALESCING] in {layout.DEFERRED, layout.LIST_NEIGHBOURS}
        return chunk == 0 or merges_elsewhere or heap[layout.PLACEMENT] == layout.BUDDY

    def _changed_everywhere(self) -> dict[int, Tag]:
        cells, heap = self._state.cells, self._state.heap
        chunks = [at for at in range(0, len(cells), layout.WIDTH) if cells[at + KIND] != VACANT]
        tags = {cells[chunk + START]: tag_of(cells, heap, chunk) for chunk in chunks}
        return {start: tag for start, tag in tags.items() if tag != self._written.get(start)}

    def _changed_near(self, chunk: int) -> dict[int, Tag]:
        """Return the new tags from a chunk on up and down, from the top on down, and along the free list."""
        cells, heap = self._state.cells, self._state.heap
        changed: dict[int, Tag] = {}
        links: list[int] = []

        def differs(at: int) -> bool:
            start = cells[at + START]
            new, old = tag_of(cells, heap, at), self._written.get(start)
            if new == old or start in changed:
                return False
            changed[start] = new
            links.extend((*new.neighbours, *self._links_within(start, start + new.size)))
            return True

        for first, step in ((chunk, ABOVE), (cells[chunk + BELOW], BELOW), (heap[layout.HIGHEST], BELOW)):
            at = first
            while at and (differs(at) or at == chunk):
                at = cells[at + step]
        while links:
            other = links.pop()
            if other and cells[other + KIND] == FREE:
                differs(other)
        return changed

    def _covered(self, start: int, end: int) -> list[int]:
        """Return where the chunks began that were written about and that overlap a range."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        if first and self._starts[first - 1] + self._written[self._starts[first - 1]].size > start:
            first -= 1
        return self._starts[first:last]

    def _links_within(self, start: int, end: int) -> list[int]:
        return [other for at in self._covered(start, end) for other in self._written[at].neighbours]

    def _drop_covered(self, call: str, tag: Tag, start: int, about: int) -> dict[int, Tag]:
        """Drop the tags of what lay where a chunk is now, once their words have been looked at."""
        dropped = {}
        for at in self._covered(start, start + tag.size):
            old = self._written.pop(at)
            del self._starts[bisect_left(self._starts, at)]
            if at != about or old.kind != USED:
                self._verify(call, old, below=at < about)
            dropped[at] = old
        return dropped

    def _drop_trimmed(self) -> None:
        """Forget what lay above where the heap ends now."""
        at = bisect_left(self._starts, self._state.heap[layout.BREAK])
        while at < len(self._starts) and self._written[self._starts[at]].kind != MAPPED:
            del self._written[self._starts.pop(at)]

    def _put(self, call: str, new: Tag, old: Tag | None) -> None:
        """Have a chunk's words in memory."""
        in_place = old is not None and old.kind == new.kind == USED and old.size == new.size
        for word in new.words:
            if in_place and call == "malloc" and word.name == "size":
                # As a bit is set in a word, the rest of which is not looked at.
                found = self._read(word.address) & ~PREV_INUSE | word.value & PREV_INUSE
                self._write(word.address, found)
            elif old is None or word not in old.words:
                self._write(word.address, word.value)

    def _verify(self, call: str, tag: Tag, *, below: bool) -> None:
        if tag.kind == USED and call == "malloc":
            return
        end = self._state.heap[layout.BREAK]
        for word in tag.words:
            # What was above the break is gone.
            found = self._read(word.address) if word.address < end else word.value
            if found != word.value:
                raise ProcessAbort(
                    f"{self._damaged(call, tag.kind, word, below=below)} ({_said(word, found)})"
                )

    def _damaged(self, call: str, kind: int, word: Word, *, below: bool) -> str:
        if has_magic(self._state.heap) and kind in {FREE, TOP}:
            return f"{call}(): corrupted free list"
        if word.name in {"fd", "bk"}:
            return "corrupted double-linked list"
        if (call, kind) in _DAMAGED:
            return _DAMAGED[call, kind]
        if below:
            return "corrupted size vs. prev_size while consolidating"
        if word.name == "size" and call == "malloc":
            return "malloc(): invalid size (unsorted)"
        return "corrupted size vs. prev_size"

    def _no_block(self, call: str, address: int) -> ProcessAbort:
        """Return what the library finds at an address where no block begins."""
        heap = self._state.heap
        header = header_of(heap, address)
        if has_magic(heap):
            word = Word(header + WORD, "magic number", MAGIC)
            found = self._read(word.address)
            why = f"the magic number at {word.address:#x} is {found:#x}, not {MAGIC:#x}"
            return ProcessAbort(f"{call}(): invalid pointer ({why})")
        size = self._read(header)
        at = f"the size at {header:#x} is {size:#x}"
        if size & IS_MMAPPED:
            return ProcessAbort(f"munmap_chunk(): invalid pointer ({at})")
        length = size & ~FLAGS
        if length < heap[layout.MIN_BLOCK] or length % heap[layout.ALIGNMENT]:
            return ProcessAbort(f"{call}(): invalid {_old(call)}size ({at})")
        what = self._why_not_freed(header, length) if call == "free" else "realloc(): invalid pointer"
        return ProcessAbort(f"{what} ({at}, and no block begins at {address:#x})")

    def _why_not_freed(self, header: int, length: int) -> str:
        """Return what the library says of a chunk that has a size as a chunk may have, and is none."""
        heap = self._state.heap
        if header == self._state.cells[heap[layout.HIGHEST] + START]:
            return "double free or corruption (top)"
        if header + length >= heap[layout.BREAK]:
            return "double free or corruption (out)"
        following = self._read(header + length)
        if not following & PREV_INUSE:
            return "double free or corruption (!prev)"
        if not 2 * WORD < following & ~FLAGS < heap[layout.BREAK] - heap[layout.BEGIN]:
            return "free(): invalid next size (normal)"
        return "free(): invalid pointer"

    def _read(self, address: int) -> int:
        return int.from_bytes(self._space.read(address, WORD), "little")

    def _write(self, address: int, value: int) -> None:
        self._space.write(address, value.to_bytes(WORD, "little"))


def _old(call: str) -> str:
    return "old " if call == "realloc" else ""


def _said(word: Word, found: int) -> str:
    return f"the {word.name} at {word.address:#x} is {found:#x}, and was written as {word.value:#x}"
