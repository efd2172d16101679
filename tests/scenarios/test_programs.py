"""Scripted programs: they do what C programs do, under every translation of addresses."""

from __future__ import annotations

import pytest
from programs import TRANSLATIONS, run

from scenarios.loader import parse_scenario
from scenarios.runner import Simulation
from simulator.machine import ABORTED, SEGMENTATION_FAULT, ProgramError

FACTORIAL = {
    "main": [
        {"local": "n"},
        {"call": {"function": "factorial", "args": [10], "into": "n"}},
        {"print": {"text": "10! = ", "value": "n"}},
    ],
    "factorial": {
        "parameters": ["n"],
        "steps": [
            {
                "if": {
                    "value": "n",
                    "then": [
                        {"local": ["smaller", "product"]},
                        {"call": {"function": "factorial", "args": ["n - 1"], "into": "smaller"}},
                        {"set": {"product": 0}},
                        {"loop": {"count": "n", "steps": [{"set": {"product": "product + smaller"}}]}},
                        {"return": "product"},
                    ],
                    "else": [{"return": 1}],
                }
            }
        ],
    },
}


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize("memcheck", ["off", "abort"])
def test_a_function_that_calls_itself_keeps_its_variables_apart(translation: str, memcheck: str) -> None:
    """Each call has a frame of its own on the stack."""
    ran = run(FACTORIAL, translation, memcheck)
    assert (ran.ended, ran.code, ran.printed, ran.found) == ("exited", 0, ["10! = 3628800"], [])


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_list_is_built_and_walked_along(translation: str) -> None:
    """Pointers in blocks lead to blocks; what is freed on the way is not lost."""
    steps = [
        {"local": ["head", "node", "next", "total"]},
        {"set": {"head": None, "total": 0}},
        {
            "loop": {
                "count": 5,
                "as": "i",
                "steps": [
                    {"malloc": {"into": "node", "size": "16B"}},
                    {"set": {"node[0]": "head", "node[8]": "i + 1", "head": "node"}},
                ],
            }
        },
        {
            "loop": {
                "count": 5,
                "steps": [
                    {"read": {"from": "head + 8", "into": "node"}},
                    {"set": {"total": "total + node"}},
                    {"read": {"from": "head[0]", "into": "next"}},
                    {"free": "head"},
                    {"set": {"head": "next"}},
                ],
            }
        },
        {"expect": {"value": "total", "is": 15}},
        {"expect": {"value": "head", "is": "NULL"}},
        {"exit": 7},
    ]
    ran = run(steps, translation, "report")
    assert (ran.ended, ran.code, ran.found) == ("exited", 7, [])


def test_bytes_are_written_filled_copied_and_read() -> None:
    """Texts end with a 0 byte; numbers have their lowest byte first; -1 is all bits."""
    steps = [
        {"local": {"text": "16B", "copy": "16B", "n": "word"}},
        {"write": {"to": "text", "text": "abcdef"}},
        {"copy": {"from": "text", "to": "copy + 1", "size": "7B"}},
        {"write": {"to": "copy", "bytes": [65]}},
        {"print": {"from": "copy"}},
        {"print": {"from": "text[2]", "size": "5B"}},
        {"read": {"from": "text", "size": "2B", "into": "n"}},
        {"print": {"value": "n"}},
        {"set": {"n": "-1"}},
        {"print": {"text": "n is ", "value": "n", "address": "n"}},
        {"write": {"to": "&n", "fill": 0, "size": "4B"}},
        {"print": {"address": "n"}},
    ]
    printed = ["Aabcdef", "cdef\\x00", str(0x6261), "n is -10xffffffffffffffff", "0xffffffff00000000"]
    assert run(steps, memcheck="abort").printed == printed


def test_the_order_of_variables_is_that_of_a_stack_that_grows_down() -> None:
    """What is declared first lies above, and a buffer that runs over hits it."""
    steps = [
        {"local": "guard"},
        {"local": {"buffer": "16B"}},
        {"set": {"guard": 1}},
        {"write": {"to": "buffer", "text": "0123456789abcdef"}},
        {"print": {"value": "&guard - buffer"}},
        {"print": {"value": "guard"}},
    ]
    assert run(steps).printed == ["16", "0"]


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_smashed_stack_returns_to_where_the_bytes_say(translation: str) -> None:
    """Above the variables lie the frame pointer and the return address: "AAAAAAAA" is an address, too."""
    program = {
        "main": [{"call": "careless"}, {"print": "back again"}],
        "careless": [{"local": {"buffer": "16B"}}, {"write": {"to": "buffer", "fill": 65, "size": "32B"}}],
    }
    ran = run(program, translation)
    assert ran.code == SEGMENTATION_FAULT
    assert "instruction fetch from address 0x4141414141414141" in ran.ended
    assert ran.printed == []


def test_a_return_into_the_code_executes_what_is_no_instruction() -> None:
    """The address is the program's own and may be executed, but nobody was called from there."""
    program = {
        "main": [{"call": "careless"}],
        "careless": [{"local": {"x": "8B"}}, {"set": {"x[16]": 0x1008}}],
    }
    assert run(program).ended.startswith("killed: illegal instruction: instruction fetch from address 0x1008")


def test_a_damaged_frame_pointer_moves_the_caller_s_variables() -> None:
    """The callee writes over the lowest byte of what it has saved for its caller."""
    program = {
        "main": [{"local": "x"}, {"set": {"x": 5}}, {"call": "careless"}, {"print": {"value": "x"}}],
        "careless": [{"local": {"buffer": "8B"}}, {"write": {"to": "buffer", "text": "12345678"}}],
    }
    ran = run(program)
    assert ran.printed != ["5"]


@pytest.mark.parametrize("translation", ["segmentation", "paging"])
def test_a_stack_that_overflows_faults(translation: str) -> None:
    """Below the stack's room is nothing, and a push there traps."""
    program = {
        "main": [{"call": "deeper"}],
        "deeper": [{"local": {"room": "1KiB"}}, {"if": {"value": 1, "then": [{"call": "deeper"}]}}],
    }
    ran = run(program, translation)
    assert ran.code == SEGMENTATION_FAULT
    assert "segmentation fault: write to address" in ran.ended


def test_without_protection_the_stack_runs_over_the_heap() -> None:
    """Nothing is between them: a block that nobody touches has other bytes after a deep call."""
    program = {
        "main": [
            {"local": ["block", "depth"]},
            {"malloc": {"into": "block", "size": "900KiB"}},
            {"write": {"to": "block", "fill": 7, "size": "900KiB"}},
            {"call": {"function": "deeper", "args": [40]}},
            {"read": {"from": "block + 921592", "into": "depth"}},
            {"print": {"address": "depth"}},
        ],
        "deeper": {
            "parameters": ["n"],
            "steps": [
                {"local": {"room": "8KiB"}},
                {"write": {"to": "room", "fill": 9, "size": "8KiB"}},
                {"if": {"value": "n", "then": [{"call": {"function": "deeper", "args": ["n - 1"]}}]}},
            ],
        },
    }
    assert run(program, "base-and-bounds").printed == ["0x909090909090909"]
    assert run(program, "paging").printed == []


def test_malloc_without_room_returns_null() -> None:
    """A program that does not look writes through it; so do sizes that no object can have."""
    steps = [
        {"local": ["p", "n"]},
        {"malloc": {"into": "p", "size": "2MiB"}},
        {"expect": {"value": "p", "is": None}},
        {"set": {"n": -1}},
        {"malloc": {"into": "p", "size": "n"}},
        {"expect": {"value": "p", "is": None}},
        {"calloc": {"into": "p", "count": "n", "size": "n"}},
        {"expect": {"value": "p", "is": None}},
        {"malloc": {"into": "p", "size": "0B"}},
        {"if": {"value": "p", "then": [{"print": "malloc(0) has an address of its own"}]}},
        {"realloc": {"of": "p", "size": "2MiB", "into": "n"}},
        {"expect": {"value": "n", "is": 0}},
        {"free": "p"},
        {"free": "NULL"},
    ]
    for memcheck in ("off", "abort"):
        ran = run(steps, memcheck=memcheck)
        assert (ran.ended, len(ran.printed)) == ("exited", 1)


def test_calloc_clears_and_realloc_keeps() -> None:
    """Whether the block stays or moves."""
    steps = [
        {"local": ["p", "n"]},
        {"malloc": {"into": "p", "size": "64B"}},
        {"write": {"to": "p", "fill": 255, "size": "64B"}},
        {"free": "p"},
        {"calloc": {"into": "p", "count": 4, "size": "16B"}},
        {"read": {"from": "p + 56", "into": "n"}},
        {"expect": {"value": "n", "is": 0}},
        {"write": {"to": "p", "text": "kept"}},
        {"realloc": {"of": "p", "size": "10kB", "into": "p"}},
        {"print": {"from": "p"}},
        {"free": "p"},
    ]
    for memcheck in ("off", "abort"):
        assert run(steps, memcheck=memcheck).printed == ["kept"]


@pytest.mark.parametrize("translation", [name for name in TRANSLATIONS if name != "static-relocation"])
def test_a_child_has_copies_of_everything(translation: str) -> None:
    """It begins with a function; its writes are its own; the parent waits for it."""
    program = {
        "main": [
            {"local": ["block", "pid"]},
            {"malloc": {"into": "block", "size": "40B"}},
            {"write": {"to": "block", "text": "parent"}},
            {"set": {"shared": 5}},
            {"fork": {"function": "child", "args": ["block"], "into": "pid"}},
            "wait",
            {"print": {"text": "of the parent: ", "from": "block"}},
            {"expect": {"value": "pid", "is": 1}},
            {"free": "block"},
        ],
        "child": {
            "parameters": ["block"],
            "steps": [
                {"expect": {"value": "shared", "is": 5}},
                {"write": {"to": "block", "text": "child"}},
                {"print": {"text": "of the child: ", "from": "block"}},
                {"free": "block"},
                {"return": 3},
            ],
        },
    }
    ran = run(program, translation, "abort", globals=["shared"])
    assert ran.printed == ["of the child: child", "of the parent: parent"]
    assert [process.ended.code for process in ran.simulation.machine.processes] == [0, 3]
    assert ran.found == []


def test_fork_says_so_where_there_is_none() -> None:
    """As a kernel without memory management does: -1, and no child."""
    program = {
        "main": [
            {"local": "pid"},
            {"fork": {"function": "main2", "into": "pid"}},
            "wait",
            {"print": {"value": "pid"}},
        ],
        "main2": ["return"],
    }
    assert run(program, "static-relocation").printed == ["-1"]


def test_an_assertion_that_fails_aborts() -> None:
    """With the text of it and both values."""
    ran = run([{"local": "n"}, {"set": {"n": 3}}, {"expect": {"value": "n + 1", "is": 5}}])
    assert ran.code == ABORTED
    assert ran.ended == "killed: abort: assertion `n + 1 == 5' failed: 4 and 5"


def test_main_s_value_is_the_exit_code() -> None:
    """Of which the lowest eight bits count."""
    assert run([{"return": 259}]).code == 3


def test_each_step_takes_time() -> None:
    """That of `step`, and that of its references to memory."""
    quick, slow = (
        run([{"loop": {"count": 10, "steps": [{"compute": "1us"}]}}], step=step)
        .simulation.machine.processes[0]
        .ended.at_ns
        for step in ("1us", "11us")
    )
    # begin, eleven tests, ten rounds of a step and the way back, the return.
    assert slow - quick == 33 * 10_000


def test_a_loop_without_end_or_pause_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing hangs: after so many steps the message says where, and what would be right."""
    monkeypatch.setattr("workloads.program.interpreter.MOST_STEPS", 1000)
    with pytest.raises(
        ProgramError, match=r"more than 1,000 steps without a pause, now in main, step 1; let"
    ):
        run([{"loop": {"count": "forever", "steps": []}}])
    pauses = [{"loop": {"count": 2000, "steps": [{"compute": "1us"}]}}]
    assert run(pauses).ended == "exited"


def test_a_recursion_without_end_overflows_soon() -> None:
    """A program has a stack of 256 KiB unless it asks for another."""
    text = "name: x\nduration: 1s\nscheduler: stride\nmachine: {memory: {translation: paging}}\njobs:\n  a:\n"
    text += "    workload: program\n    functions:\n      main: [call: f]\n"
    text += "      f: [if: {value: 1, then: [call: f]}]\n"
    simulation = Simulation(parse_scenario(text))
    simulation.run()
    process = simulation.machine.processes[0]
    assert process.ended.reason.startswith("killed: segmentation fault: write to address")
    assert process.peak_resident_bytes > 256 * 1024


def test_a_loop_without_end_that_pauses_runs_until_the_end() -> None:
    """It is what servers do."""
    ran = run([{"loop": {"count": "forever", "steps": [{"sleep": "10ms"}]}}])
    assert ran.ended == "alive"


def test_the_same_program_does_the_same_again() -> None:
    """All of its tables are alike, to the byte."""
    one, other = (run(FACTORIAL, memcheck="report").simulation.machine for _ in range(2))
    assert one.recordings.events == other.recordings.events
    assert one.dispatcher.state.processes.cpu_ns[0] == other.dispatcher.state.processes.cpu_ns[0]
