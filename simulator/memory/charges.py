"""Whom physical memory is charged to, and what happens when more is asked for than there is.

All that hands out physical memory asks here first, as the kernel's page allocator and its memory controller
do (`__alloc_pages_slowpath`, `try_charge_memcg`): a request that exceeds a limit or what is free is a
*shortage*, which the kernel may relieve, by reclaiming or by killing. Then the request is looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from simulator.errors import InvariantError

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.memory.control import MemoryControl
    from simulator.memory.errors import OutOfMemory

    Refuse = Callable[[], "Refusal | None"]
    """Says why memory cannot serve a request now; None if it can."""


class Refusal(NamedTuple):
    """Why memory itself cannot serve a request.

    Attributes:
        error: what whoever asked is told.
        growth_bytes: how much larger the memory would have to be.
    """

    error: OutOfMemory
    growth_bytes: int


@dataclass(eq=False)
class Shortage:
    """A request for physical memory that cannot be met as things are.

    Attributes:
        control: whose request it is.
        needed_bytes: what is asked for.
        limit: the innermost claim whose limit stands against it; None where memory itself does.
        lacking: by how much each limit would have to be higher, and memory (None) larger, to serve it.
        error: what whoever asked is told if nothing helps.
        case: what the kernel has found out about it, to explain what followed from it.
    """

    control: MemoryControl
    needed_bytes: int
    limit: MemoryControl | None
    lacking: tuple[tuple[MemoryControl | None, int], ...]
    error: OutOfMemory
    case: object = None

    @property
    def excess_bytes(self) -> int:
        """How much is too much for what stands against it first."""
        return self.lacking[0][1]


class Charges:
    """The books of who is charged for how much.

    Attributes:
        relieve: asked to do something about a shortage; says whether looking again is worth while.
        note_high: told of a charge, in bytes, to a claim that is beyond its `high_bytes`.
        total_bytes: all charges together, which is what is handed out.
    """

    def __init__(self) -> None:
        self.relieve: Callable[[Shortage], bool] = lambda _shortage: False
        self.note_high: Callable[[MemoryControl, int], None] = lambda _control, _size: None
        self.total_bytes = 0
        self._numbers: dict[MemoryControl, int] = {}
        self._known: list[MemoryControl] = []

    def admit(self, control: MemoryControl, size: int, refuse: Refuse) -> None:
        """Charge a request that is about to be served.

        Args:
            control: who is charged.
            size: bytes.
            refuse: says whether memory can serve it.

        Raises:
            OutOfMemory: it cannot be served, and nothing could be done about it; nothing is charged.
        """
        shortage = self.shortage(control, size, refuse)
        if shortage is not None:
            raise shortage.error
        control.charge(size)
        self.total_bytes += size
        self.number_of(control)
        if control.is_over_high():
            self.note_high(control, size)

    def shortage(self, control: MemoryControl, size: int, refuse: Refuse) -> Shortage | None:
        """Return what stands against a request after all that could be done about it; None for nothing."""
        while (found := _find(control, size, refuse)) is not None:
            if not self.relieve(found):
                found.error.shortage = found
                return found
        return None

    def withdraw(self, control: MemoryControl, size: int) -> None:
        """Take a charge back."""
        control.uncharge(size)
        self.total_bytes -= size

    def number_of(self, control: MemoryControl) -> int:
        """Return a number for a claim, by which books can keep it."""
        if control not in self._numbers:
            self._numbers[control] = len(self._known)
            self._known.append(control)
        return self._numbers[control]

    def numbered(self, number: int) -> MemoryControl:
        """Return the claim of a number."""
        return self._known[number]

    def agree(self, used_bytes: int) -> None:
        """Hold what is charged in all against what is handed out; raises InvariantError."""
        if self.total_bytes != used_bytes:
            raise InvariantError(f"{self.total_bytes} bytes are charged, and {used_bytes} are used")

    def check(self, used_bytes: int) -> None:
        """Balance the books: what is charged is what is handed out, and groups are charged for their members.

        Raises:
            InvariantError: they do not balance.
        """
        sums: dict[MemoryControl, int] = {}
        for control in self._known:
            for one in control.lineage():
                sums[one] = sums.get(one, 0) + control.own_bytes
        wrong = [one for one, size in sums.items() if size != one.used_bytes]
        if wrong:
            one = wrong[0]
            raise InvariantError(f"{one.name} is charged {one.used_bytes} bytes, its members {sums[one]}")
        self.agree(used_bytes)
        self.agree(sum(control.own_bytes for control in self._known))


def _find(control: MemoryControl, size: int, refuse: Refuse) -> Shortage | None:
    """Return what stands against a request now."""
    limit, refused = control.limit_hit(size), refuse()
    lacking: list[tuple[MemoryControl | None, int]] = [
        (one, one.lacking(size)) for one in control.lineage() if one.lacking(size) > 0
    ]
    if refused is not None:
        lacking.append((None, refused.growth_bytes))
    if limit is not None:
        limit.maxes += 1
        return Shortage(control, size, limit, tuple(lacking), limit.refusal(size))
    return None if refused is None else Shortage(control, size, None, tuple(lacking), refused.error)
