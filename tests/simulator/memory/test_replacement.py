"""Page replacement on reference strings: the textbooks' numbers, and what must hold of every string."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import TimeshareError
from simulator.memory.control import MemoryControl
from simulator.memory.paging.replacement.base import PageRecords, Replacement
from simulator.memory.paging.replacement.inverse_lottery import InverseLottery, losing_weights
from simulator.memory.paging.replacement.registry import POLICIES, replacement_class
from simulator.memory.paging.replacement.replay import replay
from simulator.plugins import PluginError

BELADY = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]
STRINGS = st.lists(st.integers(0, 9), max_size=60)
ALL = list(POLICIES)


def faults(name: str, frames: int, references: list[int]) -> int:
    """Count the faults of a policy."""
    return replay(POLICIES[name], frames, references).faults


def test_belady_s_anomaly() -> None:
    """FIFO faults 9 times with 3 frames and 10 times with 4 (Belady, Nelson and Shedler, CACM 1969)."""
    assert [faults("fifo", frames, BELADY) for frames in (3, 4)] == [9, 10]
    assert [faults("lru", frames, BELADY) for frames in (3, 4)] == [10, 8]
    assert [faults("opt", frames, BELADY) for frames in (3, 4)] == [7, 6]


def test_ostep_s_example() -> None:
    """OSTEP figures 22.1, 22.2 and 22.5: 0 1 2 0 1 3 0 3 1 2 1 in three frames."""
    references = [0, 1, 2, 0, 1, 3, 0, 3, 1, 2, 1]
    hits = {name: replay(POLICIES[name], 3, references).hits for name in ("opt", "fifo", "lru")}
    assert hits == {"opt": 6, "fifo": 4, "lru": 6}
    assert [gone for gone in replay(POLICIES["lru"], 3, references).victims if gone is not None] == [2, 0]


def test_silberschatz_s_example() -> None:
    """Operating System Concepts, section 10.4: 15, 9 and 12 faults on the book's string with three frames."""
    references = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1]
    assert [faults(name, 3, references) for name in ("fifo", "opt", "lru")] == [15, 9, 12]


@pytest.mark.parametrize("seed", range(30))
def test_the_homework_s_policies(seed: int) -> None:
    """paging-policy.py on strings as it draws them, against the plainest programs for FIFO, LRU and OPT."""
    rnd = random.Random(seed)  # noqa: S311 - the homework draws so
    references = [int(10 * rnd.random()) for _ in range(100)]
    for frames in (3, 5):
        queue: deque[int] = deque()
        recent: list[int] = []
        ahead: list[int] = []
        counts = [0, 0, 0]
        for at, page in enumerate(references):
            if page not in queue:
                counts[0] += 1
                if len(queue) == frames:
                    queue.popleft()
                queue.append(page)
            if page in recent:
                recent.remove(page)
            else:
                counts[1] += 1
                if len(recent) == frames:
                    recent.pop(0)
            recent.append(page)
            if page not in ahead:
                counts[2] += 1
                if len(ahead) == frames:
                    rest = [*references[at + 1 :], *ahead]
                    ahead.remove(max(ahead, key=rest.index))
                ahead.append(page)
        assert [faults(name, frames, references) for name in ("fifo", "lru", "opt")] == counts


@pytest.mark.parametrize("name", ["lru", "opt"])
@given(references=STRINGS, frames=st.integers(1, 8))
def test_more_frames_hold_what_fewer_hold(name: str, references: list[int], frames: int) -> None:
    """The stack property (Mattson and others, 1970): so no anomaly. For OPT the faults are enough."""
    small, large = (replay(POLICIES[name], count, references) for count in (frames, frames + 1))
    assert large.faults <= small.faults
    if name == "lru":
        assert set(small.resident) <= set(large.resident)


@given(references=STRINGS, frames=st.integers(1, 6), writes=st.sets(st.integers(0, 59)))
def test_nobody_is_better_than_the_optimum(references: list[int], frames: int, writes: set[int]) -> None:
    """And nobody faults less often than there are pages, nor more often than there are references."""
    best = faults("opt", frames, references)
    for name in ALL:
        done = replay(POLICIES[name], frames, references, writes=writes)
        assert max(best, len(set(references))) <= done.faults <= len(references)
        assert done.faults + done.hits == len(references)
        assert len(set(done.resident)) == len(done.resident) <= frames


@given(references=STRINGS, frames=st.integers(1, 6), writes=st.sets(st.integers(0, 59)))
def test_the_clock_is_the_plain_clock(references: list[int], frames: int, writes: set[int]) -> None:
    """Against a hand that goes round one frame at a time, dirty pages passed over once."""
    pages: list[int] = []
    used: list[bool] = []
    dirty: list[bool] = []
    passed: list[bool] = []
    hand = count = 0
    for at, page in enumerate(references):
        if page in pages:
            frame = pages.index(page)
        elif len(pages) < frames:
            count, frame = count + 1, len(pages)
            pages.append(page)
            used.append(False)
            dirty.append(False)
            passed.append(False)
        else:
            count, frame = count + 1, hand % frames
            while used[frame] or (dirty[frame] and not passed[frame]):
                passed[frame] = not used[frame]
                used[frame] = False
                frame = (frame + 1) % frames
            hand = frame + 1
            pages[frame], dirty[frame], passed[frame] = page, False, False
        used[frame] = True
        dirty[frame] |= at in writes
    done = replay(POLICIES["clock"], frames, references, writes=writes)
    assert (done.faults, sorted(done.resident)) == (count, sorted(pages))


def test_the_clock_is_between() -> None:
    """On strings in which four of five uses are of one page in five (OSTEP's 80-20 workload)."""
    rnd = np.random.default_rng(1)
    hot = rnd.random(10_000) < 0.8
    references = np.where(hot, rnd.integers(0, 20, 10_000), rnd.integers(20, 100, 10_000)).tolist()
    count = {name: faults(name, 40, references) for name in ALL}
    assert count["opt"] < count["lru"] < count["clock"] < count["fifo"]
    assert count["clock"] < count["random"]


def test_a_loop_one_page_too_long_is_the_worst_for_lru() -> None:
    """OSTEP figure 22.8: LRU and FIFO never hit, random does, OPT nearly always."""
    loop = list(range(50)) * 100
    assert [faults(name, 49, loop) for name in ("lru", "fifo")] == [5000, 5000]
    assert faults("random", 49, loop) < 1000
    assert faults("opt", 49, loop) < 200


@given(
    sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    state=st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.booleans()), min_size=30, max_size=30),
    hand=st.integers(0, 30),
)
@pytest.mark.parametrize("name", ["fifo", "lru", "clock", "opt"])
def test_many_at_once_are_those_one_by_one(name: str, sizes: tuple, state: list, hand: int) -> None:
    """Arrays are only quicker."""
    chosen = []
    for at_once in (True, False):
        keys = np.array([key for key, _, _ in state])
        records = PageRecords(
            30, lambda frames: [(MemoryControl(""), frames)], lambda frames, k=keys: k[frames]
        )
        # No two pages are loaded, or used, at the same time.
        records.loaded_at[:] = keys * 100 + np.arange(30)
        records.used_at[:] = -keys * 100 + np.arange(30)
        records.referenced[:] = [used for _, used, _ in state]
        records.dirty[:] = [dirty for _, _, dirty in state]
        policy = POLICIES[name](records, np.random.default_rng(0))
        if name == "clock":
            policy._hand = hand
        candidates = np.arange(30)[: max(sizes)]
        count = min(sizes)
        if at_once:
            chosen.append(policy.victims(candidates, count).tolist())
            continue
        victims = []
        for _ in range(count):
            victims += policy.victims(np.setdiff1d(candidates, victims), 1).tolist()
        chosen.append(victims)
    assert chosen[0] == chosen[1]


def shares(tickets: list[int], draws: int, seed: int) -> list[float]:
    """Let jobs take a frame in turns, each from whom the inverse lottery says; return what they hold."""
    frames = 60 * len(tickets)
    owner = np.arange(frames) % len(tickets)
    controls = [MemoryControl(str(number), amount) for number, amount in enumerate(tickets)]
    records = PageRecords(
        frames,
        lambda some: [(control, some[owner[some] == at]) for at, control in enumerate(controls)],
        lambda some: some,
    )
    policy = InverseLottery(records, np.random.default_rng(seed))
    held = np.zeros(len(tickets))
    for draw in range(draws):
        victim = policy.victims(np.arange(frames), 1)
        owner[victim] = draw % len(tickets)
        if draw >= draws // 4:
            held += np.bincount(owner, minlength=len(tickets))
    return (held / held.sum()).tolist()


def test_inverse_lottery_takes_from_each_what_the_formula_says() -> None:
    """The number of losses is binomial with p = (1 - t/T) m / sum: within 99.9 % intervals for three jobs."""
    tickets, held = np.array([1.0, 2.0, 5.0]), np.array([10.0, 40.0, 50.0])
    expected = (1 - tickets / 8) * held
    expected /= expected.sum()
    owner = np.repeat([0, 1, 2], held.astype(int))
    controls = [MemoryControl(str(at), int(amount)) for at, amount in enumerate(tickets)]
    records = PageRecords(
        100, lambda some: [(controls[at], some[owner[some] == at]) for at in range(3)], lambda some: some
    )
    policy, losses, draws = InverseLottery(records, np.random.default_rng(11)), np.zeros(3), 6000
    for _ in range(draws):
        losses[owner[policy.victims(np.arange(100), 1)[0]]] += 1
    error = 3.29 * np.sqrt(draws * expected * (1 - expected))
    assert (np.abs(losses - draws * expected) < error).all()


def test_memory_settles_by_tickets() -> None:
    """Jobs that take equally often hold memory in proportion to 1 / (1 - t/T): 3:2:1 tickets, 10:7.5:6."""
    got = np.mean([shares([3, 2, 1], 6000, seed) for seed in range(5)], axis=0)
    expected = np.array([2.0, 1.5, 1.2])
    assert got == pytest.approx(expected / expected.sum(), abs=0.02)


def test_who_has_all_the_tickets_loses_only_what_nobody_else_has() -> None:
    """Without tickets at all, memory alone decides."""
    assert losing_weights([4, 0], [9, 3]) == [0.0, 3.0]
    assert losing_weights([4, 0], [9, 0]) == [9.0, 0.0]
    assert losing_weights([0, 0], [9, 3]) == [9.0, 3.0]


def test_a_policy_of_one_s_own_is_a_class_in_a_module() -> None:
    """`module:Class`, held to be a Replacement."""
    assert replacement_class("simulator.memory.paging.replacement.lru:Lru") is POLICIES["lru"]
    with pytest.raises(PluginError, match="is no subclass of"):
        replacement_class("simulator.burst:Burst")
    with pytest.raises(PluginError, match="unknown replacement lrus"):
        replacement_class("lrus")
    assert issubclass(POLICIES["fifo"], Replacement)


def test_no_frames_are_no_memory() -> None:
    """One message."""
    with pytest.raises(TimeshareError, match="a memory of 0 frames"):
        replay(POLICIES["fifo"], 0, [1])
