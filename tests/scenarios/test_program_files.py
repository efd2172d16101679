"""Programs in scenario files: forms, lines, and each mistake at its place."""

from __future__ import annotations

import json
import pickle

import pytest
from jsonschema import Draft202012Validator

from scenarios.loader import load_scenario, parse_scenario
from scenarios.problems import ScenarioError
from scenarios.runner import Simulation
from scenarios.schema import json_schema
from scenarios.yaml_tree import read_tree

HEAD = """\
name: x
duration: 1s
scheduler: stride
jobs:
  a:
    workload: program
"""
WHOLE = """\
    globals: {head: word, table: 64B}
    step: 2us
    functions:
      main:
        - local: p
        - local: [q, n]
        - local: {buffer: 16B, m: word}
        - set: {p: NULL, "table[8]": n + 1, q: "&n"}
        - malloc: {into: p, size: n}
        - calloc: {into: "table[0]", count: 3, size: 8B}
        - realloc: {of: p, size: 1KiB, into: p}
        - free: p
        - free: NULL
        - write: {to: buffer, text: hello}
        - write: {to: buffer, bytes: [1, 2]}
        - write: {to: "p[i]", value: NULL}
        - write: {to: p + 8, fill: 65, size: 8B}
        - read: {from: "buffer[-1]"}
        - read: {from: p, size: 4B, into: n}
        - copy: {from: p, to: buffer, size: 16B}
        - call: other
        - call: {function: given, args: [1, p, "&buffer"], into: n}
        - compute: 5ms
        - sleep: 1ms
        - fork: other
        - wait
        - print: hello
        - print: {text: "n ", value: n, address: p, from: buffer, size: 4B}
        - expect: {value: n, is: 0}
        - if: {value: n, then: [return], else: [{return: 3}]}
        - loop: {count: forever, as: i, steps: [{set: {i: i}}]}
        - exit
      other: [exit: 3]
      given: {parameters: [a, b, c], steps: [return: a]}
"""


def whole() -> str:
    """Every form there is."""
    return HEAD + WHOLE.replace('"p[i]"', '"p[m]"')


def problems(text: str) -> list[str]:
    """What is wrong with a job, each with its line and key."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(HEAD + text, "box.yaml")
    return [
        f"{found.line} {found.key.removeprefix('jobs.a.')}: {found.message}"
        for found in caught.value.problems
    ]


def test_a_file_that_is_written_out_is_the_same_scenario_again() -> None:
    """What was left out stays out, and what was NULL stays NULL."""
    scenario = parse_scenario(whole())
    written = json.loads(json.dumps(scenario.model_dump(by_alias=True)))
    again = type(scenario).model_validate(written)
    assert again.model_dump() == scenario.model_dump()
    steps = written["jobs"]["a"]["functions"]["main"]["steps"]
    assert {"write": {"to": "p[m]", "value": None}} in steps
    assert {"return": {}} in steps[-3]["if"]["then"]


def test_the_json_schema_describes_the_steps() -> None:
    """Every form is good for an editor, and a mistake is not."""
    validator = Draft202012Validator(json_schema())
    tree = read_tree(whole(), "box.yaml").value
    assert [error.message for error in validator.iter_errors(tree)] == []
    for old, new in (
        ("malloc: {into: p, size: n}", "malloc: {into: p}"),
        ("size: 1KiB", "size: 1"),
        ("free: NULL", "fee: NULL"),
        ("then: [return]", "then: [retur]"),
        ("buffer: 16B", "buffer: large"),
        ("bytes: [1, 2]", "bytes: [1, 256]"),
    ):
        assert old in whole()
        assert not validator.is_valid(read_tree(whole().replace(old, new), "box.yaml").value), new
    options = json_schema()["$defs"]["ProgramJob"]["properties"]
    assert {"functions", "steps", "globals", "step"} <= set(options)
    assert "_lines" not in json.dumps(json_schema())


def test_a_script_knows_the_lines_that_its_steps_are_on() -> None:
    """Nested ones, too, and also in another process."""
    text = HEAD + steps("wait", "loop:\n          count: 2\n          steps:\n            - wait")
    scenario = parse_scenario(text)
    for own in (scenario, pickle.loads(pickle.dumps(scenario))):  # noqa: S301 - our own
        code = own.jobs["a"].script.functions["main"].code
        assert [step.where for step in code] == [
            "step 1, line 8",
            "step 2, line 9",
            "step 2, line 9",
            "step 2.1, line 12",
            "step 2, line 9",
            "the end of main",
        ]


def steps(*lines: str) -> str:
    """A job of these steps, a line each."""
    return "    steps:\n" + "".join(f"      - {line}\n" for line in lines)


def keys(*lines: str) -> str:
    """A job of these keys, a line each."""
    return "".join(f"    {line}\n" for line in lines)


MISTAKES = [
    (steps("mallok: {into: p}"), "8 steps[0].mallok: unknown kind of step; did you mean malloc?"),
    (steps("3"), "8 steps[0]: 3 is not a step; a step is written {malloc: {into:"),
    (steps("free"), "8 steps[0]: free needs more than its name;"),
    (steps("{wait: , exit: }"), "8 steps[0]: step are of one kind"),
    (steps("local: p", "free: q"), "9 steps[1].free.pointer: unknown variable q (known: p)"),
    (steps("free: q", "local: q"), "8 steps[0].free.pointer: unknown variable q (there is"),
    (
        steps("if: {value: 1, then: [local: v]}", "free: v"),
        "9 steps[1].free.pointer: unknown variable v; it is declared in",
    ),
    (steps("local: [p, p2]", "local: p"), "9 steps[1].local.p: p is declared twice in this"),
    (keys("globals: p", "steps:", "  - local: p"), "9 steps[0].local.p: p is a global variable already"),
    (steps("local: NULL"), "8 steps[0].local:"),
    (steps("local: 3p"), "8 steps[0].local: 3p is not a name"),
    (steps("local: {p: 3}"), "8 steps[0].local.p: 3 has no unit; write 3MiB, 3GiB ...; or wo"),
    (steps("local: p", "malloc: {into: p, size: 40}"), "9 steps[1].malloc.size: 40 has no unit;"),
    (steps("local: p", "malloc: {into: p, size: 4s}"), "9 steps[1].malloc.size: 4s: s is not a"),
    (steps("local: p", "malloc: {into: p}"), "9 steps[1].malloc: size is missing: Bytes to al"),
    (steps("local: p", "malloc: {in: p, size: 1B}"), "9 steps[1].malloc: into is missing"),
    (steps("local: p", "free: p +"), "9 steps[1].free: 'p +' is not a value; write a number"),
    (steps("local: p", "free: 'p[0'"), "9 steps[1].free: 'p[0' is not a value"),
    (steps("local: p", "free: [1]"), "9 steps[1].free: a list is not a value"),
    (steps("local: p", "set: {p + 1: 3}"), "9 steps[1].set.p + 1: 'p + 1' is not a place"),
    (steps("local: p", "write: {to: p}"), "9 steps[1].write: say what to write: one of"),
    (steps("local: p", "write: {to: p, fill: 1}"), "9 steps[1].write: size is missing"),
    (steps("local: p", "write: {to: p, text: a, size: 1B}"), "9 steps[1].write: `size` goes"),
    (steps("local: p", "read: {from: p, size: 9B, into: p}"), "9 steps[1].read.size: a varia"),
    (steps("call: nowhere"), "8 steps[0].call.function: there is no function nowhere (known:"),
    (keys("functions:", "  man: [wait]"), "7 functions: there is no function main"),
    (
        keys("functions:", "  main: {parameters: [x], steps: [wait]}"),
        "8 functions.main.parameters: main takes no",
    ),
    (
        keys("functions:", "  main: [call: f]", "  f: {parameters: [x], steps: [wait]}"),
        "8 functions.main[0].call: f",
    ),
    (keys("functions:", "  main: []"), "8 functions.main: empty; give at least one"),
    (steps("call: main"), "8 steps[0].call: main calls itself whatever happens, and never"),
    (
        keys(
            "functions:", "  main: [call: f]", "  f: [call: g]", "  g: [loop: {count: 2, steps: [call: f]}]"
        ),
        "9 functions.f[0].call: f calls g, which leads back to it, what",
    ),
    (steps("loop: {count: -1, steps: [wait]}"), "8 steps[0].loop.count: -1 is negative; a loop is"),
    (steps("loop: {count: 3, step: [wait]}"), "8 steps[0].loop: steps is missing"),
    (steps("print: {size: 3B}"), "8 steps[0].print.size: print so many bytes of what?"),
    (steps("compute: 0s"), "8 steps[0].compute: a duration here must be more than 0"),
    (steps("exit: 256"), "8 steps[0].exit: 256 is too large"),
    (keys("step: 0us", "steps: [wait]"), "7 step: a duration here must be more than 0"),
    (keys("tickets: 1"), "5 jobs.a: give one of `functions` and `steps`"),
    (
        keys("steps: [wait]", "functions: {main: [wait]}"),
        "7 steps: give one of `functions` and `steps`, not both",
    ),
    (
        keys("steps: [wait]", "memory: {memcheck: on}"),
        "8 memory.memcheck: unknown value on (known: off, report",
    ),
    (keys("steps: [wait]", "memory: {heap: {header: 4}}"), "8 memory.heap: 4 bytes have no room for a size"),
]


@pytest.mark.parametrize(("text", "found"), MISTAKES)
def test_a_mistake_is_told_at_its_place(text: str, found: str) -> None:
    """Line, key, what is wrong, what would be right."""
    assert any(problem.startswith(found) for problem in problems(text)), problems(text)


@pytest.mark.parametrize(
    "steps",
    [
        "[if: {value: 1, then: [call: main]}]",
        "[exit, call: main]",
        "[loop: {count: 0, steps: [call: main]}]",
        "[loop: {count: forever, steps: [wait]}, call: main]",
        "[if: {value: 1, then: [return]}, call: main]",
    ],
)
def test_recursion_that_may_end_is_no_mistake(steps: str) -> None:
    """Whether it does is seen when it runs."""
    parse_scenario(f"{HEAD}    steps: {steps}\n")


def test_a_function_that_exits_ends_a_recursion() -> None:
    """The call behind it is never made."""
    text = "    functions:\n      main: [call: f, call: main]\n      f: [exit]\n"
    simulation = Simulation(parse_scenario(HEAD + text))
    simulation.run()
    assert simulation.machine.processes[0].ended.reason == "exited"


@pytest.mark.parametrize(
    ("job", "found"),
    [
        (
            "{workload: vision, profile: resnet18, memory: {memcheck: report}}",
            "workload vision loads and",
        ),
        ("{workload: cpu-bound, memory: {memcheck: abort}}", "workload cpu-bound loads and stores no bytes"),
    ],
)
def test_memcheck_is_refused_where_it_has_nothing_to_look_at(job: str, found: str) -> None:
    """A recorded inference is one demand for the CPU, and says nothing of bytes."""
    with pytest.raises(ScenarioError, match=found):
        parse_scenario(f"name: x\nduration: 1s\nscheduler: stride\njobs:\n  a: {job}\n")


@pytest.mark.parametrize(
    ("threshold", "found"),
    [
        ("memory_errors == 0", "memory_errors is what memcheck finds; give a job"),
        ("a.leaked_bytes == 0B", "leaked_bytes is what memcheck finds; give a job"),
    ],
)
def test_thresholds_on_what_memcheck_finds_need_it(threshold: str, found: str) -> None:
    """Otherwise there is nothing to measure."""
    text = f"{HEAD}    steps: [wait]\nthresholds: [{threshold}]\n"
    with pytest.raises(ScenarioError, match=found):
        parse_scenario(text)
    parse_scenario(text.replace("[wait]\n", "[wait]\n    memory: {memcheck: report}\n", 1))


def test_a_plain_walk_over_memory_can_be_checked() -> None:
    """A block that is read before it is written has not been written."""
    walk = "{workload: memory-walk, size: 4KiB, rounds: 1, access: ACCESS, memory: {memcheck: report}}"
    counts = []
    for access in ("read", "write"):
        head = HEAD.partition("  a:")[0]
        simulation = Simulation(parse_scenario(f"{head}  a: {walk.replace('ACCESS', access)}\n"))
        simulation.run()
        records = simulation.machine.recordings.memory_errors
        counts.append([(str(record.diagnosis.kind), record.diagnosis.count) for record in records])
    assert counts == [[("uninitialised-read", 64)], []]


def test_an_override_can_change_a_program() -> None:
    """As any other key."""
    changed = load_scenario("use-after-free", ["jobs.plain.step=2us"])
    assert changed.jobs["plain"].script.step_ns == 2000
