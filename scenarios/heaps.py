"""A heap in a scenario: `heap: glibc`, or a mapping of what is different from a heap of that name."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
    model_validator,
)

from scenarios.problems import Finding, did_you_mean, findings_error, known_words
from scenarios.units import SIZE_SCHEMA, PositiveSize, Size, UnitError, format_size, parse_size
from simulator.memory.heap_config import PRESETS, HeapConfig, HeapConfigError, changed

NEVER = "never"
FewBytes = Annotated[int, Field(strict=True, ge=0, le=4096)]


def _parse_threshold(value: object) -> int | str:
    if value == NEVER:
        return NEVER
    try:
        return parse_size(value)
    except UnitError as error:
        raise UnitError(f"{error}; or {NEVER}") from None


def _as_in_file(value: int | str, info: SerializationInfo) -> int | str:
    return format_size(value) if info.by_alias and isinstance(value, int) else value


Threshold = Annotated[
    Any,
    BeforeValidator(_parse_threshold),
    PlainSerializer(_as_in_file),
    WithJsonSchema({"anyOf": [SIZE_SCHEMA, {"const": NEVER}]}),
]
"""A size from which something is done, or `never`."""


class Heap(BaseModel):
    """The allocator behind malloc and free; what is left out is as the heap of the name `like` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    like: str = Field(default="first-fit", description=f"A heap by name: {', '.join(PRESETS)}.")
    placement: Literal["first", "next", "best", "worst", "segregated", "buddy"] | None = Field(
        default=None, description="Which free block serves a request (OSTEP chapter 17)."
    )
    order: Literal["address", "lifo", "fifo", "size", "size-descending"] | None = Field(
        default=None, description="The order of the free list."
    )
    coalescing: Literal["immediate", "deferred", "never", "list-neighbours"] | None = Field(
        default=None, description="When free neighbours become one block."
    )
    header: FewBytes | None = Field(default=None, description="Bytes before every block.")
    alignment: FewBytes | None = Field(
        default=None, description="Addresses are multiples of so many bytes, a power of two."
    )
    min_block: FewBytes | None = Field(
        default=None, description="Bytes of the smallest block, its header included."
    )
    growth: PositiveSize | None = Field(default=None, description="The heap grows by multiples of this.")
    top_pad: Size | None = Field(
        default=None,
        description="So much more than is needed is asked for, and kept when the top is trimmed.",
    )
    trim_threshold: Threshold | None = Field(
        default=None, description="So much free at the top is given back to the system; or never."
    )
    mmap_threshold: Threshold | None = Field(
        default=None, description="From this size on a block has a mapping of its own; or never."
    )

    @property
    def config(self) -> HeapConfig:
        """The settings that the file's keys stand for."""
        return self._made()

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.like not in PRESETS:
            message = f"unknown heap {self.like}{did_you_mean(self.like, PRESETS)} {known_words(PRESETS)}"
            raise findings_error([Finding(("like",), message)])
        try:
            self._made()
        except HeapConfigError as error:
            path = (error.option,) if error.option in self.model_fields_set else ()
            raise findings_error([Finding(path, error.message)]) from None
        return self

    def _made(self) -> HeapConfig:
        plain = ("like", "placement", "order", "coalescing")
        options: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if name != "like" and value is not None:
                key = name if name in plain else f"{name}_bytes"
                options[key] = None if value == NEVER and name not in plain else value
        return changed(PRESETS[self.like], options)


def _named(value: object) -> object:
    return {"like": value} if isinstance(value, str) else value


HeapSpec = Annotated[Heap, BeforeValidator(_named, json_schema_input_type=str | Heap)]
"""A heap's name, or a mapping."""
