"""What an hour of a busy edge box costs: whole runs of `edge-box-hour`, and each request beside SimPy.

    python benchmarks/edge_box_hour.py [--duration 1h] [--schedulers stride,eevdf]

Prints wall time and peak memory of each whole run (tables and pictures included), and in the same run what
one request costs in simulation alone, as a multiple of a bare SimPy timeout.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time

from quanta import bare_timeouts

from scenarios.loader import load_scenario
from scenarios.runner import Simulation

SHORT, LONG = "1min", "11min"


def main() -> None:
    """Run the scenario under each scheduler."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--duration", default="1h")
    parser.add_argument("--schedulers", default="stride,eevdf")
    chosen = parser.parse_args()
    timeout_s = 1 / bare_timeouts()
    for scheduler in chosen.schedulers.split(","):
        request_s = marginal_request_s(scheduler)
        wall_s = whole_run_s(chosen.duration, scheduler)
        peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        multiple = request_s / timeout_s
        print(f"edge-box-hour, {chosen.duration} under {scheduler}: {wall_s:.1f} s, peak {peak_mb:.0f} MiB")
        print(f"    a request costs {request_s * 1e6:.1f} us, {multiple:.0f} bare SimPy timeouts")


def whole_run_s(duration: str, scheduler: str) -> float:
    """Return the wall time of one run of the command line."""
    with tempfile.TemporaryDirectory() as directory:
        begun = time.perf_counter()
        subprocess.run(  # noqa: S603 - our own program
            [
                *(sys.executable, "-m", "timeshare", "run", "edge-box-hour", "--quiet"),
                *("--scheduler", scheduler, "--set", f"duration={duration}"),
            ],
            cwd=directory,
            check=False,
        )
        return time.perf_counter() - begun


def marginal_request_s(scheduler: str) -> float:
    """Return what one more request costs to simulate, from a short and a longer run."""
    (short_s, short), (long_s, long) = (simulated_s(duration, scheduler) for duration in (SHORT, LONG))
    return (long_s - short_s) / (long - short)


def simulated_s(duration: str, scheduler: str) -> tuple[float, int]:
    """Return the wall time of the simulation alone, compiling done before, and its number of requests."""
    scenario = load_scenario("edge-box-hour", [f"duration={duration}"])
    simulation = Simulation(scenario, policy=scheduler, engine="compiled")
    warm = Simulation(load_scenario("edge-box-hour", ["duration=1s"]), policy=scheduler, engine="compiled")
    warm.run()
    begun = time.perf_counter()
    simulation.machine.run(scenario.duration_ns, window_ns=scenario.table_window_ns)
    spent = time.perf_counter() - begun
    return spent, sum(source.arrived for source in simulation.sources.values())


if __name__ == "__main__":
    main()
