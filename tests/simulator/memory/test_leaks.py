"""The leak report against an oracle of a few lines, on blocks that point to each other at random."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.memory.memcheck.blocks import Block
from simulator.memory.memcheck.diagnosis import ErrorKind
from simulator.memory.memcheck.leaks import find_leaks, written_words

SIZE = 32


def memory_of(pointers: list[list[int]]) -> tuple[list[Block], dict[int, bytes]]:
    """Blocks of 32 bytes, a hundred apart, that hold the given words."""
    blocks, memory = [], {}
    for number, words in enumerate(pointers):
        address = 0x1000 + 128 * number
        defined = np.zeros(SIZE, np.bool_)
        defined[: 8 * len(words)] = True
        blocks.append(Block(address - 16, address, SIZE, address + SIZE + 16, defined, ()))
        memory[address] = b"".join(word.to_bytes(8, "little") for word in words).ljust(SIZE, b"\0")
    return blocks, memory


def categories(pointers: list[list[int]], roots: list[int]) -> list[str]:
    """What each block is found to be."""
    blocks, memory = memory_of(pointers)

    def read(address: int, size: int) -> bytes:
        start = (address - 0x1000) // 128 * 128 + 0x1000
        return memory[start][address - start : address - start + size]

    found = find_leaks(blocks, roots, read)
    kind_of = {id(block): str(kind) for kind, own in found.items() for block in own}
    return [kind_of[id(block)] for block in blocks]


def oracle(pointers: list[list[int]], roots: list[int]) -> list[set[str]]:
    """What each block may be found to be: of several lost ones in a circle any can be the first."""
    count = len(pointers)

    def hit(word: int) -> tuple[int, bool] | None:
        number, offset = divmod(word - 0x1000, 128)
        return (number, offset == 0) if 0 <= number < count and offset < SIZE else None

    edges = [[hit(word) for word in words if hit(word)] for words in pointers]
    first = [hit(word) for word in roots if hit(word)]

    def closure(start, *, inner):
        seen, todo = set(), [at for at, whole in start if whole or inner]
        while todo:
            at = todo.pop()
            if at not in seen:
                seen.add(at)
                todo += [to for to, whole in edges[at] if whole or inner]
        return seen

    sure = closure(first, inner=False)
    maybe = closure(first, inner=True)
    lost = [at for at in range(count) if at not in maybe]
    allowed = []
    for at in range(count):
        if at in sure:
            allowed.append({"still-reachable"})
        elif at in maybe:
            allowed.append({"possibly-lost"})
        else:
            from_others = [to for to in lost if to != at and at in closure([(to, True)], inner=True)]
            in_a_circle = [to for to in from_others if to in closure([(at, True)], inner=True)]
            if not from_others:
                allowed.append({"definitely-lost"})
            elif len(in_a_circle) == len(from_others):
                allowed.append({"definitely-lost", "indirectly-lost"})
            else:
                allowed.append({"indirectly-lost"})
    return allowed


WORDS = st.builds(
    lambda number, offset: 0x1000 + 128 * number + offset,
    st.integers(0, 6),
    st.sampled_from([0, 0, 0, 8, 31, 32]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=3), max_size=6), st.lists(WORDS, max_size=3))
def test_every_block_is_in_the_category_that_its_pointers_put_it_in(pointers, roots):
    """Reachable, possibly, indirectly or definitely lost; a circle of lost blocks has exactly one first."""
    found, allowed = categories(pointers, roots), oracle(pointers, roots)
    for kind, kinds in zip(found, allowed, strict=True):
        assert kind in kinds
    circles = [at for at, kinds in enumerate(allowed) if len(kinds) == 2]
    if circles:
        assert any(found[at] == "definitely-lost" for at in circles)


def test_the_nine_cases_of_the_manual():
    """Valgrind's manual, section 4.2.8: from RRR over AAA to BBB by pointers to beginnings and inner ones."""
    a, b = 0x1000, 0x1080
    reachable, possibly, definitely, indirectly = (
        "still-reachable",
        "possibly-lost",
        "definitely-lost",
        "indirectly-lost",
    )
    cases = [
        ([], [a, b], [reachable, reachable]),
        ([b], [a], [reachable, reachable]),
        ([], [], [definitely, definitely]),
        ([b], [], [definitely, indirectly]),
        ([], [a, b + 8], [reachable, possibly]),
        ([b + 8], [a], [reachable, possibly]),
        ([b], [a + 8], [possibly, possibly]),
        ([b + 8], [a + 8], [possibly, possibly]),
        ([b + 8], [], [definitely, indirectly]),
    ]
    for inside, roots, kinds in cases:
        assert categories([inside, []], roots) == kinds


def test_only_aligned_words_that_were_written_are_pointers():
    """Seven bytes of an address are none, nor is one between two words."""
    memory = (0x1234).to_bytes(8, "little") * 4

    def read(address: int, size: int) -> bytes:
        return memory[address - 0x103 : address - 0x103 + size]

    defined = np.ones(30, np.bool_)
    assert len(written_words(defined, 0x103, read)) == 3
    defined[6] = False
    assert len(written_words(defined, 0x103, read)) == 2
    assert written_words(np.zeros(30, np.bool_), 0x103, read) == []
    assert {str(kind) for kind in ErrorKind} >= {"definitely-lost", "double-free"}
