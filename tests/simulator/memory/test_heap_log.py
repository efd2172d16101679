"""A heap on record: each block once, from malloc to free, as far as there is room for the record."""

from __future__ import annotations

import numpy as np
from heaps import Region

from simulator.burst import Burst
from simulator.memory.heap import Heap
from simulator.memory.heap_config import FIRST_FIT, GLIBC
from simulator.memory.heap_log import NOT_YET, HeapLog, Piece
from simulator.memory.trajectory import TrajectoryCache, run_burst

KIB = 1024


def burst_of(*events):
    """A burst with an operation of 10 ns for each event (name, bytes)."""
    count = len(events)
    names, sizes = zip(*events, strict=True)
    return Burst(
        np.full(count, 10),
        ["op"] * count,
        np.arange(count),
        np.zeros(count, bool),
        np.array(names),
        np.array(sizes),
        np.zeros(count, bool),
    )


def test_calls_and_bursts_are_recorded_at_the_cpu_time_of_each_event():
    """The extent first, then what is in it."""
    log = HeapLog(100)
    heap = Heap(Region(4096, 1 << 20), FIRST_FIT, log=log)
    first = heap.malloc(100)
    log.now_ns = 500
    run_burst(heap, burst_of((1, 1000), (2, 2000), (1, -1000)), {})
    log.now_ns = 900
    heap.free(first)
    assert log.pieces == [
        Piece("extent", 4096, 128 * KIB, 0, 0, NOT_YET),
        Piece("block", 4112, 128, 100, 0, 900),
        Piece("block", 4240, 1024, 1000, 500, 520),
        Piece("block", 5264, 2016, 2000, 510, NOT_YET),
    ]


def test_mappings_and_a_moving_break_are_told_apart():
    """A block far from the heap has a mapping; the extent changes as the heap grows and is trimmed."""
    log = HeapLog(100)
    heap = Heap(Region(4096, 8192 * KIB, 300 * KIB), GLIBC, log=log)
    blocks = [heap.malloc(size) for size in (200 * KIB, 300 * KIB)]
    heap.free(blocks[1])
    assert [piece.kind for piece in log.pieces] == ["extent", "mapping", "extent", "block", "extent"]
    assert log.pieces[2].size_bytes > log.pieces[4].size_bytes > log.pieces[0].size_bytes == 0


def test_a_resized_block_is_recorded_anew():
    """In place or not, its size is another."""
    log = HeapLog(100)
    heap = Heap(Region(4096, 1 << 20), FIRST_FIT, log=log)
    address = heap.malloc(100)
    log.now_ns = 7
    heap.realloc(address, 1000)
    _, before, after = log.pieces
    assert (before.asked_bytes, before.to_ns) == (100, 7)
    assert (after.asked_bytes, after.address, after.from_ns) == (1000, address, 7)


def test_recording_ends_when_it_is_full_and_then_runs_are_looked_up_again():
    """While it goes on every run is carried out, to be seen."""
    log, cache = HeapLog(6), TrajectoryCache()
    heap = Heap(Region(4096, 1 << 20), FIRST_FIT, log=log)
    burst = burst_of((1, 1000), (1, -1000))
    runs = [cache.run(heap, burst, {}) for _ in range(10)]
    assert not log.is_open
    assert len(log.pieces) == 6
    assert all(piece.to_ns != NOT_YET for piece in log.pieces[1:5])
    assert runs[1] is not runs[2]
    assert runs[-1] is runs[-2]
    assert heap.mallocs == 10
