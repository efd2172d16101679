"""How fast mallocs and frees go by: a recorded profile, over and over, beside more and more live blocks.

    python benchmarks/heap.py [--profile resnet50] [--picture docs/pictures/heap-speed.png]

Each heap first gets a number of live blocks with holes between them: twice as many blocks of 16 to 2000 bytes
are allocated, and half of them, drawn at random, are freed. Then the profile's mallocs and frees are carried
out again and again ("replay"); or a block is freed at random and another allocated ("churn"). As a yardstick,
in the same run: first fit as it is mostly written, a list of (address, size) that malloc walks along, in
Python.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reports.plots import style
from reports.plots.draw import save
from simulator.memory.address_space import Layout
from simulator.memory.base_and_bounds import BaseAndBounds
from simulator.memory.heap import Heap
from simulator.memory.heap_config import PRESETS
from simulator.memory.physical import PhysicalMemory
from simulator.memory.trajectory import run_burst
from workloads.vision.profile import load_profile, to_burst

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from simulator.burst import Burst

    Int64s = NDArray[np.int64]

LIVE = (0, 100, 1_000, 10_000, 100_000)
LIST_LIVE = (0, 100, 1_000, 10_000)
"""A list is walked along so slowly that more would take minutes."""
SECONDS = 0.4
SHOWN = ("first-fit", "best-fit", "segregated", "glibc")


class ListHeap:
    """First fit by a list of (address, size) in address order."""

    def __init__(self) -> None:
        self.holes: list[tuple[int, int]] = [(0, 1 << 48)]
        self.sizes: dict[int, int] = {}

    def malloc(self, size: int) -> int:
        """Walk along the list to the first hole that is large enough."""
        needed = (size + 31) & -16
        for at, (address, there) in enumerate(self.holes):
            if there >= needed:
                self.holes[at : at + 1] = [(address + needed, there - needed)] if there > needed else []
                self.sizes[address] = needed
                return address
        raise MemoryError

    def free(self, address: int) -> None:
        """Walk along the list to where the hole belongs, and merge it with its neighbours."""
        size = self.sizes.pop(address)
        at = 0
        while at < len(self.holes) and self.holes[at][0] < address:
            at += 1
        self.holes.insert(at, (address, size))
        for first in (at, at - 1):
            if 0 <= first < len(self.holes) - 1:
                (start, length), (following, more) = self.holes[first : first + 2]
                if start + length == following:
                    self.holes[first : first + 2] = [(start, length + more)]


def main() -> None:
    """Measure all heaps and the list, and draw the curves."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--profile", default="resnet50")
    parser.add_argument("--picture", type=Path)
    chosen = parser.parse_args()
    burst = to_burst(load_profile(chosen.profile))
    pairs = int((burst.event_bytes > 0).sum())
    run_burst(heap_with("first-fit", 0), burst, {})  # compiles, which is not to be counted
    print(f"{chosen.profile}: {pairs} mallocs and frees an inference; million pairs a second by live blocks")
    print(f"{'replay':14}" + "".join(f"{live:>10,}" for live in LIVE))
    curves = {name: [replay_rate(name, live, burst, pairs) for live in LIVE] for name in PRESETS}
    curves["list"] = [list_rate(live, burst, pairs) for live in LIST_LIVE]
    for name, rates in curves.items():
        print(f"{name:14}" + "".join(f"{rate / 1e6:10.3f}" for rate in rates))
    print(f"{'churn':14}" + "".join(f"{live:>10,}" for live in LIVE[1:]))
    for name in PRESETS:
        print(f"{name:14}" + "".join(f"{churn_rate(name, live) / 1e6:10.3f}" for live in LIVE[1:]))
    for at, live in enumerate(LIST_LIVE):
        ratio = curves["first-fit"][at] / curves["list"][at]
        print(f"first fit beside {live:,} live blocks: {ratio:,.0f} x the list")
    slower = curves["first-fit"][0] / curves["first-fit"][-1]
    print(f"first fit beside 100,000 live blocks takes {slower:.2f} times as long as beside none")
    if chosen.picture is not None:
        save(speed_figure(curves, chosen.profile), chosen.picture)


def heap_with(name: str, live: int) -> Heap:
    """Return a heap with so many live blocks and as many holes, run as machine code."""
    space = BaseAndBounds(PhysicalMemory(1 << 50), Layout(0, 1 << 49, 0), "benchmark")
    heap = Heap(space, PRESETS[name], engine="compiled")
    blocks, sizes, freed = scattered(live)
    addresses = np.zeros(2 * live, np.int64)
    heap.run(blocks, sizes, addresses)
    heap.run(freed, -sizes[freed], addresses)
    return heap


def scattered(live: int) -> tuple[Int64s, Int64s, Int64s]:
    """Return names and sizes of twice so many blocks, and the half of the names that is freed."""
    random = np.random.default_rng(1)
    return np.arange(2 * live), random.integers(16, 2000, 2 * live), random.permutation(2 * live)[:live]


def replay_rate(name: str, live: int, burst: Burst, pairs: int) -> float:
    """Return pairs a second of a profile's burst, carried out anew each time."""
    heap, blocks = heap_with(name, live), dict[int, int]()
    return pairs * rate_of(lambda: run_burst(heap, burst, blocks))


def list_rate(live: int, burst: Burst, pairs: int) -> float:
    """Return the same of the list."""
    heap, addresses = ListHeap(), dict[int, int]()
    names, sizes, freed = scattered(live)
    events = [*zip(names.tolist(), sizes.tolist(), strict=True), *((name, -1) for name in freed.tolist())]

    def carry_out(events: list[tuple[int, int]]) -> None:
        for name, size in events:
            if size > 0:
                addresses[name] = heap.malloc(size)
            else:
                heap.free(addresses.pop(name))

    carry_out(events)
    own = [
        (~name, size)
        for name, size in zip(burst.event_block.tolist(), burst.event_bytes.tolist(), strict=True)
    ]
    return pairs * rate_of(lambda: carry_out(own))


def churn_rate(name: str, live: int) -> float:
    """Return pairs a second of freeing a block at random and allocating another."""
    heap = heap_with(name, 0)
    random = np.random.default_rng(2)
    addresses = np.zeros(live, np.int64)
    heap.run(np.arange(live), random.integers(16, 2000, live), addresses)
    victims = random.integers(0, live, 10_000)
    names = np.repeat(victims, 2)
    sizes = np.where(np.arange(20_000) % 2 == 0, -1, random.integers(16, 2000, 20_000))
    return len(victims) * rate_of(lambda: heap.run(names, sizes, addresses))


def rate_of(action: Callable[[], object]) -> float:
    """Return how often a second an action is done, after a first time that is not counted."""
    action()
    count, begun = 0, time.perf_counter()
    while (spent := time.perf_counter() - begun) < SECONDS:
        action()
        count += 1
    return count / spent


@style.styled
def speed_figure(curves: dict[str, list[float]], profile: str) -> Figure:
    """Draw pairs a second by the number of live blocks, on logarithmic axes."""
    names, first = [*SHOWN, "list"], curves["first-fit"]
    page = style.page(
        3.4 + style.TITLE_IN + 0.15 + style.FOOT_IN,
        f"Beside 100,000 live blocks first fit makes {first[-1] / 1e6:.1f} million pairs a second, "
        f"alone {first[0] / 1e6:.1f} million",
        f"Replaying {profile} beside live blocks with holes between them; list: first fit that walks along a "
        "list, in Python.",
    )
    (ax,) = page.panels(1, 1, 3.4, right_in=style.room_in(names))
    ends = []
    for name, colour in zip(names, style.palette(len(names)), strict=True):
        live = [max(count, 10) for count in LIVE[: len(curves[name])]]
        ax.plot(live, curves[name], color=colour, marker="o", markersize=3)
        ends.append((name, live[-1], curves[name][-1], colour))
    ax.set(xscale="log", yscale="log")
    low, high = ax.get_ylim()
    beside = [np.log(rate) for name, _, rate, _ in ends if name != "list"]
    spread = style.spread(beside, 0.045 * np.log(high / low), np.log(low), np.log(high))
    spots = dict(zip([name for name, *_ in ends if name != "list"], np.exp(spread), strict=True))
    for name, x, y, colour in ends:
        ax.annotate(
            name,
            (x, spots.get(name, y)),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=style.darker(colour),
            annotation_clip=False,
        )
    ax.set_xticks([max(count, 10) for count in LIVE], [f"{count:,}" for count in LIVE])
    ax.minorticks_off()
    ax.set_ylabel("pairs of malloc and free a second")
    style.grid(ax)
    page.x_label("live blocks")
    return page.figure


if __name__ == "__main__":
    main()
