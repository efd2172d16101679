"""The translation lookaside buffer (OSTEP ch. 19): translations that the CPU need not look up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

Policy = Literal["fifo", "lru", "random"]
POLICIES: tuple[Policy, ...] = ("fifo", "lru", "random")


@dataclass(frozen=True)
class TlbShape:
    """What a TLB is like.

    Attributes:
        entries: how many translations it holds; 0 is no TLB.
        ways: how many places each translation may be in; `entries` of them make it fully associative.
        policy: which of them goes when all are taken.
        asids: entries are tagged with the address space, so that a switch need not flush them.

    Raises:
        TimeshareError: entries and ways that do not fit together.
    """

    entries: int = 64
    ways: int = 4
    policy: Policy = "lru"
    asids: bool = True

    def __post_init__(self) -> None:
        if self.entries < 0 or (self.entries and (self.ways < 1 or self.entries % self.ways)):
            raise TimeshareError(
                f"a TLB of {self.entries} entries cannot be {self.ways}-way associative: the entries must be "
                "a multiple of the ways"
            )


class Tlb:
    """The TLB of one CPU.

    A translation is known by the address space's number and the virtual page; the page modulo the number of
    sets says which set it is in. What it translates to stands in the page table: the kernel takes an entry
    out whenever it changes that, so that both say the same.

    Args:
        shape: what it is like.
        random: which way goes under the policy "random".
    """

    def __init__(self, shape: TlbShape, random: np.random.Generator) -> None:
        self.shape = shape
        self._random = random
        self._count = shape.entries // shape.ways if shape.entries else 0
        # A dictionary keeps its keys in order of insertion: the first is the one to go.
        self._sets: list[dict[tuple[int, int], None]] = [{} for _ in range(self._count)]

    def __len__(self) -> int:
        """Number of translations in it."""
        return sum(len(entries) for entries in self._sets)

    def __contains__(self, key: tuple[int, int]) -> bool:
        """Whether it knows (address space, page); nothing is used by asking."""
        return bool(self._count) and key in self._sets[key[1] % self._count]

    def use(self, space: int, page: int) -> bool:
        """Look a page up; say whether it was there. If it was not, it is from now on."""
        return not self.use_many(space, (page,))

    def use_many(self, space: int, pages: Sequence[int]) -> int:
        """Look one page after another up; return how many were not there. They are from now on."""
        count, misses = self._count, 0
        if not count:
            return len(pages)
        ways, renew = self.shape.ways, self.shape.policy == "lru"
        for page in pages:
            entries = self._sets[page % count]
            key = (space, page)
            if key in entries:
                if renew:
                    del entries[key]
                    entries[key] = None
            else:
                misses += 1
                if len(entries) == ways:
                    del entries[self._victim(entries)]
                entries[key] = None
        return misses

    def forget(self, space: int, first: int, last: int) -> None:
        """Take the translations of an address space's pages first to last - 1 out."""
        if last - first <= self._count:
            for page in range(first, last):
                self._sets[page % self._count].pop((space, page), None)
            return
        for entries in self._sets:
            for key in [key for key in entries if key[0] == space and first <= key[1] < last]:
                del entries[key]

    def flush(self) -> None:
        """Take all translations out."""
        for entries in self._sets:
            entries.clear()

    def _victim(self, entries: dict[tuple[int, int], None]) -> tuple[int, int]:
        if self.shape.policy == "random":
            return list(entries)[int(self._random.integers(len(entries)))]
        return next(iter(entries))
