"""How a heap is run: placement, order of the free list, coalescing, headers, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from simulator.errors import TimeshareError
from simulator.memory.allocator import layout
from simulator.memory.format import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEMENTS = {
    "first": layout.FIRST_FIT,
    "next": layout.NEXT_FIT,
    "best": layout.BEST_FIT,
    "worst": layout.WORST_FIT,
    "segregated": layout.SEGREGATED,
    "buddy": layout.BUDDY,
}
ORDERS = {
    "address": layout.ADDRESS,
    "lifo": layout.LIFO,
    "fifo": layout.FIFO,
    "size": layout.SIZE_UP,
    "size-descending": layout.SIZE_DOWN,
}
COALESCINGS = {
    "immediate": layout.IMMEDIATE,
    "deferred": layout.DEFERRED,
    "never": layout.NEVER,
    "list-neighbours": layout.LIST_NEIGHBOURS,
}
WITHOUT_ORDER = ("segregated", "buddy")
MAX_ALIGNMENT = 4096


class HeapConfigError(TimeshareError):
    """A heap that cannot be: which option, and why.

    Attributes:
        option: the option's name.
        message: what is wrong with it and what would be right.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"heap option {option}: {message}")
        self.option = option
        self.message = message


@dataclass(frozen=True)
class HeapConfig:
    """The settings of an allocator.

    Attributes:
        placement: which free chunk serves a request. "first", "best" and "worst" fit are those of OSTEP
            chapter 17; of equal sizes the first in the list. "next" begins where the last search ended.
            "segregated" takes the first chunk of the smallest size class that is sure to fit (four classes
            to a power of two), and only if there is none searches the class that the size belongs to.
            "buddy" halves powers of two.
        order: the free list's: by "address", last in first out ("lifo"), "fifo", by "size" or
            "size-descending". What is left of a chunk that was split stays in its place; a list in order of
            size is sorted, stably, whenever a block is freed. Segregated and buddy lists are lifo.
        coalescing: free neighbours in memory merge at each free ("immediate"), when a request finds no
            chunk ("deferred"), or "never"; "list-neighbours" merges, at each free, neighbours in the list
            that happen to be neighbours in memory, in one pass (OSTEP's malloc.py -C). Buddies always merge
            at once.
        header_bytes: stand before every block.
        alignment_bytes: addresses and chunk sizes are multiples of this, a power of two.
        aligned: where False, only the size is rounded up to the alignment, and the header added then.
        min_block_bytes: the smallest chunk of an allocated block, header included.
        min_remainder_bytes: less than this is not split off.
        top_apart: the free chunk at the top of the heap is used last, and a smallest block of it kept.
        initial_bytes: the heap has so much from the start, as one free chunk.
        growth_bytes: the heap grows by multiples of this, where there is room.
        least_growth_bytes: it grows by this at least.
        top_counts: the free chunk at the top counts as a part of what is needed; otherwise the heap grows by
            the whole chunk, as the simplest allocators do.
        top_pad_bytes: it grows, and keeps when it is trimmed, so much more than is needed.
        trim_threshold_bytes: the break moves down when a free leaves so much at the top; None: never.
        mmap_threshold_bytes: from this size on, what no free chunk holds gets a mapping of its own; None:
            never.
        adaptive: freeing a mapping raises the mmap threshold to its size and the trim threshold to twice
            that, up to 32 MiB (glibc).
        realloc_in_place: a block that is resized stays where it is, if it can.
        tagged: headers and the free list are bytes in memory (`simulator.memory.tagged_heap`).
    """

    placement: str = "first"
    order: str = "address"
    coalescing: str = "immediate"
    header_bytes: int = 16
    alignment_bytes: int = 16
    aligned: bool = True
    min_block_bytes: int = 32
    min_remainder_bytes: int = 16
    top_apart: bool = False
    initial_bytes: int = 0
    growth_bytes: int = 128 * 1024
    least_growth_bytes: int = 0
    top_counts: bool = True
    top_pad_bytes: int = 0
    trim_threshold_bytes: int | None = None
    mmap_threshold_bytes: int | None = None
    adaptive: bool = False
    realloc_in_place: bool = True
    tagged: bool = False

    def __post_init__(self) -> None:
        for option, value, known in (
            ("placement", self.placement, PLACEMENTS),
            ("order", self.order, ORDERS),
            ("coalescing", self.coalescing, COALESCINGS),
        ):
            if value not in known:
                raise HeapConfigError(option, f"{value} is unknown; known are {', '.join(known)}")
        self._check_sizes()
        if self.placement in WITHOUT_ORDER and self.order not in {"address", "lifo"}:
            raise HeapConfigError("order", f"a {self.placement} heap has lists of its own, last in first out")
        if self.placement in WITHOUT_ORDER and self.coalescing == "list-neighbours":
            raise HeapConfigError("coalescing", f"a {self.placement} heap has no one list to merge along")
        if self.placement == "buddy":
            self._check_buddy()

    def _check_sizes(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_bytes") and value is not None and not 0 <= value < 1 << 47:
                raise HeapConfigError(_option(field.name), f"{value} is no number of bytes below 2**47")
        alignment = self.alignment_bytes
        if not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
            message = f"{alignment} is no power of two from 1 to {MAX_ALIGNMENT}"
            raise HeapConfigError("alignment", message)
        if self.growth_bytes == 0 or (self.aligned and self.growth_bytes % alignment):
            message = f"{format_bytes(self.growth_bytes)} is no multiple of the alignment, {alignment}"
            raise HeapConfigError("growth", message)
        if self.aligned and self.min_block_bytes % alignment:
            message = f"{self.min_block_bytes} is no multiple of the alignment, {alignment}"
            raise HeapConfigError("min_block", message)
        if self.aligned and self.initial_bytes % alignment:
            message = f"{self.initial_bytes} is no multiple of the alignment, {alignment}"
            raise HeapConfigError("initial", message)
        if self.min_block_bytes < self.header_bytes + 1:
            message = f"{self.min_block_bytes} leaves no byte behind a header of {self.header_bytes}"
            raise HeapConfigError("min_block", message)

    def _check_buddy(self) -> None:
        if self.coalescing != "immediate":
            raise HeapConfigError("coalescing", "buddies merge at once; leave it out or say immediate")
        if self.min_block_bytes & (self.min_block_bytes - 1):
            raise HeapConfigError("min_block", f"{self.min_block_bytes} is no power of two, as buddies are")
        if self.growth_bytes % self.min_block_bytes:
            message = f"{format_bytes(self.growth_bytes)} is no multiple of the smallest block"
            raise HeapConfigError("growth", message)
        if self.initial_bytes % self.min_block_bytes:
            raise HeapConfigError("initial", f"{self.initial_bytes} is no multiple of the smallest block")
        for option in ("trim_threshold_bytes", "top_pad_bytes"):
            if getattr(self, option):
                raise HeapConfigError(_option(option), "a buddy heap has no top that it keeps or trims")
        if self.top_apart:
            raise HeapConfigError("top_apart", "a buddy heap has no top that it keeps apart")


FIRST_FIT = HeapConfig()
"""Address-ordered first fit that coalesces at once and never gives memory back: the textbook's allocator."""

GLIBC = HeapConfig(
    placement="best",
    order="fifo",
    header_bytes=8,
    min_remainder_bytes=32,
    top_apart=True,
    growth_bytes=4096,
    top_pad_bytes=128 * 1024,
    trim_threshold_bytes=128 * 1024,
    mmap_threshold_bytes=128 * 1024,
    adaptive=True,
)
"""What a block costs and where it goes with the GNU C library's malloc (ptmalloc, malloc/malloc.c).

As there: 8 bytes of header and blocks of at least 32 bytes in steps of 16; free neighbours merge at once; of
the free chunks the smallest that fits, and the top chunk last; a request that none of them holds gets a
mapping from 128 KiB on (M_MMAP_THRESHOLD), or else grows the heap by what is lacking and 128 KiB (M_TOP_PAD)
to a whole page; where no mapping is to be had the heap grows instead; freeing a mapping of up to 32 MiB
raises the threshold to its size and the trim threshold to twice that; a top of 128 KiB is trimmed down to the
pad (M_TRIM_THRESHOLD).

What the library does besides, and this leaves out: the per-thread cache (tcache: up to 7 freed blocks of each
size up to 1032 bytes, last in first out) and the fast bins (up to 128 bytes) keep small blocks from merging
until they are flushed; freed chunks wait in an unsorted bin and are sorted into bins at the next malloc, so
that the smallest that fits is found a little less exactly, and what is left of a split chunk serves the next
small request; large bins take equals in another order; several threads have arenas of their own; a break that
cannot move makes it carry on in a mapping; there are at most 65,536 mappings, and realloc moves one without
copying (mremap).
"""

TEXTBOOK = HeapConfig(
    header_bytes=8,
    alignment_bytes=8,
    min_block_bytes=16,
    min_remainder_bytes=16,
    initial_bytes=4096,
    growth_bytes=8,
    least_growth_bytes=4096,
    top_counts=False,
    realloc_in_place=False,
)
"""The allocator that textbooks begin with: an implicit list, first fit, boundary tags of 4 + 4 bytes.

Bryant and O'Hallaron, "Computer Systems: A Programmer's Perspective", section 9.9.12, on a 32-bit machine:
the heap begins with 4 KiB and grows by a whole chunk, 4 KiB at least; realloc always moves the block.
"""

PRESETS: Mapping[str, HeapConfig] = {
    "first-fit": FIRST_FIT,
    "next-fit": HeapConfig(placement="next"),
    "best-fit": HeapConfig(placement="best"),
    "worst-fit": HeapConfig(placement="worst"),
    "segregated": HeapConfig(placement="segregated"),
    "buddy": HeapConfig(placement="buddy"),
    "textbook": TEXTBOOK,
    "glibc": GLIBC,
}
"""Heaps by name."""


def preset(name: str) -> HeapConfig:
    """Return a heap by its name.

    Raises:
        HeapConfigError: there is none of that name.
    """
    if name not in PRESETS:
        raise HeapConfigError("preset", f"{name} is unknown; known are {', '.join(PRESETS)}")
    return PRESETS[name]


def changed(base: HeapConfig, options: Mapping[str, object]) -> HeapConfig:
    """Return the settings with some of them changed.

    What the changes leave without a meaning follows them, unless it is given: a minimum too small for the
    header and the alignment, the list's order where there are lists by size, a buddy heap's top. A fixed mmap
    or trim threshold ends adapting, as with glibc.
    """
    config: dict[str, object] = dict(options)
    if config.get("placement") in WITHOUT_ORDER:
        config.setdefault("order", "address")
    if config.get("placement") == "buddy":
        for option, nothing in (("top_apart", False), ("trim_threshold_bytes", None), ("top_pad_bytes", 0)):
            config.setdefault(option, nothing)
    header = config.get("header_bytes", base.header_bytes)
    alignment = config.get("alignment_bytes", base.alignment_bytes)
    if isinstance(header, int) and isinstance(alignment, int) and 0 < alignment <= MAX_ALIGNMENT:
        least = max(base.min_block_bytes, -(-(header + 1) // alignment) * alignment)
        if config.get("placement", base.placement) == "buddy":
            least = 1 << (least - 1).bit_length()
        config.setdefault("min_block_bytes", least)
        config.setdefault("min_remainder_bytes", max(base.min_remainder_bytes, alignment))
    if "mmap_threshold_bytes" in config or "trim_threshold_bytes" in config:
        config.setdefault("adaptive", False)
    return replace(base, **config)  # type: ignore[arg-type]  # whoever calls has checked the types


def _option(field: str) -> str:
    return field.removesuffix("_bytes")
