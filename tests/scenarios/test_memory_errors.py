"""The seven errors of OSTEP chapter 14: what they do, and what memcheck says of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import TRANSLATIONS, run

from simulator.machine import ABORTED, SEGMENTATION_FAULT

OTHERS = [name for name in TRANSLATIONS if name != "paging"]
PROTECTED = ("segmentation", "paging")


def locals_and(*steps: Any) -> list[Any]:
    """Steps with three words, p, q and n, all 0, and two blocks of 40 bytes that p and q point to."""
    return [
        {"local": ["p", "q", "n"]},
        {"set": {"n": 0}},
        {"malloc": {"into": "p", "size": "40B"}},
        {"malloc": {"into": "q", "size": "40B"}},
        *steps,
    ]


NOT_ALLOCATED = [{"local": "p"}, {"write": {"to": "p", "text": "hello"}}, {"print": "done"}]
TOO_LITTLE = locals_and(
    {"write": {"to": "p", "fill": 66, "size": "48B"}}, {"free": "q"}, {"free": "p"}, {"print": "done"}
)
NOT_WRITTEN = locals_and(
    {"write": {"to": "p", "text": "secret"}},
    {"free": "p"},
    {"malloc": {"into": "p", "size": "40B"}},
    {"print": {"from": "p", "size": "6B"}},
    {"free": "p"},
    {"free": "q"},
)
LEAKED = locals_and({"set": {"p": "q"}}, {"free": "p"}, {"print": "done"})
FREED_BEFORE = locals_and(
    {"free": "p"},
    {"malloc": {"into": "n", "size": "40B"}},
    {"write": {"to": "n", "text": "mine"}},
    {"write": {"to": "p", "text": "yours"}},
    {"print": {"from": "n"}},
    {"free": "n"},
    {"free": "q"},
)
FREED_TWICE = locals_and({"free": "p"}, {"free": "p"}, {"free": "q"}, {"print": "done"})
NEVER_ALLOCATED = locals_and(
    {"write": {"to": "p", "fill": 66, "size": "40B"}},
    {"free": "p + 16"},
    {"free": "p"},
    {"free": "q"},
    {"print": "done"},
)
DIAGNOSED = {
    "uninitialised-read": (NOT_WRITTEN, [("uninitialised-read", 1)]),
    "invalid-write": (TOO_LITTLE, [("invalid-write", 1)]),
    "leak": (LEAKED, [("definitely-lost", 1)]),
    "use-after-free": (FREED_BEFORE, [("use-after-free", 1)]),
    "double-free": (FREED_TWICE, [("double-free", 1)]),
    "invalid-free": (NEVER_ALLOCATED, [("invalid-free", 1)]),
}


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize("heap", ["first-fit", "glibc", "buddy"])
@pytest.mark.parametrize("error", DIAGNOSED)
def test_memcheck_finds_the_error_and_the_program_goes_on(translation: str, heap: str, error: str) -> None:
    """Nothing is damaged under memcheck, so that the program comes to its end, and nothing else is told."""
    program, found = DIAGNOSED[error]
    ran = run(program, translation, "report", heap)
    assert (ran.ended, ran.found) == ("exited", found)
    assert ran.diagnoses[0].trace[0].function == "main"


@pytest.mark.parametrize("error", [error for error in DIAGNOSED if error != "leak"])
def test_memcheck_ends_the_process_at_the_first_error_if_it_is_to(error: str) -> None:
    """With the diagnosis as the reason, and the place."""
    ran = run(DIAGNOSED[error][0], memcheck="abort")
    assert ran.code == ABORTED
    detail, place = ran.diagnoses[0].detail, ran.diagnoses[0].trace[0]
    assert ran.ended == f"killed: abort: memcheck: {detail} in {place}"


@pytest.mark.parametrize("translation", ["none", "base-and-bounds"])
def test_blocks_at_low_addresses_are_no_null_pointers(translation: str) -> None:
    """With little code the heap begins below 4096; what is in no block there is one all the same."""
    steps = locals_and({"write": {"to": "p", "text": "x"}}, {"free": "p"}, {"free": "q"})
    memory = {"code": "16B"}
    ran = run(steps, translation, "report", memory=memory)
    assert (ran.ended, ran.found) == ("exited", [])
    ran = run([*steps, {"write": {"to": "NULL", "text": "x"}}], translation, "report", memory=memory)
    assert ran.found == [("invalid-write", 1)]


def test_a_diagnosis_says_what_where_and_which_block() -> None:
    """As valgrind does."""
    (diagnosis,) = run(TOO_LITTLE, memcheck="report").diagnoses
    assert diagnosis.detail.startswith("invalid write of 8 bytes at 0x")
    assert diagnosis.detail.endswith(", 0 bytes after a block of 40 bytes")
    assert [str(place) for place in diagnosis.trace] == ["main, step 5"]
    assert [str(place) for place in diagnosis.block.allocated] == ["main, step 3"]
    assert diagnosis.block.freed is None
    (diagnosis,) = run(FREED_BEFORE, memcheck="report").diagnoses
    assert diagnosis.detail.endswith("0 bytes inside a block of 40 bytes that was freed")
    assert [str(place) for place in diagnosis.block.freed] == ["main, step 5"]


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_pointer_that_points_nowhere(translation: str) -> None:
    """Where something stands guard it is a fault; elsewhere the string goes over the code unseen."""
    ran = run(NOT_ALLOCATED, translation)
    assert (ran.code == SEGMENTATION_FAULT) == (translation in PROTECTED)
    assert ran.printed == ([] if translation in PROTECTED else ["done"])
    checked = run(NOT_ALLOCATED, translation, "report")
    assert [kind for kind, _ in checked.found] == ["uninitialised-read", "invalid-write"]
    assert checked.diagnoses[1].detail == "invalid write of 6 bytes at 0x0, a null pointer"


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize(
    ("heap", "reason"),
    [
        ("glibc", "free(): invalid size (the size at"),
        # A block of 40 bytes has room for 48 here, and the damage is none.
        ("first-fit", ""),
        ("exact", "free(): invalid size (the size at"),
    ],
)
def test_a_block_that_is_too_small_damages_its_neighbour(translation: str, heap: str, reason: str) -> None:
    """The neighbour's header is written over, and whoever frees the neighbour is aborted."""
    exact = {"like": "first-fit", "alignment": 8}
    options = exact if heap == "exact" else heap
    ran = run(TOO_LITTLE, translation, heap=options)
    if reason:
        assert ran.ended.startswith(
            f"killed: abort: {reason}" if heap == "glibc" else "killed: abort: free()"
        )
        assert ran.code == ABORTED
    else:
        assert ran.printed == ["done"]


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_an_old_block_s_bytes_show_in_a_new_one(translation: str) -> None:
    """Unless memcheck keeps freed blocks aside."""
    assert run(NOT_WRITTEN, translation).printed == ["secret"]
    assert run(NOT_WRITTEN, translation, "report").printed == ["\\x00" * 6]


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_dangling_pointer_writes_into_somebody_else_s_block(translation: str) -> None:
    """The allocator hands the same bytes out again."""
    assert run(FREED_BEFORE, translation).printed == ["yours"]
    assert run(FREED_BEFORE, translation, "report").printed == ["mine"]


@pytest.mark.parametrize("translation", TRANSLATIONS)
@pytest.mark.parametrize(
    ("heap", "twice", "never"),
    [
        ("glibc", "double free or corruption (!prev)", "munmap_chunk(): invalid pointer"),
        ("first-fit", "free(): invalid pointer", "free(): invalid pointer"),
    ],
)
def test_frees_that_are_wrong_abort(translation: str, heap: str, twice: str, never: str) -> None:
    """Freed twice, and never allocated."""
    for program, said in ((FREED_TWICE, twice), (NEVER_ALLOCATED, never)):
        ran = run(program, translation, heap=heap)
        assert (ran.code, ran.printed) == (ABORTED, [])
        assert ran.ended.startswith(f"killed: abort: {said}")


def test_a_block_freed_twice_may_be_somebody_else_s_by_then() -> None:
    """In between it was handed out again: the second free is taken for the owner's."""
    steps = locals_and(
        {"free": "p"}, {"malloc": {"into": "n", "size": "40B"}}, {"free": "p"}, {"print": "done"}
    )
    assert run(steps, heap="glibc").printed == ["done"]
    assert run(steps, heap="glibc", memcheck="report").found[0] == ("double-free", 1)


@pytest.mark.parametrize("translation", TRANSLATIONS)
def test_a_leak_is_no_fault(translation: str) -> None:
    """Until there is no room."""
    assert run(LEAKED, translation).printed == ["done"]


def test_a_pointer_to_a_variable_that_has_returned() -> None:
    """The bytes are still there, below the stack pointer, until the next call."""
    program = {
        "main": [
            {"local": ["gone", "n"]},
            {"call": {"function": "f", "into": "gone"}},
            {"read": {"from": "gone", "into": "n"}},
            {"print": {"value": "n"}},
        ],
        "f": [{"local": "mine"}, {"set": {"mine": 42}}, {"return": "&mine"}],
    }
    assert run(program).printed == ["42"]
    checked = run(program, memcheck="report")
    assert checked.found == [("invalid-read", 1)]
    assert checked.diagnoses[0].detail.endswith("below the stack pointer")


def test_a_variable_of_a_new_frame_has_not_been_written() -> None:
    """Whatever an old frame has left there."""
    program = {
        "main": [{"call": "f"}, {"call": "g"}],
        "f": [{"local": "mine"}, {"set": {"mine": 42}}],
        "g": [{"local": "other"}, {"print": {"value": "other"}}],
    }
    assert run(program).printed == ["42"]
    checked = run(program, memcheck="report")
    assert (checked.found, checked.printed) == ([("uninitialised-read", 1)], ["42"])


def test_the_same_error_at_the_same_place_is_told_once_and_counted() -> None:
    """A loop does not bury everything else."""
    steps = locals_and(
        {"loop": {"count": 9, "as": "i", "steps": [{"write": {"to": "p + 40", "bytes": [1]}}]}},
        {"free": "p"},
        {"free": "q"},
    )
    assert run(steps, memcheck="report").found == [("invalid-write", 9)]


def test_what_globals_point_to_is_still_reachable() -> None:
    """And what main's variables point to is not, once main has returned; after exit it is."""
    steps = [{"local": "p"}, {"malloc": {"into": "p", "size": "8B"}}, {"malloc": {"into": "g", "size": "8B"}}]
    returned = run(steps, memcheck="report", globals="g")
    assert returned.found == [("definitely-lost", 1), ("still-reachable", 1)]
    assert run([*steps, "exit"], memcheck="report", globals="g").found == [("still-reachable", 1)] * 2


def test_a_list_that_is_let_go_of_is_lost_behind_its_first_node() -> None:
    """One block definitely, nine indirectly; from the middle on possibly."""
    steps = [
        {"local": ["head", "node"]},
        {"set": {"head": None}},
        {
            "loop": {
                "count": 10,
                "steps": [
                    {"malloc": {"into": "node", "size": "24B"}},
                    {"set": {"node[0]": "head", "head": "node"}},
                ],
            }
        },
        {"set": {"node": None}},
    ]
    lost = run([*steps, {"set": {"head": None}}, "exit"], memcheck="report")
    assert lost.found == [("definitely-lost", 1), ("indirectly-lost", 9)]
    assert sum(diagnosis.size for diagnosis in lost.diagnoses) == 240
    inner = run([*steps, {"set": {"head": "head + 8"}}, "exit"], memcheck="report")
    assert inner.found == [("possibly-lost", 10)]


def test_memcheck_lets_freed_blocks_be_used_again_rather_than_run_out_of_memory() -> None:
    """A thousand blocks of 10 kB one after another, on a heap of 1 MiB."""
    steps = [
        {"local": "p"},
        {
            "loop": {
                "count": 1000,
                "steps": [
                    {"malloc": {"into": "p", "size": "10kB"}},
                    {"write": {"to": "p", "text": "x"}},
                    {"free": "p"},
                ],
            }
        },
    ]
    ran = run(steps, memcheck="abort")
    assert ran.ended == "exited"
    process = ran.simulation.machine.processes[0]
    assert (process.mallocs, process.frees) == (1000, 1000)


SIZES = st.integers(1, 300)
CALLS = ("malloc", "calloc", "realloc", "free", "write", "read")
HEAPS = ("first-fit", "glibc")
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["malloc", "calloc", "realloc", "free", "write", "read"]), SIZES, st.integers(0, 99)
    ),
    max_size=25,
)


class Correct:
    """A random program that makes no mistake: what it allocates, writes within bounds, reads, and frees.

    Attributes:
        steps: so far.
        live: by variable, the size of its block and the bytes that were written, None for the others.
    """

    def __init__(self, actions: list[tuple[str, int, int]]) -> None:
        self.steps: list[Any] = [{"local": [*(f"v{number}" for number in range(6)), "n"]}]
        self.live: dict[str, list[int | None]] = {}
        for action, size, which in actions:
            self._act(action, size, which)

    def _act(self, action: str, size: int, which: int) -> None:
        if action in {"malloc", "calloc"}:
            free = [f"v{number}" for number in range(6) if f"v{number}" not in self.live]
            if not free:
                return
            step = {"into": free[0], "size": f"{size}B"} | ({"count": 1} if action == "calloc" else {})
            self.steps.append({action: step})
            self.live[free[0]] = [0 if action == "calloc" else None] * size
            return
        if not self.live:
            return
        name = list(self.live)[which % len(self.live)]
        held = self.live[name]
        if action == "free":
            self.steps.append({"free": name})
            del self.live[name]
        elif action == "realloc":
            self.steps.append({"realloc": {"of": name, "size": f"{size}B", "into": name}})
            self.live[name] = (held + [None] * size)[:size]
        elif action == "write":
            start = size % len(held)
            length = min(which + 1, len(held) - start)
            self.steps.append({"write": {"to": f"{name}[{start}]", "fill": which, "size": f"{length}B"}})
            held[start : start + length] = [which] * length
        else:
            written = [at for at, byte in enumerate(held) if byte is not None]
            if written:
                at = written[size % len(written)]
                self.steps.append({"read": {"from": f"{name}[{at}]", "size": "1B", "into": "n"}})
                self.steps.append({"expect": {"value": "n", "is": held[at]}})

    @property
    def ending(self) -> list[Any]:
        """Steps that free what is alive."""
        return [{"free": name} for name in self.live]


@settings(max_examples=40, deadline=None)
@given(
    actions=ACTIONS, translation=st.sampled_from(TRANSLATIONS), heap=st.sampled_from(["first-fit", "glibc"])
)
def test_a_correct_program_gives_no_diagnosis_and_does_the_same_with_and_without_memcheck(
    actions, translation, heap
):
    """It reads what it has written, everywhere; an expectation that fails would abort it."""
    program = Correct(actions)
    for memcheck in ("off", "report", "abort"):
        ran = run(program.steps + program.ending, translation, memcheck, heap)
        assert (ran.ended, ran.found) == ("exited", [])


PLANTED = {
    "invalid-write": lambda name, size: [{"write": {"to": f"{name}[{size}]", "bytes": [1]}}],
    "invalid-read": lambda name, _: [{"read": {"from": f"{name}[-1]", "size": "1B"}}],
    "uninitialised-read": lambda _, size: [
        {"malloc": {"into": "w", "size": f"{size}B"}},
        {"read": {"from": "w", "size": f"{size}B"}},
        {"free": "w"},
    ],
    "use-after-free": lambda _, size: [
        {"malloc": {"into": "w", "size": f"{size}B"}},
        {"free": "w"},
        {"write": {"to": "w", "bytes": [1]}},
    ],
    "double-free": lambda _, size: [
        {"malloc": {"into": "w", "size": f"{size}B"}},
        {"free": "w"},
        {"free": "w"},
    ],
    "invalid-free": lambda name, _: [{"free": f"{name} + 1"}],
    "definitely-lost": lambda _, size: [{"malloc": {"into": "w", "size": f"{size}B"}}, {"set": {"w": None}}],
}


@settings(max_examples=60, deadline=None)
@given(
    actions=ACTIONS,
    more=ACTIONS,
    error=st.sampled_from(list(PLANTED)),
    size=SIZES,
    translation=st.sampled_from(TRANSLATIONS),
)
def test_an_error_planted_in_a_correct_program_is_all_that_is_found(actions, more, error, size, translation):
    """Exactly one diagnosis, of the right kind, whatever went before and comes after."""
    program = Correct([("malloc", size, 0), *actions])
    block = next(iter(program.live), None)
    if block is None:
        return
    before = [{"local": "w"}, *program.steps, *PLANTED[error](block, len(program.live[block]))]
    for action in more:
        program._act(*action)
    steps = before + program.steps[len(before) - 1 - len(PLANTED[error](block, 1)) :] + program.ending
    ran = run(steps, translation, "report")
    assert (ran.ended, ran.found) == ("exited", [(error, 1)])
