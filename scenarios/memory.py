"""Physical memory, how addresses are translated, and what that costs."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from scenarios.heaps import Heap, HeapSpec
from scenarios.kinds import UnderKey, only_kind
from scenarios.problems import Finding, did_you_mean, findings_error, known_words
from scenarios.swap import PolicyName, Scope, Swap, check_swap, swapping_of, with_usual
from scenarios.units import Duration, PositiveDuration, PositiveSize, format_size
from simulator.errors import TimeshareError
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.costs import MemoryCosts
from simulator.memory.mechanism import Mechanism
from simulator.memory.one_program import OneProgramMechanism
from simulator.memory.paging.mechanism import PagingMechanism, usual_address_bits
from simulator.memory.paging.shape import Shape
from simulator.memory.paging.tlb import TlbShape
from simulator.memory.segmentation.mechanism import SegmentationMechanism
from simulator.memory.static_relocation import StaticRelocationMechanism

AddressBits = Annotated[int, Field(strict=True, ge=8, le=57)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoTranslation(_Part):
    """Early systems: one program in memory at a time, the others whole on disk (OSTEP chapter 13)."""


class StaticRelocation(_Part):
    """The loader rewrites a program's addresses; nothing protects processes from each other."""


class BaseAndBounds(_Part):
    """Each process has one contiguous piece of physical memory (OSTEP chapter 15)."""

    compaction: bool = Field(
        default=False,
        strict=True,
        description="Whether processes are moved together when a new one would find no hole large enough.",
    )


class Segmentation(_Part):
    """Code, heap and stack are placed on their own (OSTEP chapter 16)."""

    compaction: bool = Field(
        default=False,
        strict=True,
        description="Whether segments are moved together when one would find no hole large enough.",
    )
    address_bits: AddressBits = Field(
        default=40, description="Length of a virtual address; its top two bits choose the segment."
    )


class TlbOptions(_Part):
    """A cache of translations, one for each CPU (OSTEP chapter 19)."""

    entries: Annotated[int, Field(strict=True, ge=0, le=65536)] = Field(
        default=64, description="Translations that it holds; 0 for a machine without one."
    )
    ways: Annotated[int, Field(strict=True, ge=1, le=65536)] = Field(
        default=4, description="Places that a translation may be in; as many as entries: any."
    )
    policy: Literal["fifo", "lru", "random"] = Field(
        default="lru", description="Which translation goes when all its places are taken."
    )
    asids: bool = Field(
        default=True,
        strict=True,
        description="Whether entries are tagged with the address space; otherwise a switch flushes them.",
    )

    @model_validator(mode="after")
    def _ways_fit(self) -> Self:
        if self.entries % self.ways:
            message = f"{self.entries} entries cannot be {self.ways}-way; write a divisor of the entries"
            raise findings_error([Finding(("ways",), message)])
        return self


class Paging(_Part):
    """Memory in pages, each in any frame (OSTEP chapters 18 to 20)."""

    page_size_bytes: PositiveSize = Field(
        default=4096, alias="page_size", description="Size of a page: a power of two."
    )
    levels: Annotated[int, Field(strict=True, ge=1, le=6)] = Field(
        default=4, description="Page tables that a translation goes through; 1 for a linear one."
    )
    address_bits: AddressBits | None = Field(
        default=None,
        description="Length of a virtual address; left out: 32 with 1 or 2 levels, 39 with 3, 48 with more.",
    )
    tlb: TlbOptions = Field(default_factory=TlbOptions, description="The translation lookaside buffer.")

    @property
    def bits(self) -> int:
        """Length of a virtual address."""
        return usual_address_bits(self.levels) if self.address_bits is None else self.address_bits

    @property
    def shape(self) -> Shape:
        """How addresses are taken apart; raises TimeshareError if they cannot be."""
        return Shape(self.page_size_bytes, self.bits, self.levels)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        size = self.page_size_bytes
        if size & (size - 1):
            below = 1 << (size.bit_length() - 1)
            right = f"{format_size(below)} or {format_size(2 * below)}"
            message = f"{format_size(size)} is no power of two; write {right}"
            raise findings_error([Finding(("page_size",), message)])
        try:
            pages = self.shape.pages
        except TimeshareError as error:
            raise findings_error([Finding(("levels",), str(error))]) from None
        if self.tlb.entries > pages:
            message = f"a TLB of {self.tlb.entries} entries is larger than the page table, which has {pages}"
            raise findings_error([Finding(("tlb", "entries"), message)])
        return self


class Disk(_Part):
    """What the disk takes in time."""

    latency_ns: Duration = Field(
        default=5_000_000, alias="latency", description="Time until it begins to read or write."
    )
    bandwidth_bytes: PositiveSize = Field(
        default=100 * 2**20, alias="bandwidth", description="What it reads or writes in a second."
    )


TRANSLATIONS: dict[str, type[BaseModel]] = {
    "none": NoTranslation,
    "static-relocation": StaticRelocation,
    "base-and-bounds": BaseAndBounds,
    "segmentation": Segmentation,
    "paging": Paging,
}
"""By name, in the order in which OSTEP comes to them."""
_FORMS = "a name alone, or {paging: {page_size: 4KiB}} with options"


def kind_of(translation: object) -> str | None:
    """Return the name of a translation: the only key of a mapping, or that of its class."""
    if isinstance(translation, Mapping):
        return str(next(iter(translation)))
    return next((kind for kind, model in TRANSLATIONS.items() if isinstance(translation, model)), None)


def _one_kind(value: object) -> object:
    """Turn a name into the long form; refuse all that is not exactly one known kind."""
    if isinstance(value, BaseModel):
        return value
    if isinstance(value, str):
        if value in TRANSLATIONS:
            return {value: {}}
        message = f"unknown value {value}{did_you_mean(value, TRANSLATIONS)} {known_words(TRANSLATIONS)}"
        raise findings_error([Finding((), message)])
    if not isinstance(value, Mapping) or not value:
        raise findings_error([Finding((), f"write how addresses are translated: {_FORMS}")])
    return only_kind(value, TRANSLATIONS, "translations", _FORMS)


Translation = Annotated[
    Annotated[NoTranslation, UnderKey("none", short=True), Tag("none")]
    | Annotated[StaticRelocation, UnderKey("static-relocation", short=True), Tag("static-relocation")]
    | Annotated[BaseAndBounds, UnderKey("base-and-bounds", short=True), Tag("base-and-bounds")]
    | Annotated[Segmentation, UnderKey("segmentation", short=True), Tag("segmentation")]
    | Annotated[Paging, UnderKey("paging", short=True), Tag("paging")],
    Discriminator(kind_of),
    BeforeValidator(_one_kind),
]
"""How addresses are translated: a name, or {NAME: {option: value ...}}."""


class MachineMemory(_Part):
    """Physical memory and how addresses are translated."""

    size_bytes: PositiveSize = Field(default=4 * 2**30, alias="size", description="Size of physical memory.")
    translation: Translation = Field(
        default_factory=BaseAndBounds,
        description="How a process's addresses become physical ones: none, static-relocation, "
        "base-and-bounds, segmentation or paging, by name or as {paging: {levels: 2}}.",
    )
    reference_ns: Duration = Field(
        default=100, alias="reference", description="Time of one reference to physical memory."
    )
    fault_ns: Duration = Field(
        default=500, alias="fault", description="CPU time of a fault that the kernel serves, copying aside."
    )
    copy_bytes: PositiveSize = Field(
        default=4 * 2**30, alias="copy", description="What can be copied within memory in a second."
    )
    oom: Literal["kill-asking", "linux", "tickets"] = Field(
        default="kill-asking",
        description="Who is killed when memory runs out: kill-asking, the process that asked; linux, the one "
        "with the highest badness; tickets, the one furthest above what its job's memory tickets entitle it "
        "to.",
    )
    disk: Disk = Field(default_factory=Disk, description="The disk that programs are saved to.")
    swap: Swap | None = Field(
        default=None, description="Where pages go when memory is short; left out: nowhere. For paging."
    )
    replacement: PolicyName | None = Field(
        default=None,
        description="Which page goes: fifo, lru, clock, random, opt, inverse-lottery, or module:Class; left "
        "out, with swap: clock.",
    )
    scope: Scope | None = Field(
        default=None,
        description="Whose pages go: anybody's (global), or local: those of the job that needs a frame, if "
        "any; left out, with swap: global.",
    )
    working_set_ns: PositiveDuration | None = Field(
        default=None,
        alias="working_set",
        description="A job's working set is the pages that it has used within this time; left out, with "
        "swap: 1s.",
    )
    heap: HeapSpec = Field(
        default_factory=Heap,
        description="The allocator behind malloc and free, for jobs that have none of their own: a name, or "
        "a mapping of what is different from the heap that it is like.",
    )

    @property
    def kind(self) -> str:
        """The translation's name."""
        return str(kind_of(self.translation))

    @model_validator(mode="before")
    @classmethod
    def _usual_with_swap(cls, given: object) -> object:
        return with_usual(given) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _pages_can_be_swapped(self) -> Self:
        paging = self.translation if isinstance(self.translation, Paging) else None
        page_size = None if paging is None else paging.page_size_bytes
        given = {"replacement": self.replacement, "scope": self.scope, "working_set": self.working_set_ns}
        findings = check_swap(self.swap, self.kind, page_size, given)
        if findings:
            raise findings_error(findings)
        return self

    @model_validator(mode="after")
    def _memory_fits_pages(self) -> Self:
        if isinstance(self.translation, Paging):
            paging, size = self.translation, self.size_bytes
            page = paging.page_size_bytes
            if size % page:
                message = f"{format_size(size)} is no whole number of pages of {format_size(page)}"
                raise findings_error([Finding(("size",), message)])
            table = paging.shape.table_bytes(0)
            if table > size:
                message = (
                    f"with {paging.levels} levels for {paging.bits} bits of address the first page table of "
                    f"a process takes {format_size(table)}, more than the memory has; give it more levels"
                )
                raise findings_error([Finding(("translation", "paging", "levels"), message)])
            try:
                make_mechanism(self, cpus=1, random=np.random.default_rng(0))
            except TimeshareError as error:
                raise findings_error([Finding(("translation", "paging"), str(error))]) from None
        return self


def make_mechanism(
    memory: MachineMemory,
    *,
    cpus: int,
    random: np.random.Generator,
    replacing: np.random.Generator | None = None,
) -> Mechanism:
    """Return the mechanism that a scenario's memory asks for.

    Args:
        memory: what is asked for.
        cpus: how many CPUs the machine has.
        random: for what the hardware leaves to chance.
        replacing: for what page replacement leaves to chance; a stream of seed 0 if left out.

    Raises:
        TimeshareError: sizes that do not fit together.
    """
    size, kind = memory.size_bytes, memory.translation
    costs = MemoryCosts(
        reference_ns=memory.reference_ns,
        fault_ns=memory.fault_ns,
        copy_bandwidth=memory.copy_bytes,
        disk_latency_ns=memory.disk.latency_ns,
        disk_bandwidth=memory.disk.bandwidth_bytes,
    )
    if isinstance(kind, NoTranslation):
        return OneProgramMechanism(size, costs)
    if isinstance(kind, StaticRelocation):
        return StaticRelocationMechanism(size, costs)
    if isinstance(kind, BaseAndBounds):
        return BaseAndBoundsMechanism(size, costs, compaction=kind.compaction)
    if isinstance(kind, Segmentation):
        return SegmentationMechanism(size, costs, compaction=kind.compaction, address_bits=kind.address_bits)
    tlb = TlbShape(kind.tlb.entries, kind.tlb.ways, kind.tlb.policy, kind.tlb.asids)
    return PagingMechanism(
        size,
        costs,
        page_size=kind.page_size_bytes,
        levels=kind.levels,
        address_bits=kind.bits,
        tlb=tlb,
        cpus=cpus,
        random=random,
        swapping=None
        if memory.swap is None
        else swapping_of(
            memory.swap,
            memory.replacement,
            memory.scope,
            memory.working_set_ns,
            replacing or np.random.default_rng(0),
        ),
    )
