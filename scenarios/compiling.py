"""From a job's functions to the script that it runs, and all that can be told to be wrong before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios import steps
from scenarios.problems import Finding, did_you_mean, known_words
from scenarios.step_parts import FOREVER, WORD, place_of, size_of
from workloads.program import code
from workloads.program.expressions import (
    Number,
    Place,
    Sum,
    address_of,
    names_in,
    parse_address,
    parse_place,
    parse_value,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from scenarios.problems import KeyPath
    from scenarios.steps import Function, Steps

    Lines = Mapping[KeyPath, int]

ENDLESS = 1 << 62


class Compiler:
    """Turns functions into instructions, and notes what is wrong with them.

    Args:
        functions: by name.
        variables: the global variables.
        lines: by path from the job, the line of the file that a step begins on.

    Attributes:
        findings: what is wrong, each relative to the job.
        calls: by function, the functions that it is sure to call before it returns, and where.
    """

    def __init__(
        self, functions: Mapping[str, Function], variables: Mapping[str, int | None], lines: Lines
    ) -> None:
        self.findings: list[Finding] = []
        self.calls: dict[str, dict[str, KeyPath]] = {}
        self._functions = functions
        self._variables = variables
        self._lines = lines
        self._code: list[code.Instruction] = []
        self._scopes: list[dict[str, None]] = []
        self._declared: dict[str, None] = {}
        self._loops = 0
        self._sure: dict[str, KeyPath] | None = None
        self._exits = exiting(functions)

    def function(self, name: str, path: KeyPath) -> code.Function:
        """Return a function's instructions."""
        function = self._functions[name]
        self._code, self._loops = [], 0
        self._scopes, self._declared = [{}], {}
        self._sure = self.calls.setdefault(name, {})
        for index, parameter in enumerate(function.parameters):
            self._declare(parameter, (*path, "parameters", index))
        self._block(function.steps, self._steps_path(path), "")
        self._add(code.Return(f"the end of {name}", parse_value(0)))
        return code.Function(name, function.parameters, tuple(self._code))

    def _steps_path(self, path: KeyPath) -> KeyPath:
        """Return where a function's steps are: under its name, or under `steps` there."""
        inner = (*path, "steps")
        return inner if (*inner, 0) in self._lines else path

    def _add(self, instruction: code.Instruction) -> int:
        self._code.append(instruction)
        return len(self._code) - 1

    def _block(self, block: Steps, path: KeyPath, prefix: str, first: int = 1) -> None:
        """Compile steps; what they declare is known until their end."""
        self._scopes.append({})
        for index, step in enumerate(block):
            place = (*path, index)
            line = self._lines.get(place)
            number = f"{prefix}{first + index}"
            where = f"step {number}" + ("" if line is None else f", line {line}")
            kind = str(steps.step_kind(step))
            getattr(self, f"_{kind}")(step, where, (*place, kind), number)
        self._scopes.pop()

    def _known(self, what: Sum | Place | None, path: KeyPath) -> None:
        """Note the variables that are not declared where they are used."""
        known = [*self._variables, *(name for scope in self._scopes for name in scope)]
        for name in dict.fromkeys(() if what is None else names_in(what)):
            if name not in known:
                later = name in self._declared
                hint = "; it is declared in steps that have ended" if later else did_you_mean(name, known)
                there = known_words(known) if known else "(there is none)"
                self.findings.append(Finding(path, f"unknown variable {name}{hint} {there}"))

    def _value(self, text: int | str | None, path: KeyPath) -> Sum:
        value = parse_value(text)
        self._known(value, path)
        return value

    def _size(self, text: str | None, path: KeyPath) -> Sum:
        size = size_of(text)
        self._known(size, path)
        return size

    def _place(self, text: str, path: KeyPath) -> Place:
        place = parse_place(text)
        self._known(place, path)
        return place

    def _address(self, text: str, path: KeyPath) -> Sum:
        address = parse_address(text)
        self._known(address, path)
        return address

    def _maybe(self, text: str | None, path: KeyPath) -> Place | None:
        place = place_of(text)
        self._known(place, path)
        return place

    def _declare(self, name: str, path: KeyPath) -> None:
        if name in self._declared:
            self.findings.append(Finding(path, f"{name} is declared twice in this function", on_key=True))
        elif name in self._variables:
            self.findings.append(Finding(path, f"{name} is a global variable already", on_key=True))
        self._declared[name] = self._scopes[-1][name] = None

    def _local(self, step: steps.Local, where: str, path: KeyPath, _number: str) -> None:
        for name, size in step.root.items():
            self._declare(name, (*path, name))
            self._add(code.Local(where, name, None if size == WORD else size))

    def _set(self, step: steps.Set, where: str, path: KeyPath, _number: str) -> None:
        for to, value in step.root.items():
            inner = (*path, to)
            self._add(code.Assign(where, address_of(self._place(to, inner)), self._value(value, inner)))

    def _malloc(self, step: steps.Malloc, where: str, path: KeyPath, _number: str) -> None:
        into = self._place(step.into, (*path, "into"))
        self._add(code.Malloc(where, into, self._size(step.size, (*path, "size"))))

    def _calloc(self, step: steps.Calloc, where: str, path: KeyPath, _number: str) -> None:
        into, count = self._place(step.into, (*path, "into")), self._value(step.count, (*path, "count"))
        self._add(code.Malloc(where, into, self._size(step.size, (*path, "size")), count))

    def _realloc(self, step: steps.Realloc, where: str, path: KeyPath, _number: str) -> None:
        of, into = self._value(step.of, (*path, "of")), self._place(step.into, (*path, "into"))
        self._add(code.Realloc(where, of, into, self._size(step.size, (*path, "size"))))

    def _free(self, step: steps.Free, where: str, path: KeyPath, _number: str) -> None:
        self._add(code.Free(where, self._value(step.pointer, (*path, "pointer"))))

    def _write(self, step: steps.Write, where: str, path: KeyPath, _number: str) -> None:
        to = self._address(step.to, (*path, "to"))
        if step.fill is not None:
            self._add(code.Fill(where, to, step.fill, self._size(step.size, (*path, "size"))))
        elif "value" in step.model_fields_set:
            self._add(code.Assign(where, to, self._value(step.value, (*path, "value"))))
        else:
            data = bytes(step.bytes_ or ()) if step.text is None else step.text.encode() + b"\0"
            self._add(code.Write(where, to, data))

    def _read(self, step: steps.Read, where: str, path: KeyPath, _number: str) -> None:
        address, into = self._address(step.from_, (*path, "from")), self._maybe(step.into, (*path, "into"))
        size = self._size(step.size, (*path, "size"))
        known = size.terms[0][1]
        if into is not None and isinstance(known, Number) and known.value > code.WORD_BYTES:
            message = (
                f"a variable holds {code.WORD_BYTES} bytes, not {known.value}; leave out `into`, or copy"
            )
            self.findings.append(Finding((*path, "size"), message))
        self._add(code.Read(where, address, size, into))

    def _copy(self, step: steps.Copy, where: str, path: KeyPath, _number: str) -> None:
        address, to = self._address(step.from_, (*path, "from")), self._address(step.to, (*path, "to"))
        self._add(code.Copy(where, address, to, self._size(step.size, (*path, "size"))))

    def _call(self, step: steps.Call, where: str, path: KeyPath, _number: str) -> None:
        arguments, into = self._callee(step, path)
        if self._sure is not None:
            self._sure.setdefault(step.function, path)
        if step.function in self._exits:
            self._sure = None
        self._add(code.Call(where, step.function, arguments, into))

    def _fork(self, step: steps.Fork, where: str, path: KeyPath, _number: str) -> None:
        self._add(code.Fork(where, step.function, *self._callee(step, path)))

    def _callee(self, step: steps.Call | steps.Fork, path: KeyPath) -> tuple[tuple[Sum, ...], Place | None]:
        function, given = self._functions.get(step.function), len(step.args)
        if function is None:
            hint = f"{did_you_mean(step.function, self._functions)} {known_words(self._functions)}"
            message = f"there is no function {step.function}{hint}"
            self.findings.append(Finding((*path, "function"), message))
        elif len(function.parameters) != given:
            wanted = ", ".join(function.parameters) or "nothing"
            message = f"{step.function} takes {wanted}, and is given {given} argument{'s' * (given != 1)}"
            self.findings.append(Finding(path, message))
        arguments = tuple(
            self._value(argument, (*path, "args", index)) for index, argument in enumerate(step.args)
        )
        return arguments, self._maybe(step.into, (*path, "into"))

    def _return(self, step: steps.Return, where: str, path: KeyPath, _number: str) -> None:
        self._add(code.Return(where, self._value(step.value, (*path, "value"))))
        self._sure = None

    def _compute(self, step: steps.Compute, where: str, _path: KeyPath, _number: str) -> None:
        self._add(code.Compute(where, step.time))

    def _sleep(self, step: steps.Sleep, where: str, _path: KeyPath, _number: str) -> None:
        self._add(code.Sleep(where, step.time))

    def _wait(self, _step: steps.Wait, where: str, _path: KeyPath, _number: str) -> None:
        self._add(code.Wait(where))

    def _exit(self, step: steps.Exit, where: str, _path: KeyPath, _number: str) -> None:
        self._add(code.Exit(where, step.code))
        self._sure = None

    def _print(self, step: steps.Print, where: str, path: KeyPath, _number: str) -> None:
        given = step.model_fields_set
        value = self._value(step.value, (*path, "value")) if "value" in given else None
        address = self._value(step.address, (*path, "address")) if "address" in given else None
        string = None if step.from_ is None else self._address(step.from_, (*path, "from"))
        size = None if step.size is None else self._size(step.size, (*path, "size"))
        self._add(code.Print(where, step.text, value, address, string, size))

    def _expect(self, step: steps.Expect, where: str, path: KeyPath, _number: str) -> None:
        value, wanted = self._value(step.value, (*path, "value")), self._value(step.is_, (*path, "is"))
        self._add(code.Expect(where, value, wanted, f"{step.value} == {step.is_}"))

    def _if(self, step: steps.If, where: str, path: KeyPath, number: str) -> None:
        value, sure = self._value(step.value, (*path, "value")), self._sure
        test = self._add(code.JumpIfZero(where, value, 0))
        # What is done in a branch is not sure to be done, and whether there is more to come is not, either.
        self._sure = None
        self._block(step.then, (*path, "then"), f"{number}.")
        if step.else_:
            skip = self._add(code.Jump(where, 0))
            self._code[test] = code.JumpIfZero(where, value, len(self._code))
            self._block(step.else_, (*path, "else"), f"{number}.", first=len(step.then) + 1)
            self._code[skip] = code.Jump(where, len(self._code))
        else:
            self._code[test] = code.JumpIfZero(where, value, len(self._code))
        self._sure = None if may_end((*step.then, *step.else_)) else sure

    def _loop(self, step: steps.Loop, where: str, path: KeyPath, number: str) -> None:
        count = parse_value(ENDLESS) if step.count == FOREVER else self._value(step.count, (*path, "count"))
        once = step.count == FOREVER or (isinstance(step.count, int) and step.count > 0)
        loop, self._loops = self._loops, self._loops + 1
        self._scopes.append({})
        counter = None
        if step.as_ is not None:
            self._declare(step.as_, (*path, "as"))
            counter = Place(step.as_)
            self._add(code.Local(where, step.as_, None))
        self._add(code.BeginLoop(where, loop, counter))
        test = self._add(code.TestLoop(where, loop, counter, count, 0))
        sure = self._sure
        self._sure = sure if once else None
        self._block(step.steps, (*path, "steps"), f"{number}.")
        self._sure = None if step.count == FOREVER or may_end(step.steps) else sure
        self._add(code.NextLoop(where, loop, counter, test))
        self._code[test] = code.TestLoop(where, loop, counter, count, len(self._code))
        self._scopes.pop()


def all_steps(block: Sequence[BaseModel]) -> Iterator[BaseModel]:
    """Yield steps and the steps within them."""
    for step in block:
        yield step
        inner = (*step.then, *step.else_) if isinstance(step, steps.If) else getattr(step, "steps", ())
        yield from all_steps(inner)


def may_end(block: Sequence[BaseModel]) -> bool:
    """Say whether steps may return or exit by themselves."""
    return any(isinstance(step, steps.Return | steps.Exit) for step in all_steps(block))


def exiting(functions: Mapping[str, Function]) -> list[str]:
    """Return the functions in which, or in what they call, the process may exit."""
    found: list[str] = []
    for _ in functions:
        for name, function in functions.items():
            inside = list(all_steps(function.steps))
            exits = any(isinstance(step, steps.Exit) for step in inside)
            exits |= any(isinstance(step, steps.Call) and step.function in found for step in inside)
            if exits and name not in found:
                found.append(name)
    return found


def endless_recursion(calls: Mapping[str, Mapping[str, KeyPath]]) -> list[Finding]:
    """Return a finding for functions that are sure to call each other over and over.

    Args:
        calls: by function, the functions that it is sure to call, and where.
    """
    for name, own in calls.items():
        for first, path in own.items():
            seen: dict[str, None] = {}
            found = [first]
            while found:
                other = found.pop()
                if other == name:
                    way = "itself" if first == name else f"{first}, which leads back to it,"
                    message = (
                        f"{name} calls {way} whatever happens, and never returns; put a call into an `if`"
                    )
                    return [Finding(path, message)]
                if other not in seen:
                    seen[other] = None
                    found += calls.get(other, {})
    return []
