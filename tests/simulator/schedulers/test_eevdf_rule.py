"""EEVDF's rule itself: eligibility, deadlines and lag, recomputed exactly at every decision."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.groups import Group, Quota
from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.schedulers.eevdf import Eevdf, mean_key

SECOND = 10**9
GROUPS = {"a": Group(weight=300), "b": Group(of="a", cpu_max=Quota(30_000_000)), "c": Group(weight=20)}


class Watched(Eevdf):
    """EEVDF that looks at its own decisions."""

    decisions = 0

    def on_queue(self, queue):
        """Return who is on a queue, in its order, the sleeping included."""
        found, at = [], int(self.first[queue])
        while at > 0:
            found.append(at - 1)
            at = int(self.after[at - 1])
        return found

    def pick_next_entity(self, queue, before):
        """Hold every decision against the definition, with the queue as it was when it was made."""
        chosen = super().pick_next_entity(queue, before)
        self.decisions += 1
        waiting = self.on_queue(queue)
        there = [int(entity) for entity in (*waiting, chosen)]
        weight = {entity: int(self.weight[entity]) for entity in there}
        vruntime = {entity: int(self.vruntime[entity]) for entity in there}
        total = sum(weight.values())
        mean = Fraction(sum(weight[entity] * vruntime[entity] for entity in there), total)
        assert vruntime[chosen] <= mean, "who runs is eligible"
        eligible = [entity for entity in there if vruntime[entity] <= mean]
        in_turn = chosen == before and self.picked_deadline[chosen] == self.deadline[chosen]
        earliest = min(int(self.deadline[entity]) for entity in eligible)
        assert in_turn or self.deadline[chosen] == earliest, "and has the earliest deadline"
        assert [int(self.deadline[entity]) for entity in waiting] == sorted(
            int(self.deadline[entity]) for entity in waiting
        )
        self.check_sums(queue, waiting, weight, vruntime)
        return chosen

    def check_sums(self, queue, waiting, weight, vruntime):
        """Hold what the policy keeps up to date against what it stands for; lags sum to nothing."""
        origin = int(self.origin[queue])
        assert self.key_weight[queue] == sum(weight[entity] for entity in waiting)
        assert self.key_sum[queue] == sum(weight[entity] * (vruntime[entity] - origin) for entity in waiting)
        if waiting:
            rounded = origin + int(mean_key(self, queue, 0))
            lags = sum(weight[entity] * (rounded - vruntime[entity]) for entity in waiting)
            assert -sum(weight[entity] for entity in waiting) < lags <= 0, "but for the rounding of V"


step = st.tuples(st.integers(1, 30_000_000), st.integers(0, 30_000_000))
job = st.tuples(
    st.integers(1, 3000), st.lists(step, min_size=1, max_size=6), st.sampled_from(["root", *GROUPS])
)
presets = st.sampled_from(["linux-6.6", "linux-6.12", "linux-6.15"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(job, min_size=1, max_size=7), preset=presets, cpus=st.integers(1, 3), grouped=st.booleans()
)
def test_the_eligible_one_with_the_earliest_deadline_runs(tools, jobs, preset, cpus, grouped):
    """On every queue and at every decision, groups included; V is exact, and lags sum to 0."""
    policy = Watched(preset=preset)
    options = {"groups": GROUPS} if grouped else {}
    machine = Machine(policy, Hardware(cpus=cpus), memory_bytes=1 << 30, engine="interpreted", **options)
    for number, (tickets, steps, group) in enumerate(jobs):
        machine.spawn(
            str(number),
            tools.computing(*steps),
            tickets=tickets,
            layout=tools.layout,
            group=group if grouped else "root",
        )
    machine.run(SECOND, window_ns=SECOND)
    assert policy.decisions >= len(jobs)
