"""A recorded model as a program: what was recorded is what happens."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simulator.hardware import Hardware
from simulator.machine import Machine
from simulator.memory.address_space import Layout
from simulator.plugins import PluginError
from simulator.schedulers.registry import make_scheduler
from simulator.sources import Source
from workloads.base import Context, make_workload
from workloads.vision.profile import load_profile
from workloads.vision.replay import heap_need_bytes, input_bytes, vision

MODEL = "mobilenet_v3_small"
SECOND = 10**9


def replay(heap_bytes=None, requests=3):
    """Serve some requests with the model, alone on a machine; return the machine, the process, the source."""
    machine = Machine(make_scheduler("stride", {}), Hardware(), memory_bytes=1 << 32)
    source = Source.closed_loop(machine.dispatcher)
    workload = vision(Context("job", source, machine.streams.named("job")), MODEL, requests=requests)
    layout = Layout(4096, workload.heap_bytes if heap_bytes is None else heap_bytes, 4096)
    process = machine.spawn("job", workload.program, tickets=1, layout=layout)
    machine.run(60 * SECOND, window_ns=SECOND)
    return machine, process, source


def test_alone_an_inference_takes_what_was_recorded():
    """Latency alone on the machine is the sum of the recorded operations, to the nanosecond."""
    _, process, source = replay()
    recorded = sum(load_profile(MODEL).ops.cpu_ns)
    assert [request.finished_ns - request.arrived_ns for request in source.requests] == [recorded] * 3
    assert process.ended.reason == "exited"


def test_the_heap_peaks_where_the_recording_did():
    """Weights, buffers, input, and the highest level of the recorded mallocs and frees."""
    profile = load_profile(MODEL)
    live = peak = 0
    for size in profile.memory.bytes:
        live += size
        peak = max(peak, live)
    _, process, _ = replay()
    beside = profile.weights_bytes + profile.buffers_bytes + input_bytes(profile)
    assert process.peak_heap_bytes == peak + beside
    assert process.mallocs == process.frees + 1 + (profile.buffers_bytes > 0)


def test_the_heap_it_asks_for_is_exactly_enough():
    """With the room that the workload needs it runs; with less it is killed, and the operation is named."""
    need = heap_need_bytes(MODEL)
    _, fits, _ = replay(need)
    assert fits.ended.reason == "exited"
    _, too_tight, source = replay(need - (1 << 20))
    assert too_tight.ended.reason.startswith("killed: out of memory: malloc of ")
    assert " by aten::" in too_tight.ended.reason
    assert source.requests[0].finished_ns == -1


def test_a_job_without_arrivals_or_with_two_sources_is_refused():
    """A vision job serves requests, with exactly one model."""
    machine = Machine(make_scheduler("stride", {}), Hardware(), memory_bytes=1 << 32)
    nobody = Context("job", None, machine.streams.named("job"))
    with pytest.raises(PluginError, match="needs arrivals"):
        make_workload("vision", nobody, {"profile": MODEL})
    source = Context("job", Source.closed_loop(machine.dispatcher), machine.streams.named("job"))
    with pytest.raises(PluginError, match="a profile or a model"):
        make_workload("vision", source, {"profile": MODEL, "model": "a:b"})
    with pytest.raises(PluginError, match="does not accept its options"):
        make_workload("vision", source, {"profil": MODEL})
    with pytest.raises(PluginError, match=r"must return a workloads\.base\.Workload"):
        make_workload("builtins:id", source, {})


def test_replaying_needs_no_torch():
    """A run of recorded models imports neither torch nor, this short, numba."""
    code = (
        "import sys, timeshare; timeshare.simulate('camera-box');"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'numba', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
