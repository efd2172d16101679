"""The steps of a program in a scenario (`workload: program`): calls, variables, malloc and free, bytes."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    WithJsonSchema,
    model_validator,
)

from scenarios.kinds import only_kind
from scenarios.problems import Finding, as_written, findings_error, known_words
from scenarios.step_parts import (
    FOREVER,
    WORD,
    AddressText,
    Byte,
    PlaceText,
    SizeValue,
    StepKey,
    StepModel,
    Value,
    VariableName,
    VariableSize,
    check_value,
)
from scenarios.units import Duration, PositiveDuration
from workloads.program.expressions import ExpressionError


class Local(RootModel[Mapping[VariableName, VariableSize]]):
    """Variables of the function: `local: p` for a word, `local: {buffer: 16B}` for an array."""

    kind: ClassVar[str] = "local"
    other_forms: ClassVar[list[dict[str, Any]]] = [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
    ]

    @model_validator(mode="before")
    @classmethod
    def _words(cls, given: object) -> object:
        return words(given)


class Set(RootModel[Mapping[PlaceText, Value]]):
    """Words are stored: `set: {p: NULL, n: n + 1}`."""

    kind: ClassVar[str] = "set"


class Malloc(StepModel):
    """malloc(size); NULL where there is no room."""

    kind = "malloc"
    into: PlaceText = Field(description="Where the address goes, such as a variable.")
    size: SizeValue = Field(description="Bytes to allocate.")


class Calloc(StepModel):
    """calloc(count, size): an array of zeros; NULL where there is no room."""

    kind = "calloc"
    into: PlaceText = Field(description="Where the address goes, such as a variable.")
    count: Value = Field(description="Number of elements.")
    size: SizeValue = Field(description="Bytes of an element.")


class Realloc(StepModel):
    """realloc(of, size); NULL where there is no room, and the block stays."""

    kind = "realloc"
    of: Value = Field(description="The block that is to have another size.")
    size: SizeValue = Field(description="Its new size.")
    into: PlaceText = Field(description="Where the new address goes, such as a variable.")


class Free(StepModel):
    """free(pointer): `free: p`."""

    kind = "free"
    short = "pointer"
    pointer: Value = Field(description="The block's address.")


class Write(StepModel):
    """Bytes are stored: a text with a 0 byte behind it, single bytes, the same byte many times, or a word."""

    kind = "write"
    to: AddressText = Field(description="Where the first byte goes.")
    text: str | None = Field(default=None, description="A string; a 0 byte follows it, as in C.")
    bytes_: tuple[Byte, ...] | None = Field(default=None, alias="bytes", description="Bytes, 0 to 255.")
    fill: Byte | None = Field(default=None, description="A byte that is stored `size` times.")
    size: SizeValue | None = Field(default=None, description="Bytes to fill.")
    value: Value = Field(default=None, description="A word: a number or a pointer.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = ("text", "bytes_", "fill", "value")
        given = [name for name in forms if name in self.model_fields_set]
        if len(given) != 1:
            message = "say what to write: one of `text`, `bytes`, `fill` with `size`, and `value`"
            raise findings_error([Finding((), message, on_key=True)])
        if ("size" in self.model_fields_set) != (given == ["fill"]):
            message = "`size` goes with `fill`; what else is written has a size of its own"
            if given == ["fill"]:
                message = "size is missing: how many bytes to fill"
            raise findings_error([Finding((), message, on_key=True)])
        return self


class Read(StepModel):
    """Bytes are loaded; with `into`, at most 8 of them become a number."""

    kind = "read"
    from_: AddressText = Field(alias="from", description="Where the first byte is.")
    size: SizeValue = Field(default="8B", description="Bytes to read; left out: a word.")
    into: PlaceText | None = Field(default=None, description="The variable that they go into.")


class Copy(StepModel):
    """memcpy(to, from, size)."""

    kind = "copy"
    from_: AddressText = Field(alias="from", description="Where the first byte is.")
    to: AddressText = Field(description="Where it goes.")
    size: SizeValue = Field(description="Bytes to copy.")


class Call(StepModel):
    """A function is called: `call: name`, or with arguments."""

    kind = "call"
    short = "function"
    function: str = Field(description="Its name.")
    args: tuple[Value, ...] = Field(default=(), description="Its arguments, words.")
    into: PlaceText | None = Field(default=None, description="Where what it returns goes.")


class Return(StepModel):
    """The function returns; main's value is the exit code."""

    kind = "return"
    short = "value"
    bare = True
    value: Value = Field(default=0, description="What it returns.")


class Compute(StepModel):
    """The CPU is used: `compute: 5ms`."""

    kind = "compute"
    short = "time"
    time: PositiveDuration = Field(description="CPU time.")


class Sleep(StepModel):
    """The process sleeps: `sleep: 10ms`."""

    kind = "sleep"
    short = "time"
    time: Duration = Field(description="How long.")


class Fork(StepModel):
    """fork(): a child with a copy of all memory begins with a function of its own."""

    kind = "fork"
    short = "function"
    function: str = Field(description="What the child calls; it exits with what that returns.")
    args: tuple[Value, ...] = Field(default=(), description="Its arguments, words.")
    into: PlaceText | None = Field(
        default=None, description="Where the child's pid goes; -1 where no address space can be copied."
    )


class Wait(StepModel):
    """wait() for all children to end."""

    kind = "wait"
    bare = True


class Exit(StepModel):
    """exit(): the process ends, its functions where they are."""

    kind = "exit"
    short = "code"
    bare = True
    code: Byte = Field(default=0, description="The exit code.")


class Print(StepModel):
    """A line of output, among the run's events: a text, then a number, an address, a string."""

    kind = "print"
    short = "text"
    text: str = Field(default="", description="Printed first.")
    value: Value = Field(default=None, description="A number printed behind it.")
    address: Value = Field(default=None, description="The same in hexadecimal.")
    from_: AddressText | None = Field(
        default=None, alias="from", description="A string printed behind it, up to its 0 byte."
    )
    size: SizeValue | None = Field(default=None, description="Print so many bytes instead.")

    @model_validator(mode="after")
    def _size_is_of_a_string(self) -> Self:
        if self.size is not None and self.from_ is None:
            raise findings_error(
                [Finding(("size",), "print so many bytes of what? give `from`", on_key=True)]
            )
        return self


class Expect(StepModel):
    """assert(value == is): the process is aborted if it is not so."""

    kind = "expect"
    value: Value = Field(description="What is looked at.")
    is_: Value = Field(alias="is", description="What it has to be.")


class If(StepModel):
    """Steps that are done if a value is not 0."""

    kind = "if"
    value: Value = Field(description="What is looked at.")
    then: "Steps" = Field(description="Done if it is not 0.")
    else_: "Steps" = Field(default=(), alias="else", description="Done if it is 0.")


def _count(value: object) -> object:
    if value == FOREVER:
        return value
    checked = check_value(value)
    if isinstance(checked, int) and checked < 0:
        raise ExpressionError(f"{checked} is negative; a loop is run 0 times or more, or {FOREVER}")
    return checked


class Loop(StepModel):
    """Steps that are done over and over."""

    kind = "loop"
    count: Annotated[
        Any,
        BeforeValidator(_count),
        WithJsonSchema({"anyOf": [{"const": FOREVER}, {"type": ["integer", "string"]}]}),
    ] = Field(description=f"How often: a number, a variable, or {FOREVER}.")
    as_: VariableName | None = Field(
        default=None, alias="as", description="A variable that counts the rounds from 0."
    )
    steps: "Steps" = Field(description="What is done.")


STEPS: dict[str, type[BaseModel]] = {
    step.kind: step
    for step in (
        Local, Set, Malloc, Calloc, Realloc, Free, Write, Read, Copy, Call, Return,
        Compute, Sleep, Fork, Wait, Exit, Print, Expect, If, Loop,
    )
}  # fmt: skip
"""By key, in the order in which the reference explains them."""


Words = str | list[str] | Mapping[str, VariableSize]
"""How variables are written: `p`, `[p, q]`, or `{p: word, buffer: 16B}`."""


def words(given: object) -> object:
    """Return variables as a mapping: names alone are words."""
    if isinstance(given, str):
        return {given: WORD}
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return dict.fromkeys(given, WORD)
    return given


def step_kind(step: object) -> str | None:
    """Return the key of a step: the only one of a mapping, or that of its class."""
    if isinstance(step, Mapping):
        return str(next(iter(step)))
    return next((kind for kind, model in STEPS.items() if isinstance(step, model)), None)


def _one_step(value: object) -> object:
    """Turn a bare key into a mapping; refuse all that is not exactly one known step."""
    if isinstance(value, BaseModel):
        return value
    forms = "a step is written {malloc: {into: p, size: 40B}}"
    if isinstance(value, str) and value in STEPS:
        if getattr(STEPS[value], "bare", False):
            return {value: None}
        raise findings_error([Finding((), f"{value} needs more than its name; {forms}")])
    if not isinstance(value, Mapping) or not value:
        message = f"{as_written(value)} is not a step; {forms} {known_words(STEPS)}"
        raise findings_error([Finding((), message)])
    return only_kind(value, STEPS, "step", forms)


Step = Annotated[
    Annotated[Local, StepKey("local", Local), Tag("local")]
    | Annotated[Set, StepKey("set", Set), Tag("set")]
    | Annotated[Malloc, StepKey("malloc", Malloc), Tag("malloc")]
    | Annotated[Calloc, StepKey("calloc", Calloc), Tag("calloc")]
    | Annotated[Realloc, StepKey("realloc", Realloc), Tag("realloc")]
    | Annotated[Free, StepKey("free", Free), Tag("free")]
    | Annotated[Write, StepKey("write", Write), Tag("write")]
    | Annotated[Read, StepKey("read", Read), Tag("read")]
    | Annotated[Copy, StepKey("copy", Copy), Tag("copy")]
    | Annotated[Call, StepKey("call", Call), Tag("call")]
    | Annotated[Return, StepKey("return", Return), Tag("return")]
    | Annotated[Compute, StepKey("compute", Compute), Tag("compute")]
    | Annotated[Sleep, StepKey("sleep", Sleep), Tag("sleep")]
    | Annotated[Fork, StepKey("fork", Fork), Tag("fork")]
    | Annotated[Wait, StepKey("wait", Wait), Tag("wait")]
    | Annotated[Exit, StepKey("exit", Exit), Tag("exit")]
    | Annotated[Print, StepKey("print", Print), Tag("print")]
    | Annotated[Expect, StepKey("expect", Expect), Tag("expect")]
    | Annotated[If, StepKey("if", If), Tag("if")]
    | Annotated[Loop, StepKey("loop", Loop), Tag("loop")],
    Discriminator(step_kind),
    BeforeValidator(_one_step),
]
"""One step."""
Steps = tuple[Step, ...]
If.model_rebuild()
Loop.model_rebuild()


class Function(BaseModel):
    """A function: a list of steps, or a mapping with parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: tuple[VariableName, ...] = Field(default=(), description="Its parameters, each one word.")
    steps: Annotated[Steps, Field(min_length=1)] = Field(description="What it does.")


def _function(given: object) -> object:
    return {"steps": given} if isinstance(given, list) else given


FunctionSpec = Annotated[Function, BeforeValidator(_function, json_schema_input_type=Steps | Function)]
"""Steps alone, or with parameters."""
