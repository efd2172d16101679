"""The instructions of a program: what its steps are once names are known and loops have become jumps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workloads.program.expressions import Place, Sum

WORD_BYTES = 8


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        where: the step that it is of, as diagnoses name it: "step 3, line 12".
    """

    where: str


@dataclass(frozen=True)
class Local(Instruction):
    """Room for a variable on the stack; `size` is None for one word, else that of an array in bytes."""

    name: str
    size: int | None


@dataclass(frozen=True)
class Assign(Instruction):
    """A value is stored at an address, as one word."""

    to: Sum
    value: Sum


@dataclass(frozen=True)
class Malloc(Instruction):
    """malloc, or calloc where `count` is given; NULL where there is no room."""

    into: Place
    size: Sum
    count: Sum | None = None


@dataclass(frozen=True)
class Realloc(Instruction):
    """realloc; NULL where there is no room, and the block stays."""

    of: Sum
    into: Place
    size: Sum


@dataclass(frozen=True)
class Free(Instruction):
    """free."""

    pointer: Sum


@dataclass(frozen=True)
class Write(Instruction):
    """Bytes are stored at an address."""

    to: Sum
    data: bytes


@dataclass(frozen=True)
class Fill(Instruction):
    """The same byte is stored so many times (memset)."""

    to: Sum
    byte: int
    size: Sum


@dataclass(frozen=True)
class Read(Instruction):
    """Bytes are loaded; with `into` they are the number, lowest byte first, that a variable becomes."""

    address: Sum
    size: Sum
    into: Place | None


@dataclass(frozen=True)
class Copy(Instruction):
    """Bytes are loaded from one address and stored at another (memcpy)."""

    address: Sum
    to: Sum
    size: Sum


@dataclass(frozen=True)
class Call(Instruction):
    """A function is called; what it returns is stored at `into`."""

    function: str
    arguments: tuple[Sum, ...]
    into: Place | None


@dataclass(frozen=True)
class Return(Instruction):
    """The function returns a value."""

    value: Sum


@dataclass(frozen=True)
class Compute(Instruction):
    """The CPU is used for so long."""

    cpu_ns: int


@dataclass(frozen=True)
class Sleep(Instruction):
    """The process sleeps."""

    duration_ns: int


@dataclass(frozen=True)
class Fork(Instruction):
    """A child with a copy of the memory begins with a function; its pid is stored at `into`."""

    function: str
    arguments: tuple[Sum, ...]
    into: Place | None


@dataclass(frozen=True)
class Wait(Instruction):
    """The process waits until all its children have ended."""


@dataclass(frozen=True)
class Exit(Instruction):
    """The process ends."""

    code: int


@dataclass(frozen=True)
class Print(Instruction):
    """A line of output: a text, a number, a number in hexadecimal, and bytes up to a 0 byte or a size."""

    text: str
    value: Sum | None
    address: Sum | None
    string: Sum | None
    size: Sum | None


@dataclass(frozen=True)
class Expect(Instruction):
    """assert(): the process is aborted if two values differ."""

    value: Sum
    is_value: Sum
    said: str


@dataclass(frozen=True)
class Jump(Instruction):
    """Go on at another instruction."""

    to: int


@dataclass(frozen=True)
class JumpIfZero(Instruction):
    """Go on at another instruction if a value is 0."""

    value: Sum
    to: int


@dataclass(frozen=True)
class BeginLoop(Instruction):
    """A loop's counter is 0; it is a variable, or a register where none is named."""

    number: int
    counter: Place | None


@dataclass(frozen=True)
class TestLoop(Instruction):
    """Go on behind the loop once it has been run so often."""

    number: int
    counter: Place | None
    count: Sum
    to: int


@dataclass(frozen=True)
class NextLoop(Instruction):
    """The counter grows by 1, and the loop begins again."""

    number: int
    counter: Place | None
    to: int


@dataclass(frozen=True)
class Function:
    """A function.

    Attributes:
        name: its name.
        parameters: the names of its parameters, each one word.
        code: its instructions; the last one returns.
    """

    name: str
    parameters: tuple[str, ...]
    code: tuple[Instruction, ...]


@dataclass(frozen=True)
class Script:
    """A whole program.

    Attributes:
        functions: by name.
        main: the function that it begins with.
        variables: the global variables: None for one word, else the size of an array in bytes.
        step_ns: CPU time of each instruction, > 0.
    """

    functions: Mapping[str, Function]
    main: str
    variables: Mapping[str, int | None]
    step_ns: int
