"""Every method of a policy's rule, interpreted against compiled."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.compiled import _cached, _constants, _fields, _policy_view, _Tree
from simulator.schedulers.registry import make_scheduler, scheduler_names

QUANTUM_NS = 7_000
RULES = ("enter", "leave", "pick", "charge", "slice_ns", "tick", "preempts")
CAPACITY = 32

OPTIONS = {
    "lottery": {"compensation": True},
    "mlfq": {"boost_ms": 1},
    "stride": {"initial_pass": "zero"},
}
NAMES = [name for name in scheduler_names() if make_scheduler(name, {}).compilable]

step = st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 3_000_000))
process = st.tuples(st.integers(0, 2000), st.sampled_from([-1, -1, 1, 2, 3, 7]))


def call_rule(policy, rule, first, second):
    """Call a method of the policy itself."""
    arguments = (first, second)[: 1 if rule in {"enter", "leave", "pick", "slice_ns"} else 2]
    return getattr(policy, rule)(*arguments)


def _entry(columns, per_cpu, numbers, draws, rule, first, second):
    state = policy_view(columns, per_cpu, numbers, draws)  # noqa: F821 - this and the rules are bound when compiled
    if rule == 0:
        enter(state, first)  # noqa: F821
    elif rule == 1:
        leave(state, first)  # noqa: F821
    elif rule == 2:
        return pick(state, first)  # noqa: F821
    elif rule == 3:
        charge(state, first, second)  # noqa: F821
    elif rule == 4:
        return slice_ns(state, first)  # noqa: F821
    elif rule == 5:
        return int(tick(state, first, second))  # noqa: F821
    elif rule == 6:
        return int(preempts(state, first, second))  # noqa: F821
    return 0


def compiled_rules(name):
    """Return a function that calls a method of a policy as machine code, already compiled."""
    import numba  # noqa: PLC0415 - slow to import, and other tests need it not

    policy = policy_of(name)
    njit = partial(numba.njit, nogil=True, _nrt=False)
    tree = _Tree(njit(), njit())
    names = {rule: tree.compiled(getattr(type(policy), rule)) for rule in RULES}
    names["policy_view"] = tree.wrap(_policy_view(policy))
    made_from = (*_fields(policy), repr(_constants(policy)), repr(RULES))
    entry = _cached(_entry, names, f"rules_{tree.fingerprint(*made_from)}", njit)

    def call(policy, rule, first, second):
        tables = (policy.process_table, policy.cpu_table, policy.shared_table, policy.draws)
        return entry(*tables, RULES.index(rule), first, second)

    call(policy, "slice_ns", 0, 0)
    return call


class Pair:
    """Two copies of a policy that are told the same; one is machine code."""

    def __init__(self, copies, processes, seed):
        self.copies = []
        for policy, call in copies:
            for pid, (tickets, affinity) in enumerate(processes):
                policy.affinity[pid] = affinity
                policy.retune(pid, tickets)
            self.copies.append((policy, call, np.random.default_rng(seed)))

    def set(self, column, index, value):
        """Set what the kernel keeps for the policy."""
        for policy, _, _ in self.copies:
            getattr(policy, column)[index] = value

    def call(self, rule, first, second=0):
        """Call a method of both; what it returns and leaves behind must be the same."""
        results = []
        for policy, call, source in self.copies:
            if policy.draw_at[0] > len(policy.draws) - 8:
                policy.refill(source)
            results.append(int(call(policy, rule, first, second) or 0))
        one, other = (policy for policy, _, _ in self.copies)
        for table in ("process_table", "cpu_table", "shared_table"):
            assert getattr(one, table).tolist() == getattr(other, table).tolist(), (rule, first, second)
        assert results[0] == results[1], (rule, first, second)
        return results[0]


def may_use(processes, pid, cpu):
    """Say whether a process's affinity includes a CPU."""
    return processes[pid][1] >> cpu & 1


@pytest.mark.parametrize("name", NAMES)
def test_every_method_is_the_same_as_machine_code(name):
    """Whatever legal calls come in whatever order, both copies decide and remember the same."""
    compiled = compiled_rules(name)

    @settings(max_examples=30, deadline=None)
    @given(
        processes=st.lists(process, min_size=1, max_size=8),
        cpus=st.integers(1, 3),
        steps=st.lists(step, max_size=80),
        seed=st.integers(0, 1000),
    )
    def agree(processes, cpus, steps, seed):
        processes = [(tickets, mask if mask & ((1 << cpus) - 1) else -1) for tickets, mask in processes]
        copies = [(policy_of(name, cpus), call) for call in (call_rule, compiled)]
        drive(Pair(copies, processes, seed), processes, cpus, steps)

    agree()


def policy_of(name, cpus=1):
    """Return a policy of one of the cases, attached."""
    policy = make_scheduler(name, OPTIONS.get(name, {}))
    policy.attach(CAPACITY, QUANTUM_NS, cpus)
    return policy


def drive(pair, processes, cpus, steps):
    """Make the legal calls that the steps stand for."""
    now, queued, on_cpu, since = 0, set(), {}, {}
    for action, who, amount in steps:
        now += amount
        pair.set("now_ns", 0, now)
        cpu, pid = who % cpus, who % len(processes)
        asleep = pid not in queued and pid not in on_cpu.values()
        if action in {0, 1} and asleep:
            pair.set("left_ns", pid, amount + 1)
            pair.call("enter", pid)
            queued.add(pid)
            for at, running in on_cpu.items():
                pair.set("ran_ns", running, now - since[at])
                if may_use(processes, pid, at):
                    pair.call("preempts", pid, running)
        elif cpu not in on_cpu and queued:
            picked = pair.call("pick", cpu)
            if picked >= 0:
                queued.remove(picked)
                on_cpu[cpu], since[cpu] = picked, now
                pair.call("slice_ns", picked)
        elif cpu in on_cpu and (action < 4 or not pair.call("tick", on_cpu[cpu], now - since[cpu])):
            running = on_cpu.pop(cpu)
            left = 0 if action == 3 else amount
            pair.set("left_ns", running, left)
            pair.call("charge", running, now - since[cpu])
            queued.add(running)
            if left == 0:
                pair.call("leave", running)
                queued.remove(running)
