"""Shortest job first, as in OSTEP chapter 7."""

from __future__ import annotations

from simulator.schedulers.sjf import Sjf


def finish_ms(tools, scheduler, lengths_ms, starts_ms=None, cpus=1):
    """Return when jobs of such lengths finish, in ms."""
    machine = tools.machine_with(scheduler, cpus=cpus)
    for number, length in enumerate(lengths_ms):
        machine.spawn(
            str(number),
            tools.computing((length * tools.ms, 0)),
            tickets=1,
            layout=tools.layout,
            start_ns=(starts_ms or [0] * len(lengths_ms))[number] * tools.ms,
        )
    machine.run(10_000 * tools.ms, window_ns=1 << 40)
    return [process.ended.at_ns / tools.ms for process in machine.processes]


def test_short_jobs_do_not_wait_for_a_long_one(tools):
    """OSTEP figure 7.3: of 100, 10 and 10 the short ones run first, turnaround 50 on average."""
    assert finish_ms(tools, "sjf", [100, 10, 10]) == [120, 10, 20]


def test_a_job_that_runs_is_not_stopped_for_a_shorter_one(tools):
    """OSTEP figure 7.4: short jobs that come at 10 wait until the long one ends."""
    assert finish_ms(tools, "sjf", [100, 10, 10], [0, 10, 10]) == [100, 110, 120]


def test_of_equals_the_first_to_come_runs_first(tools):
    """The order is stable."""
    assert finish_ms(tools, "sjf", [30, 20, 30, 20]) == [70, 20, 100, 40]


def test_a_job_is_put_between_shorter_and_longer_ones_and_can_leave_from_there():
    """The queue is in order of length, wherever processes join and leave it."""
    policy = Sjf()
    policy.attach(8, 1000)
    policy.affinity[:] = -1
    policy.left_ns[:5] = [50, 10, 40, 20, 40]
    for pid in range(5):
        policy.enter(pid)
    policy.leave(3)
    assert [policy.pick(0) for _ in range(5)] == [1, 2, 4, 0, -1]
