"""What simulating costs, as curves: against the quantum, jobs, CPUs and simulated time.

    python benchmarks/curves.py [--out docs/pictures/kernel-cost.png]

Three curves tell nanoseconds a quantum, with everything accounted for; the fourth tells bare SimPy timeouts
a request of `edge-box-hour`. All is measured in one run, beside a plain SimPy loop that draws a lottery
winner a quantum and keeps no accounts. Compiling is not counted.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from edge_box_hour import simulated_s
from matplotlib.ticker import FuncFormatter, NullLocator
from quanta import QUANTUM_NS, bare_timeouts, machine_of, naive_loop

from reports.plots import style
from reports.plots.draw import save
from simulator.hardware import Hardware

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    Curve = dict[str, list[tuple[float, float]]]

POLICIES = ("stride", "lottery", "lottery-tree", "eevdf")
QUANTA = 10_000_000
TICK_NS = 4_000_000
"""How long a slice is at least under EEVDF, whatever the quantum: it decides at 250 ticks a second."""
JOBS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
CPUS = (1, 2, 4, 8, 16)
QUANTA_US = (10, 100, 1_000, 10_000, 100_000)
MINUTES = (1, 4, 15, 60)


def main() -> None:
    """Measure, print and draw the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/pictures/kernel-cost.png"))
    target = parser.parse_args().out
    naive_ns = 1e9 / naive_loop(20)
    print(f"plain SimPy lottery, 20 jobs: {naive_ns:.0f} ns a quantum")
    by_quantum = measured(
        "quantum in microseconds", QUANTA_US, lambda name, us: cost_ns(name, quantum_ns=round(us * 1000))
    )
    by_jobs = measured("jobs", JOBS, lambda name, jobs: cost_ns(name, jobs=round(jobs)))
    by_cpus = measured(
        "CPUs, 4 jobs each", CPUS, lambda name, n: cost_ns(name, jobs=4 * round(n), cpus=round(n))
    )
    by_time = measured("minutes of edge-box-hour", MINUTES, request_cost, ("stride", "eevdf"))
    save(picture(naive_ns, by_quantum, by_jobs, by_cpus, by_time), target)
    print(f"drawn in {target}")


def measured(
    what: str,
    values: tuple[float, ...],
    cost: Callable[[str, float], float],
    policies: tuple[str, ...] = POLICIES,
) -> Curve:
    """Measure and print one curve a policy."""
    print(f"\n{what:28}" + "".join(f"{value:>9,g}" for value in values))
    curves: Curve = {}
    for name in policies:
        curves[name] = [(value, cost(name, value)) for value in values]
        print(f"{name:28}" + "".join(f"{found:>9.1f}" for _, found in curves[name]))
    return curves


def cost_ns(name: str, *, jobs: int = 20, quantum_ns: int = QUANTUM_NS, cpus: int = 1) -> float:
    """Return nanoseconds that one more quantum costs, from a shorter and a longer run."""
    period_ns = TICK_NS if name == "eevdf" else quantum_ns
    few = max(QUANTA // max(jobs, 20), 300_000)
    hardware = Hardware(cpus, quantum_ns)
    spent_run(name, jobs, hardware, 1000 * period_ns)  # loads the machine code
    # The shorter of two: whatever else the machine does only adds.
    runs = [
        min(spent_run(name, jobs, hardware, quanta * period_ns // cpus) for _ in range(2))
        for quanta in (few, 6 * few)
    ]
    (short_s, short), (long_s, long) = runs
    return 1e9 * (long_s - short_s) / (long - short)


def spent_run(name: str, jobs: int, hardware: Hardware, duration_ns: int) -> tuple[float, int]:
    """Return the wall time of a run, and its dispatches."""
    machine = machine_of(name, jobs, hardware)
    begun = time.perf_counter()
    machine.run(duration_ns, window_ns=1 << 60)
    spent = time.perf_counter() - begun
    return spent, int(machine.dispatcher.state.processes.dispatches.sum())


def request_cost(scheduler: str, minutes: float) -> float:
    """Return what a request costs on average in so long a run, in bare SimPy timeouts."""
    spent_s, requests = simulated_s(f"{minutes:g}min", scheduler)
    return spent_s / requests * bare_timeouts()


@style.styled
def picture(naive_ns: float, by_quantum: Curve, by_jobs: Curve, by_cpus: Curve, by_time: Curve) -> Figure:
    """Draw the four curves as small multiples."""
    page = style.page(
        5.3 + style.FOOT_IN,
        "A quantum costs tens of nanoseconds, whatever its length and however long the run",
        "CPU-bound jobs, every quantum accounted for; last panel: recorded cameras on four CPUs, its start "
        "shared out among all requests. Dashed: a plain SimPy loop without accounts.",
    )
    axes = page.panels(4, 2, 2.1, gap_in=(0.5, 0.62))
    colours = dict(zip(POLICIES, style.palette(len(POLICIES)), strict=True))
    panels = (
        (by_quantum, "nanoseconds a quantum, against the quantum (µs)"),
        (by_jobs, "nanoseconds a quantum, against jobs on one CPU"),
        (by_cpus, "nanoseconds a quantum, against CPUs (4 jobs each)"),
        (by_time, "SimPy timeouts a request, against minutes simulated"),
    )
    for ax, (curves, title) in zip(axes, panels, strict=True):
        for name, points in curves.items():
            ax.plot(*zip(*points, strict=True), "o-", color=colours[name], markersize=3, label=name)
        ax.set_title(title)
        ax.set_xscale("log")
        ax.set_xticks([value for value, _ in next(iter(curves.values()))])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        ax.xaxis.set_minor_locator(NullLocator())
        style.grid(ax, "both")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        if curves is by_time:
            ax.set_ylim(1, 100)
        else:
            ax.set_ylim(10, 4000)
            ax.axhline(naive_ns, color=style.GREY, linewidth=1.0, dashes=(4, 2))
    axes[0].legend(loc="center", frameon=False, ncols=2)
    return page.figure


if __name__ == "__main__":
    main()
