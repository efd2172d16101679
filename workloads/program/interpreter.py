"""Runs a script: variables and return addresses lie on the simulated stack, and all goes through the MMU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from simulator.errors import TimeshareError
from simulator.memory.address_space import Access
from simulator.memory.errors import FaultKind, MemoryFault
from workloads.program.code import WORD_BYTES, Compute, Sleep
from workloads.program.expressions import AddressOf, Number
from workloads.program.handlers import HANDLERS

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import simpy

    from simulator.syscalls import SystemCalls
    from workloads.program.code import Instruction, Script
    from workloads.program.expressions import Name, Place, Sum

    Steps = Generator[simpy.Event, Any, Any]

WORD = 1 << 64
INSTRUCTION_BYTES = 16
"""Distance of the addresses of two instructions."""
STACK_ALIGNMENT = 16
MOST_STEPS = 200_000
"""Steps of a process without a pause; a script that wants more has a loop that never ends."""


class ScriptError(TimeshareError):
    """A script that goes on without a pause for longer than can be simulated."""


@dataclass
class Frame:
    """What the interpreter keeps of a call; the variables are in simulated memory.

    Attributes:
        function: which function.
        next: the instruction to go on with.
        slots: by name, how far from the frame pointer a variable lies, and whether it is an array.
        depth: bytes that its variables take.
        counters: of loops without a variable, which would be in registers.
        returns_to: the return address that was pushed.
        into: where the caller wants what is returned.
    """

    function: str
    next: int = 0
    slots: dict[str, tuple[int, bool]] = field(default_factory=dict)
    depth: int = 0
    counters: dict[int, int] = field(default_factory=dict)
    returns_to: int = 0
    into: Place | None = None


class Interpreter:
    """One process that runs a script.

    The stack is as a compiler would lay it out on x86-64 without optimising: a call pushes the return
    address and the frame pointer; parameters and variables follow below in the order of the steps. Global
    variables lie at the top of the stack's room, since address spaces have no segment for data.

    Args:
        system: the process's system calls.
        script: the program.
    """

    def __init__(self, system: SystemCalls, script: Script) -> None:
        self.system = system
        self.script = script
        self.frames: list[Frame] = []
        self.children: list[int] = []
        self.frame_pointer = 0
        self._variables: dict[str, tuple[int, bool]] = {}
        self._code = {}
        start = system.code_start
        for function in script.functions.values():
            self._code[function.name] = start
            start += len(function.code) * INSTRUCTION_BYTES

    def run(self) -> Steps:
        """Run the program from its first function on."""
        yield from self._lay_out_variables()
        yield from self.run_function(self.script.main, ())

    def run_function(self, name: str, arguments: Sequence[int]) -> Steps:
        """Run a function until it returns, and exit with what it returns."""
        yield from self.enter(name, arguments, None)
        system, functions = self.system, self.script.functions
        steps = 0
        while self.frames:
            frame = self.frames[-1]
            instruction = functions[frame.function].code[frame.next]
            frame.next += 1
            system.at(instruction.where)
            steps = 0 if _pauses(instruction) else steps + 1
            if steps > MOST_STEPS:
                raise ScriptError(
                    f"more than {MOST_STEPS:,} steps without a pause, now in {frame.function}, "
                    f"{instruction.where}; let what goes on for so long compute or sleep on the way"
                )
            yield system.compute(self.script.step_ns)
            yield from HANDLERS[type(instruction)](self, instruction)

    def child(self, system: SystemCalls) -> Interpreter:
        """Return what runs in a copy of this process's memory."""
        other = Interpreter(system, self.script)
        other.frame_pointer, other._variables = self.frame_pointer, self._variables
        return other

    def enter(self, name: str, arguments: Sequence[int], into: Place | None) -> Steps:
        """Call a function: push return address, frame pointer and arguments."""
        system, function = self.system, self.script.functions[name]
        returns_to = system.code_start
        if self.frames:
            caller = self.frames[-1]
            returns_to = self._code[caller.function] + caller.next * INSTRUCTION_BYTES
        pointer = system.stack_pointer - 2 * WORD_BYTES
        system.stack_pointer = pointer - len(arguments) * WORD_BYTES
        pushed = self.frame_pointer.to_bytes(WORD_BYTES, "little") + returns_to.to_bytes(WORD_BYTES, "little")
        system.enter(name)
        yield system.store(pointer, pushed)
        self.frame_pointer = pointer
        frame = Frame(name, returns_to=returns_to, into=into)
        self.frames.append(frame)
        for parameter, value in zip(function.parameters, arguments, strict=True):
            frame.depth += WORD_BYTES
            frame.slots[parameter] = (-frame.depth, False)
            yield self.store_word(pointer - frame.depth, value)

    def leave(self, value: int) -> Steps:
        """Return from a function to where the stack says that it was called from."""
        system, frame = self.system, self.frames[-1]
        pushed = yield system.load(self.frame_pointer, 2 * WORD_BYTES)
        returns_to = int.from_bytes(pushed[WORD_BYTES:], "little")
        if returns_to != frame.returns_to:
            yield from self._jump_away(returns_to)
        system.stack_pointer = self.frame_pointer + 2 * WORD_BYTES
        self.frame_pointer = int.from_bytes(pushed[:WORD_BYTES], "little")
        self.frames.pop()
        if not self.frames:
            system.exit(value % 256)
        system.leave()
        if frame.into is not None:
            yield self.store_word((yield from self.address(frame.into)), value)

    def make_local(self, name: str, size: int | None) -> None:
        """Make room for a variable, if the function has none for it yet."""
        frame = self.frames[-1]
        if name not in frame.slots:
            length = WORD_BYTES if size is None else -(-size // WORD_BYTES) * WORD_BYTES
            frame.depth += length
            frame.slots[name] = (-frame.depth, size is not None)
            self.system.stack_pointer = self.frame_pointer - frame.depth

    def address(self, place: Place) -> Steps:
        """Return the address of a place."""
        address, is_array = self._where(place.name)
        if place.index is None:
            return address
        start = address if is_array else (yield from self.load_word(address))
        index = yield from self.value(place.index)
        return (start + index) % WORD

    def value(self, what: Sum) -> Steps:
        """Return what a value is worth, 0 to 2**64 - 1."""
        total = 0
        for sign, term in what.terms:
            if isinstance(term, Number):
                worth = term.value
            elif isinstance(term, AddressOf):
                worth = yield from self.address(term.place)
            else:
                worth = yield from self._variable(term)
            total += sign * worth
        return total % WORD

    def load_word(self, address: int) -> Steps:
        """Return a word of memory as a number."""
        return int.from_bytes((yield self.system.load(address, WORD_BYTES)), "little")

    def store_word(self, address: int, value: int) -> simpy.Event:
        """Store a number as a word."""
        return self.system.store(address, (value % WORD).to_bytes(WORD_BYTES, "little"))

    def _variable(self, term: Name) -> Steps:
        address, is_array = self._where(term.name)
        return address if is_array else (yield from self.load_word(address))

    def _where(self, name: str) -> tuple[int, bool]:
        """Return the address of a variable, and whether it is an array."""
        slots = self.frames[-1].slots
        if name in slots:
            offset, is_array = slots[name]
            # A frame pointer that was written over leads anywhere.
            return (self.frame_pointer + offset) % WORD, is_array
        return self._variables[name]

    def _lay_out_variables(self) -> Steps:
        system, at = self.system, 0
        for name, size in self.script.variables.items():
            at += WORD_BYTES if size is None else -(-size // WORD_BYTES) * WORD_BYTES
            self._variables[name] = (system.stack_top - at, size is not None)
        room = -(-at // STACK_ALIGNMENT) * STACK_ALIGNMENT
        system.stack_pointer = self.frame_pointer = system.stack_top - room
        if room:
            yield system.store(system.stack_pointer, bytes(room))

    def _jump_away(self, address: int) -> Steps:
        """Return to an address that no call has pushed: whatever lies there is executed."""
        what = f"instruction fetch from address {address:#x}"
        if address < WORD // 2:
            yield self.system.access(np.array([address]), Access.EXECUTE)
            what = f"illegal instruction: {what}, to which a function returned"
            raise MemoryFault(what, address, FaultKind.PROTECTION)
        raise MemoryFault(f"segmentation fault: {what}", address, FaultKind.OUT_OF_BOUNDS)


def _pauses(instruction: Instruction) -> bool:
    """Say whether an instruction lets time pass; to wait takes none where there are no children."""
    if isinstance(instruction, Sleep):
        return instruction.duration_ns > 0
    return isinstance(instruction, Compute)
