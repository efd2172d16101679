"""The OSTEP homework's simulators and book examples, on generated cases (ch. 15, 16, 18 and 20).

The cases are drawn as the homework's scripts draw them; the answers come from the formulas of their
descriptions, written here, and are compared with what our hardware says.
"""

from __future__ import annotations

import random

import pytest

from simulator.memory.address_space import Access, Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.errors import MemoryFault
from simulator.memory.paging.shape import FRAME_SHIFT, PRESENT, Shape
from simulator.memory.physical import PhysicalMemory
from simulator.memory.segmentation.registers import Segment, SegmentTable

KIB = 1024
FAULT = None


def told(translate, address: int) -> int | None:
    """Return the physical address, or FAULT."""
    try:
        return translate(address, Access.READ)
    except MemoryFault:
        return FAULT


@pytest.mark.parametrize("seed", range(200))
def test_relocation(seed: int) -> None:
    """relocation.py: limit, then base until it fits, then addresses; a fault at or above the limit."""
    rnd = random.Random(seed)  # noqa: S311 - the homework draws so
    space_bytes, memory_bytes = rnd.choice([(KIB, 16 * KIB), (128, 512), (8 * KIB, 64 * KIB)])
    limit = int(space_bytes / 4 + space_bytes / 4 * rnd.random())
    base = memory_bytes
    while base + limit >= memory_bytes:
        base = int(memory_bytes * rnd.random())
    registers = BaseAndBounds(PhysicalMemory(1 << 20), Layout(1, 0, 0), "process")
    registers.base, registers.bounds = base, limit
    for _ in range(20):
        address = int(space_bytes * rnd.random())
        answer = FAULT if address >= limit else base + address
        assert told(registers.translate, address) == answer


@pytest.mark.parametrize("seed", range(200))
def test_segmentation(seed: int) -> None:
    """segmentation.py: two segments, the upper one growing down from the high end of its base."""
    rnd = random.Random(seed)  # noqa: S311 - the homework draws so
    bits, memory_bytes = rnd.choice([(10, 16 * KIB), (7, 512), (12, 64 * KIB)])
    space_bytes = 1 << bits
    sizes = [int(space_bytes / 4 + space_bytes / 4 * rnd.random()) for _ in range(2)]
    base0 = memory_bytes
    while base0 + sizes[0] >= memory_bytes:
        base0 = int(memory_bytes * rnd.random())
    while True:
        base1 = int(memory_bytes * rnd.random())
        apart = base1 >= base0 + sizes[0] or base1 + sizes[1] <= base0
        if base1 + sizes[1] < memory_bytes and apart:
            break
    table = SegmentTable(
        bits, 1, {0: Segment("low", base0, sizes[0]), 1: Segment("high", base1, sizes[1], grows_down=True)}
    )
    for _ in range(20):
        address = int(space_bytes * rnd.random())
        if address < space_bytes // 2:
            answer = FAULT if address >= sizes[0] else base0 + address
        else:
            physical = base1 + sizes[1] + address - space_bytes
            answer = FAULT if physical < base1 else physical
        assert told(table.translate, address) == answer


@pytest.mark.parametrize("seed", range(60))
def test_paging_linear_translate(mechanism_of, seed: int) -> None:
    """paging-linear-translate.py: valid pages get frames that nobody has; an invalid page is a fault."""
    rnd = random.Random(seed)  # noqa: S311 - the homework draws so
    page, space_bytes, memory_bytes = rnd.choice(
        [(4096, 16384, 65536), (1024, 32768, 1 << 20), (256, 4096, 65536)]
    )
    used = rnd.choice([25, 50, 75, 100])
    table: list[int] = []
    while len(table) < space_bytes // page:
        frame = -1
        if rnd.random() * 100 > 100 - used:
            frame = int(memory_bytes // page * rnd.random())
            if frame in table:
                continue
        table.append(frame)
    mechanism = mechanism_of("paging", page_size=page, levels=1, address_bits=space_bytes.bit_length() - 1)
    space = mechanism.create(Layout(0, page, 0), "process")
    for number, frame in enumerate(table):
        space.table.set(number, frame << FRAME_SHIFT | PRESENT if frame >= 0 else 0)
    for _ in range(20):
        address = int(space_bytes * rnd.random())
        frame = table[address // page]
        assert told(space.translate, address) == (FAULT if frame < 0 else frame * page + address % page)
    assert space.account.references == space.account.tlb_misses


def test_the_book_s_two_level_table(mechanism_of) -> None:
    """OSTEP 20.3: 14 bits of address, pages of 64 bytes, 16 entries a page; 0x3F80 is at 0x0DC0."""
    shape = Shape(page_size=64, address_bits=14, levels=2)
    assert (shape.index_bits, shape.entry_bytes) == ((4, 4), 4)
    mechanism = mechanism_of("paging", 16 * KIB, page_size=64, levels=2, address_bits=14)
    space = mechanism.create(Layout(0, 64, 0), "process")
    before = space.table.held_bytes
    for page, frame in {0: 10, 1: 23, 4: 80, 5: 59, 254: 55, 255: 45}.items():
        space.table.set(page, frame << FRAME_SHIFT | PRESENT)
    assert told(space.translate, 0x3F80) == 0x0DC0
    assert space.account.references == 2
    # A page of entries each for the first and the last pages, where a linear table has sixteen.
    assert (before, space.table.held_bytes) == (64, 3 * 64)
    assert told(space.translate, 0x3F80 - 64) is FAULT


@pytest.mark.parametrize("seed", range(40))
def test_more_levels_say_the_same(mechanism_of, seed: int) -> None:
    """Any shape of table translates like a dictionary, one memory reference a level on the way down."""
    rnd = random.Random(seed)  # noqa: S311 - the homework draws so
    page, bits, levels = rnd.choice([(64, 14, 2), (256, 20, 3), (4096, 48, 4), (4096, 32, 2), (4096, 32, 1)])
    mechanism = mechanism_of("paging", 16 << 20, page_size=page, levels=levels, address_bits=bits)
    space = mechanism.create(Layout(0, page, 0), "process")
    pages = [rnd.randrange(1 << (bits - page.bit_length() + 1)) for _ in range(20)]
    frames = {number: rnd.randrange(1000) for number in pages}
    for number, frame in frames.items():
        space.table.set(number, frame << FRAME_SHIFT | PRESENT)
    for number in [*pages, *(rnd.randrange(space.shape.pages) for _ in range(20))]:
        entry, references = space.table.walk(number)
        assert 1 <= references <= levels
        assert entry == (frames[number] << FRAME_SHIFT | PRESENT if number in frames else 0)
        assert references == levels or number not in frames
