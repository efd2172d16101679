"""A job's program: its functions checked as a whole, and made into the script that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scenarios.compiling import Compiler, endless_recursion
from scenarios.problems import Finding
from scenarios.step_parts import WORD
from scenarios.steps import Function
from scenarios.yaml_tree import Items
from workloads.program.code import Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scenarios.compiling import Lines
    from scenarios.problems import KeyPath
    from scenarios.steps import Steps

MAIN = "main"


def compile_program(
    functions: Mapping[str, Function],
    steps: Steps,
    variables: Mapping[str, int | str],
    step_ns: int,
    lines: Lines,
) -> tuple[Script, list[Finding]]:
    """Return the script that a job runs, and what is wrong with it, relative to the job.

    Args:
        functions: by name; empty for a program of one function.
        steps: of a program of one function.
        variables: the global variables with their sizes.
        step_ns: CPU time of a step.
        lines: by path from the job, the line of each item of a list.
    """
    whole = functions or {MAIN: Function.model_construct(parameters=(), steps=steps)}
    sizes = {name: None if size == WORD else int(size) for name, size in variables.items()}
    compiler = Compiler(whole, sizes, lines)
    paths: dict[str, KeyPath] = {name: ("functions", name) if functions else () for name in whole}
    made = {name: compiler.function(name, path) for name, path in paths.items()}
    findings = list(compiler.findings)
    if MAIN not in whole:
        message = f"there is no function {MAIN}, with which the program begins"
        findings.append(Finding(("functions",), message, on_key=True))
    elif whole[MAIN].parameters:
        message = "main takes no parameters; nobody gives it any"
        findings.append(Finding(("functions", MAIN, "parameters"), message, on_key=True))
    if not findings:
        findings = endless_recursion(compiler.calls)
    return Script(made, MAIN, sizes, step_ns), findings


def lines_of(given: object) -> dict[KeyPath, int]:
    """Return, by path, the line that each item of a list in a parsed file begins on."""
    return dict(_lines(given, ()))


def _lines(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(value, Items):
        for index, line in enumerate(value.lines):
            yield (*path, index), line
    inner = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for step, item in inner:
        yield from _lines(item, (*path, step))
