"""Memory runs out, somebody is killed, and everything else goes on as if nothing had been in the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.burst import Burst
from simulator.calls import CallError
from simulator.channels import Channel
from simulator.hardware import Hardware
from simulator.machine import KILLED, Machine
from simulator.memory.address_space import Access, Layout
from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.control import MemoryControl
from simulator.memory.costs import MemoryCosts
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.memory.static_relocation import StaticRelocationMechanism
from simulator.oom import KILLERS, Candidate, badness, entitlements, ranked
from simulator.schedulers.registry import make_scheduler, scheduler_names
from simulator.sources import Source

PAGE = 4096
MS = 1_000_000
LAYOUT = Layout(code_bytes=PAGE, heap_bytes=1 << 24, stack_bytes=PAGE)


def paged(
    frames: int,
    scheduler: str = "stride",
    killer: str = "linux",
    engine: Any = "interpreted",
    **hardware: Any,
) -> Machine:
    """Return a machine of so many frames of 4 KiB."""
    return Machine(
        make_scheduler(scheduler, {}),
        Hardware(**{"quantum_ns": 50_000, **hardware}),
        mechanism=PagingMechanism(frames * PAGE, MemoryCosts(), cpus=hardware.get("cpus", 1)),
        killer=killer,
        engine=engine,
    )


def taking(*steps: tuple[int, int, int]):
    """Return a program that for each (pages, compute_ns, sleep_ns) touches that many new pages first."""

    def program(system):
        for pages, compute_ns, sleep_ns in steps:
            if pages:
                block = system.malloc(pages * PAGE)
                yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
            yield system.compute(compute_ns)
            if sleep_ns:
                yield system.sleep(sleep_ns)

    return program


def burst_of(pages: int, cpu_ns: int, *, parallel: bool = False) -> Burst:
    """Return a burst that allocates and frees one block in the middle."""
    return Burst(
        op_cpu_ns=np.array([cpu_ns, cpu_ns], np.int64),
        op_names=["first", "second"],
        event_op=np.array([0, 1]),
        event_after=np.array([True, True]),
        event_block=np.array([1, 1]),
        event_bytes=np.array([pages * PAGE, -pages * PAGE]),
        op_parallel=np.array([parallel, parallel]),
    )


def reasons(machine: Machine) -> list[str]:
    """Return in a word how each process ended."""
    return ["alive" if one.ended is None else one.ended.reason.split(":")[0] for one in machine.processes]


def test_who_holds_most_is_killed_and_who_asked_goes_on() -> None:
    """The hog loses its memory at once, in the middle of a computation, and the other never knows."""
    machine = paged(75)
    hog = machine.spawn("hog", taking((40, 100 * MS, 0)), tickets=1, layout=LAYOUT)
    small = machine.spawn("small", taking((10, MS, 0), (20, MS, 0)), tickets=1, layout=LAYOUT)
    machine.run(200 * MS, window_ns=10 * MS)
    assert hog.ended is not None
    assert hog.ended.code == KILLED
    assert hog.ended.reason.startswith("killed: out of memory: small asked for 80.0 KiB")
    assert small.ended is not None
    assert small.ended.reason == "exited"
    assert machine.memory.used_bytes == 0


def greedy(at_ns: int, pages: int):
    """Return a program that wants a lot at some time."""

    def program(system):
        yield system.sleep(at_ns)
        block = system.malloc(pages * PAGE)
        yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
        yield system.compute(MS)

    return program


def kill_one(machine: Machine, program: Any, *, at_ns: int = 5 * MS, **spawning: Any):
    """Run a program that holds the most memory and is killed at a time; return its process."""
    control = MemoryControl("victim", oom_score_adj=1000)
    wants = greedy(at_ns, machine.memory.free_bytes // PAGE - 20)
    asking = machine.spawn("greedy", wants, tickets=1, layout=LAYOUT)
    victim = machine.spawn("victim", program, tickets=1, layout=LAYOUT, control=control, **spawning)
    machine.run(40 * MS, window_ns=MS)
    assert victim.ended is not None
    assert at_ns <= victim.ended.at_ns <= at_ns + 5 * MS  # who asks may have had to wait for the CPU
    assert victim.ended.reason.startswith("killed: out of memory: greedy asked for")
    assert asking.ended is not None
    assert asking.ended.reason == "exited"
    assert machine.memory.used_bytes == sum(
        one.memory.space.resident_bytes for one in machine.processes if one.memory is not None
    )
    return victim


def holding(pages: int, then: Any):
    """Return a program that touches pages first."""

    def program(system):
        block = system.malloc(pages * PAGE)
        yield system.access(block + PAGE * np.arange(pages), Access.WRITE)
        yield from then(system)

    return program


def compute_for_ever(system):
    """Compute."""
    yield system.compute(1 << 60)


def sleep_for_ever(system):
    """Sleep."""
    yield system.sleep(1 << 60)


@pytest.mark.parametrize("scheduler", scheduler_names())
@pytest.mark.parametrize("then", [compute_for_ever, sleep_for_ever])
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_victim_may_be_anywhere(scheduler, then, cpus) -> None:
    """On a CPU, in the queue or asleep: it stops at once, and others have its share of the CPU."""
    machine = paged(100, scheduler, cpus=cpus)
    victim = kill_one(machine, holding(20, then))
    assert victim.ended is not None
    assert machine.received_ns(victim) <= victim.ended.at_ns
    assert machine.dispatcher.state.totals.queued[0] == 0


@pytest.mark.parametrize("scheduler", scheduler_names())
def test_threads_in_the_middle_of_a_burst_stop_together(scheduler) -> None:
    """No thread of the victim's begins another phase."""
    machine = paged(100, scheduler, cpus=2)
    burst = burst_of(3, 50 * MS, parallel=True)

    def team(system):
        while True:
            yield system.execute(burst)

    victim = kill_one(machine, holding(20, team), threads=3)
    assert 0 < machine.received_ns(victim) < 11 * MS
    received = machine.dispatcher.state.processes.cpu_ns
    assert received.sum() == machine.dispatcher.state.cpus.busy_ns.sum()


@pytest.mark.parametrize("by_kernel", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_victim_was_serving_stays_unanswered(by_kernel, threads) -> None:
    """Whether the kernel repeats the burst or the program does; later requests wait, and the oldest drop."""
    machine = paged(100, cpus=2)
    source = Source.outside(
        machine.dispatcher, [np.arange(0, 39 * MS, 2 * MS)], capacity=3, when_full="drop-oldest"
    )
    burst = burst_of(3, 300_000)

    def serving(system):
        if by_kernel:
            yield from system.serve(source, burst)
        while True:
            request = yield system.receive(source)
            yield system.execute(burst)
            system.reply(request)

    victim = kill_one(machine, holding(20, serving), at_ns=8_100_000, threads=threads)
    assert victim.ended is not None
    finished = [one.finished_ns for one in source.requests]
    assert [one >= 0 for one in finished[:5]] == [True] * 4 + [False]
    assert all(0 < one < victim.ended.at_ns for one in finished[:4])
    assert [one.dropped for one in source.requests] == [False] * 5 + [True] * 12 + [False] * 3
    assert victim.mallocs >= 4


def test_a_request_that_arrives_after_the_end_of_who_waited_for_it_is_handed_to_nobody() -> None:
    """Killed while it waits for a request; the next ones stay in the queue."""
    machine = paged(100)
    source = Source.outside(machine.dispatcher, [np.array([1 * MS, 20 * MS, 30 * MS])])

    def receiving(system):
        while True:
            yield system.receive(source)

    kill_one(machine, holding(20, receiving))
    assert [one.started_ns for one in source.requests] == [1 * MS, -1, -1]


def test_those_who_wait_for_a_victims_reply_are_told() -> None:
    """One call is being served, another waits: both clients receive an error, and their tickets come home."""
    machine, channel, told = paged(140, "lottery"), None, []
    channel = Channel(machine.clock)

    def server(system):
        while True:
            request = yield system.receive(channel)
            yield system.compute(1 << 60)
            system.reply(request)

    def client(system):
        try:
            yield system.request(channel)
        except CallError as error:
            told.append(str(error))
        yield system.compute(MS)

    for name in ("first", "second"):
        machine.spawn(name, client, tickets=7, layout=LAYOUT, start_ns=MS)
    kill_one(machine, holding(20, server))
    assert len(told) == 2
    assert all("no reply will come: process 3 (job 'victim') is gone" in one for one in told)
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


@pytest.mark.parametrize("waits", ["in the queue", "for the reply"])
def test_the_calls_of_a_victim_are_forgotten_or_answered_to_nobody(waits) -> None:
    """The server goes on with the next client, with the right tickets."""
    machine = paged(140, "lottery")
    channel = Channel(machine.clock)
    served: list[int] = []

    def server(system):
        if waits == "in the queue":
            yield system.compute(15 * MS)
        for _ in range(2 if waits == "for the reply" else 1):
            request = yield system.receive(channel)
            yield system.compute(4 * MS)
            system.reply(request)
            served.append(request.number)

    def client(system):
        yield system.sleep(8 * MS)
        yield system.request(channel)

    machine.spawn("server", server, tickets=5, layout=LAYOUT)
    machine.spawn("client", client, tickets=5, layout=LAYOUT)

    def asking(system):
        yield system.request(channel)

    kill_one(machine, holding(20, asking), at_ns=2 * MS)
    assert served == ([0, 1] if waits == "for the reply" else [1])
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


def test_a_server_killed_while_it_waits_for_calls_leaves_them_to_another() -> None:
    """It is handed no call any more."""
    machine = paged(140)
    channel = Channel(machine.clock)

    def server(system):
        request = yield system.receive(channel)
        yield system.compute(1000)
        system.reply(request)

    def second(system):
        yield system.sleep(10 * MS)
        yield from server(system)

    def client(system):
        yield system.sleep(12 * MS)
        yield system.request(channel)

    machine.spawn("second", second, tickets=5, layout=LAYOUT)
    machine.spawn("client", client, tickets=5, layout=LAYOUT)
    kill_one(machine, holding(20, server))
    assert reasons(machine) == ["exited", "exited", "exited", "killed"]


def test_who_waits_for_a_victim_hears_of_its_end() -> None:
    """A parent is told how its child ended, and the child's memory, shared with it, is not lost."""
    machine, told = paged(140), []

    def child(system):
        yield system.compute(1 << 60)

    def parent(system):
        block = system.malloc(30 * PAGE)
        yield system.store(block, b"x" * 30 * PAGE)
        ended = yield system.wait(system.fork(child))
        told.append(ended.reason.split(":")[0])
        told.append((yield system.load(block + 29 * PAGE, 1)))

    control = MemoryControl("family")
    machine.spawn("family", parent, tickets=1, layout=LAYOUT, control=control)
    machine.spawn("greedy", greedy(5 * MS, 98), tickets=1, layout=LAYOUT)
    machine.run(40 * MS, window_ns=MS)
    assert told == ["killed", b"x"]
    assert control.used_bytes == 0
    assert control.oom_kills == 1


def test_a_kill_cannot_be_caught() -> None:
    """Neither an except nor a finally of the program runs to any effect."""
    machine, done = paged(100), []

    def stubborn(system):
        try:
            yield system.compute(1 << 60)
        except Exception:  # noqa: BLE001 - what a program may well do
            done.append("caught")
        finally:
            system.malloc(16)
            done.append("finally")

    kill_one(machine, holding(20, stubborn))
    assert done == []


def test_a_job_that_is_never_killed_survives_the_largest_appetite() -> None:
    """Under any rule: the others end, or who asked."""
    for killer in KILLERS:
        machine = paged(100, killer=killer)
        control = MemoryControl("safe", oom_score_adj=-1000)
        safe = machine.spawn("safe", taking((50, 30 * MS, 0)), tickets=1, layout=LAYOUT, control=control)
        machine.spawn("small", taking((10, 30 * MS, 0)), tickets=1, layout=LAYOUT)
        machine.spawn("greedy", greedy(5 * MS, 60), tickets=1, layout=LAYOUT)
        machine.run(200 * MS, window_ns=MS)
        assert safe.ended is not None
        assert safe.ended.reason == "exited"
        assert reasons(machine)[2] == "killed"
        # Not even the end of `small` would have made room for 60 pages.
        assert reasons(machine)[1] == "exited"


def test_a_protected_process_that_asks_has_others_killed_for_it_whatever_the_rule() -> None:
    """As vm.oom_kill_allocating_task in Linux, which passes over a task that may not be killed."""
    machine = paged(100, killer="kill-asking")
    machine.spawn("other", taking((60, 30 * MS, 0)), tickets=1, layout=LAYOUT)
    control = MemoryControl("safe", oom_score_adj=-1000)
    machine.spawn("safe", greedy(5 * MS, 50), tickets=1, layout=LAYOUT, control=control)
    machine.run(200 * MS, window_ns=MS)
    assert reasons(machine) == ["killed", "exited"]


def test_memory_oom_group_ends_all_of_a_group_who_asked_included() -> None:
    """One of its processes is chosen, and every one of it is killed at that instant, but for the exempt."""
    machine = paged(300)
    group = MemoryControl("batch", max_bytes=100 * PAGE, oom_group=True, is_group=True)
    claims = [MemoryControl(name, parent=group) for name in "abc"]
    claims[2].oom_score_adj = -1000
    for pages, claim in zip((40, 10, 5), claims, strict=True):
        machine.spawn(claim.name, taking((pages, 90 * MS, 0)), tickets=1, layout=LAYOUT, control=claim)
    late = MemoryControl("d", parent=group)
    machine.spawn("d", greedy(20 * MS, 40), tickets=1, layout=LAYOUT, control=late)
    machine.spawn("outside", taking((50, 90 * MS, 0)), tickets=1, layout=LAYOUT)
    machine.run(1000 * MS, window_ns=MS)
    assert reasons(machine) == ["killed", "killed", "exited", "killed", "exited"]
    ends = {one.ended.at_ns for one in machine.processes if one.ended and one.name in "abd"}
    assert len(ends) == 1
    assert group.oom_kills == 3


def test_ties_go_to_the_youngest_as_in_linux() -> None:
    """Two that deserve it equally: the one that was created last."""
    machine = paged(100)
    for name in ("old", "young"):
        machine.spawn(name, taking((25, 90 * MS, 0)), tickets=1, layout=LAYOUT)
    machine.spawn("greedy", greedy(5 * MS, 40), tickets=1, layout=LAYOUT)
    machine.run(400 * MS, window_ns=MS)
    assert reasons(machine) == ["exited", "killed", "exited"]


def candidate(**changes: Any) -> Candidate:
    """Return a candidate of 1000 pages in memory, 20 of tables, none swapped, unless told otherwise."""
    usual = {"pid": 1, "job": "job", "rss_bytes": 1000 * PAGE, "table_bytes": 20 * PAGE, "swapped_bytes": 0}
    usual |= {"held_bytes": 0, "asked_bytes": 0, "tickets": 1, "entitled_bytes": 1, "oom_score_adj": 0}
    return Candidate(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "total_pages", "points"),
    [
        ({}, 100_000, 1020),
        ({"swapped_bytes": 7 * PAGE}, 100_000, 1027),
        ({"oom_score_adj": 500}, 100_000, 1020 + 50_000),  # half of all there is
        ({"oom_score_adj": -500}, 100_000, 1020 - 50_000),  # may be negative, since Linux 5.9
        ({"oom_score_adj": 1000}, 100_999, 1020 + 100_000),  # totalpages / 1000 is rounded down first
        ({"oom_score_adj": 1000}, 999, 1020),  # on a tiny machine the adjustment comes to nothing
        ({"rss_bytes": 4095, "table_bytes": 4097}, 100_000, 1),
    ],
)
def test_badness_is_the_kernels(changes: dict[str, int], total_pages: int, points: int) -> None:
    """By hand from oom_badness in mm/oom_kill.c: rss + swap + tables + adj * (totalpages / 1000)."""
    assert badness(candidate(**changes), total_pages * PAGE, PAGE) == points


def test_tickets_choose_who_is_furthest_above_its_entitlement_request_included() -> None:
    """Not the largest, and not who is just over while another reaches for more."""
    large = candidate(pid=1, held_bytes=600, entitled_bytes=500, rss_bytes=600)
    small = candidate(pid=2, held_bytes=60, entitled_bytes=40, rss_bytes=30)
    child = candidate(pid=3, held_bytes=60, entitled_bytes=40, rss_bytes=50)
    exempt = candidate(pid=4, held_bytes=900, entitled_bytes=1, oom_score_adj=-1000)
    line = ranked("tickets", [large, small, child, exempt], 1000, PAGE)
    assert [(one.pid, score) for one, score in line] == [(3, 1.5), (2, 1.5), (1, 1.2)]
    asking = replace(large, asked_bytes=200)
    assert ranked("tickets", [asking, small], 1000, PAGE)[0] == (asking, 1.6)


def test_entitlements_are_parts_of_the_tickets_of_those_who_are_alive() -> None:
    """Three to two to one; when one goes, the others share its part."""
    three, two, one = (MemoryControl(str(n), n) for n in (3, 2, 1))
    assert list(entitlements([three, two, one], 600).values()) == [300, 200, 100]
    assert list(entitlements([two, one], 600).values()) == [400, 200]


def tale(
    scheduler: str, largest: int, *, ticks_ns: int = 0, by_kernel: bool = True, engine: Any = "interpreted"
) -> list[Any]:
    """Return what became of a server, one of two threads, and a leak in too little memory."""
    machine = paged(115, scheduler, engine=engine, cpus=2, context_switch_ns=300)
    sources = []
    for number in range(2):
        times = np.arange(number, 30 * MS, 1_700_000)
        source = Source.outside(machine.dispatcher, [times], capacity=2, when_full="drop-oldest")
        sources.append(source)
        burst = burst_of(4 + number, 250_000, parallel=bool(number))

        def serving(system, source=source, burst=burst):
            if by_kernel:
                yield from system.serve(source, burst)
            while True:
                request = yield system.receive(source)
                yield system.execute(burst)
                system.reply(request)

        program = holding(32 + 3 * (number == largest), serving)
        machine.spawn(str(number), program, tickets=3, layout=LAYOUT, threads=1 + number)
    machine.spawn("leak", taking(*[(5, 900_000, 400_000)] * 20), tickets=1, layout=LAYOUT)

    def tick():
        while True:
            yield machine.clock.timeout(ticks_ns)

    if ticks_ns:
        machine.clock.process(tick())
    machine.run(30 * MS, window_ns=3 * MS)
    state = machine.dispatcher.state
    received = state.processes.cpu_ns[:4].tolist()
    kills = [(kill.at_ns, kill.pid, kill.reason) for kill in machine.recordings.kills]
    assert kills[0][1] == largest
    requests = [[(one.started_ns, one.finished_ns, one.dropped) for one in each.requests] for each in sources]
    return [received, kills, requests, reasons(machine), machine.memory.used_bytes]


@pytest.mark.parametrize("scheduler", scheduler_names())
@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_however_time_is_cut_up(scheduler: str, largest: int) -> None:
    """To the nanosecond: who is killed, when, and what became of every request."""
    whole = tale(scheduler, largest)
    assert tale(scheduler, largest) == whole
    assert tale(scheduler, largest, ticks_ns=77_777) == whole


@pytest.mark.parametrize("scheduler", ["stride", "eevdf", "lottery"])
@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_whoever_repeats_the_burst(scheduler: str, largest: int) -> None:
    """The kernel inside the span, or the program round by round."""
    assert tale(scheduler, largest, by_kernel=False) == tale(scheduler, largest)


@pytest.mark.parametrize("largest", [0, 1])
def test_kills_are_the_same_in_machine_code(largest: int) -> None:
    """What is withdrawn between two compiled spans is gone from the arrays."""
    assert tale("stride", largest, engine="compiled") == tale("stride", largest)


@pytest.mark.parametrize("mechanism", [BaseAndBoundsMechanism, StaticRelocationMechanism])
def test_where_a_process_is_one_piece_a_newcomer_may_have_others_killed_for_it(mechanism) -> None:
    """One after another, until there is a hole; nobody for one that would not fit an empty machine."""
    machine = Machine(
        make_scheduler("stride", {}),
        Hardware(quantum_ns=50_000),
        mechanism=mechanism(100 * PAGE, MemoryCosts()),
        killer="linux",
    )
    for name, pages in (("a", 30), ("b", 20), ("c", 35)):
        layout = Layout(PAGE, (pages - 2) * PAGE, PAGE)
        machine.spawn(name, taking((0, 90 * MS, 0)), tickets=1, layout=layout)
    large = Layout(PAGE, 58 * PAGE, PAGE)
    machine.spawn("large", taking((0, MS, 0)), tickets=1, layout=large, start_ns=MS)
    huge = Layout(PAGE, 99 * PAGE, PAGE)
    machine.spawn("huge", taking((0, MS, 0)), tickets=1, layout=huge, start_ns=2 * MS)
    machine.run(500 * MS, window_ns=10 * MS)
    # Without c there are 50 pages behind b, without a 30 before it: only then is there a hole for 60.
    assert reasons(machine) == ["killed", "killed", "killed", "exited", "refused"]
    assert [kill.pid for kill in machine.recordings.kills] == [2, 0, 1, 4]
    refusal = machine.recordings.kills[-1].case
    assert refusal.remedies[0][0].size_bytes == 161 * PAGE


program_step = st.tuples(st.integers(0, 30), st.integers(0, 150_000), st.integers(0, 90_000))
program = st.tuples(
    st.integers(0, 60_000), st.sampled_from([-1000, 0, 0, 500]), st.lists(program_step, max_size=6)
)


@pytest.mark.parametrize("scheduler", scheduler_names())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    jobs=st.lists(program, min_size=2, max_size=5),
    cpus=st.integers(1, 2),
    frames=st.integers(40, 120),
    killer=st.sampled_from(KILLERS),
)
def test_kills_break_no_books(scheduler, jobs, cpus, frames, killer) -> None:
    """Small memories, programs at random: whoever is killed, time and memory are accounted for."""
    machine = paged(frames, scheduler, killer, cpus=cpus, context_switch_ns=700)
    for number, (start_ns, adj, steps) in enumerate(jobs):
        control = MemoryControl(str(number), oom_score_adj=adj)
        machine.spawn(
            str(number), taking(*steps), tickets=number + 1, layout=LAYOUT, start_ns=start_ns, control=control
        )
    machine.run(20 * MS, window_ns=MS)
    received = machine.dispatcher.state.processes.cpu_ns[: len(jobs)]
    assert received.sum() == machine.dispatcher.state.cpus.busy_ns.sum()
    if all(one.ended for one in machine.processes):
        assert machine.memory.used_bytes == 0
    for kill in machine.recordings.kills:
        if kill.kind == "killed" and kill.case.asking_pid != kill.pid:
            assert machine.processes[kill.pid].control.oom_score_adj > -1000
