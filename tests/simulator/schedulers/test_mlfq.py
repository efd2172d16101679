"""The multi-level feedback queue against OSTEP chapter 8."""

from __future__ import annotations

import pytest

from simulator.plugins import PluginError
from simulator.schedulers.registry import make_scheduler

OPTIONS = {"quantum_ms": 10, "boost_ms": 0}


def machine_of(tools, jobs, options=None, **hardware):
    """Return a machine after running jobs of (start_ms, [(compute_ms, sleep_ms), ...]) for 1 s."""
    machine = tools.machine_with("mlfq", {**OPTIONS, **(options or {})}, slices=None, **hardware)
    for number, (start, steps) in enumerate(jobs):
        program = tools.computing(*((compute * tools.ms, sleep * tools.ms) for compute, sleep in steps))
        machine.spawn(
            chr(ord("A") + number), program, tickets=1, layout=tools.layout, start_ns=start * tools.ms
        )
    machine.run(1000 * tools.ms, window_ns=1 << 40)
    return machine


def slices_of(tools, machine, pid):
    """Return a process's slices as (start, end) in ms."""
    rows = [row for part in machine.recordings.slices for row in part if row["pid"] == pid]
    return [(row["start_ns"] / tools.ms, row["end_ns"] / tools.ms) for row in rows]


def ends_ms(tools, machine):
    """Return when each process ended, in ms."""
    return [process.ended.at_ns / tools.ms for process in machine.processes]


def test_a_long_job_sinks_level_by_level(tools):
    """OSTEP figure 8.2: a quantum at each level, then the lowest for good."""
    machine = machine_of(tools, [(0, [(200, 0)])])
    assert slices_of(tools, machine, 0)[:4] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    assert machine.dispatcher.policy.level[0] == 2


def test_a_short_job_comes_in_on_top(tools):
    """OSTEP figure 8.3: a job of 20 that comes at 100 is done at 120, before it sinks to the long one."""
    machine = machine_of(tools, [(0, [(180, 0)]), (100, [(20, 0)])])
    assert ends_ms(tools, machine) == [200, 120]


def test_a_newcomer_takes_the_cpu_in_the_middle_of_a_quantum_which_then_goes_on(tools):
    """At 105 the long job has 5 ms of its quantum left; it has them before anyone of its level."""
    machine = machine_of(tools, [(0, [(100, 0)]), (0, [(100, 0)]), (105, [(5, 0)])])
    assert ends_ms(tools, machine)[2] == 110
    whole = [end - start for pid in (0, 1) for start, end in slices_of(tools, machine, pid)]
    assert sorted(whole)[:3] == [5, 5, 10]
    cut = next(pid for pid in (0, 1) if (100, 105) in slices_of(tools, machine, pid))
    assert (110, 115) in slices_of(tools, machine, cut)


def interactive(times):
    """Return the steps of a job that uses 1 ms and waits 9 for its input."""
    return [(1, 9)] * times


def test_under_the_old_rule_an_interactive_job_stays_on_top(tools):
    """OSTEP figure 8.4: it waits only for the 1 ms that the long job's first quantum still lasts."""
    machine = machine_of(tools, [(0, interactive(50)), (0, [(400, 0)])], {"io_keeps_level": True})
    assert machine.dispatcher.policy.level[0] == 0
    assert machine.dispatcher.state.processes.wait_ns[0] == tools.ms


def test_under_the_new_rule_its_use_adds_up_and_it_sinks(tools):
    """Ten times 1 ms is an allotment of 10: two levels later it shares the lowest with the long job."""
    machine = machine_of(tools, [(0, interactive(50)), (0, [(400, 0)])])
    assert machine.dispatcher.policy.level[0] == 2
    assert machine.dispatcher.state.processes.wait_ns[0] > 0


def test_gaming_pays_under_the_old_rule_only(tools):
    """A job that sleeps 1 ms after 9 has nearly the whole CPU under the old rule, half under the new."""
    gamer, honest = [(9, 1)] * 200, [(2000, 0)]
    shares = [
        machine_of(tools, [(0, gamer), (0, honest)], {"io_keeps_level": keeps}).dispatcher.state.processes
        for keeps in (True, False)
    ]
    assert shares[0].cpu_ns[0] / tools.ms == pytest.approx(900, abs=10)
    assert shares[1].cpu_ns[0] / tools.ms < 550


def test_a_boost_rescues_the_starved(tools):
    """OSTEP figure 8.5: two jobs that stay on top starve a long one, unless it rises every 50 ms."""
    jobs = [(0, [(1000, 0)]), *((30, [(5, 5)] * 100) for _ in range(2))]
    starved, rescued = (
        machine_of(tools, jobs, {"io_keeps_level": True, "boost_ms": boost}) for boost in (0, 50)
    )
    assert starved.dispatcher.state.processes.cpu_ns[0] == 30 * tools.ms
    assert rescued.dispatcher.state.processes.cpu_ns[0] >= 19 * 5 * tools.ms


def test_a_boost_reaches_everyone_with_a_new_allotment(tools):
    """Every 100 ms both jobs start again with the short quantum of the top and sink from there."""
    options = {"quantum_ms": [10, 20, 40], "boost_ms": 100}
    machine = machine_of(tools, [(0, [(400, 0)]), (0, [(400, 0)])], options)
    lengths = [[end - start for start, end in slices_of(tools, machine, pid)] for pid in (0, 1)]
    assert lengths[0][:8] == [10, 20, 40, 10, 20, 10, 20, 40]
    assert lengths[1][:8] == [10, 20, 10, 20, 40, 10, 20, 10]


def test_lower_levels_may_have_longer_quanta(tools):
    """OSTEP figure 8.6: 20 ms of 10 at the top, 40 of 20 in the middle, then 40 at a time."""
    options = {"quantum_ms": [10, 20, 40], "allotment_ms": [20, 40, 80]}
    machine = machine_of(tools, [(0, [(150, 0)]), (0, [(150, 0)])], options)
    lengths = [end - start for start, end in slices_of(tools, machine, 0)]
    assert lengths == [10, 10, 20, 20, 40, 40, 10]


def test_of_two_cpus_that_of_the_lowest_level_is_taken(tools):
    """A newcomer takes the CPU of the job that sank; the other one goes on."""
    jobs = [(0, [(200, 0)]), (95, [(50, 0)]), (100, [(5, 0)])]
    machine = machine_of(tools, jobs, {"allotment_ms": 50}, cpus=2)
    assert ends_ms(tools, machine)[1:] == [145, 105]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 0}, "levels is a whole number from 1 to 16, not 0"),
        ({"quantum_ms": [10, 20]}, "quantum_ms is a whole number of milliseconds above 0 or a list of 3"),
        ({"allotment_ms": 0}, "allotment_ms is a whole number"),
        ({"allotment_ms": "10ms"}, "allotment_ms is a whole number"),
        ({"boost_ms": -1}, "boost_ms is a whole number of milliseconds, 0 for no boost, not -1"),
        ({"io_keeps_level": 1}, "io_keeps_level is true or false, not 1"),
    ],
)
def test_wrong_options_are_told_with_what_is_right(options, message):
    """Each option says what it takes."""
    with pytest.raises(PluginError, match=message):
        make_scheduler("mlfq", options)
