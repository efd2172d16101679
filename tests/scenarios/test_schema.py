"""The scenario's models: defaults, how the parts must fit together, and the two ways back out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scenarios.arrivals import KINDS, Camera, ClosedLoop, Poisson
from scenarios.jobs import CpuBoundJob, InteractiveJob, PluginJob, VisionJob
from scenarios.library_index import library_names, library_text
from scenarios.loader import load_scenario, parse_scenario
from scenarios.memory import TRANSLATIONS
from scenarios.problems import ScenarioError
from scenarios.schema import Scenario, json_schema
from scenarios.yaml_tree import read_tree

BOX = """\
name: box
duration: 60s
scheduler: stride
machine: {cpus: 1, memory: {size: 4GiB}}
jobs:
  gate:
    workload: vision
    profile: resnet18
    tickets: 300
    arrivals: {camera: {fps: 10, queue: 2}}
    deadline: 100ms
  batch: {workload: cpu-bound}
changes:
  - {at: 30s, job: batch, tickets: 400}
thresholds:
  - gate.latency.p99 < 100ms
"""

_ns = st.integers(1, 10**12)
_duration = _ns.map(lambda n: f"{n}ns")
_size = st.integers(1, 2**24).map(lambda n: f"{n}B")
_tickets = st.integers(1, 1000)
_open = {"queue": st.integers(1, 9), "when_full": st.sampled_from(["drop-oldest", "drop-newest"])}
_camera = st.fixed_dictionaries(
    {"fps": st.floats(0.01, 1000)}, optional=_open | {"jitter": _duration, "phase": _duration}
)
_poisson = st.fixed_dictionaries({"rate": st.floats(0.01, 1000)}, optional=_open)
_bursts = st.fixed_dictionaries(
    {"every": st.just("2h"), "count": st.integers(1, 20)},
    optional=_open | {"spacing": st.just("1s"), "jitter": _duration, "phase": _duration},
)
_arrivals = st.one_of(
    st.just("closed-loop"),
    st.fixed_dictionaries({"closed-loop": st.fixed_dictionaries({}, optional={"think": _duration})}),
    st.fixed_dictionaries({"camera": _camera}),
    st.fixed_dictionaries({"poisson": _poisson}),
    st.fixed_dictionaries({"bursts": _bursts}),
    st.sampled_from(["single-stream", "multi-stream", {"multi-stream": {"samples": 3}}]),
    st.sampled_from(["offline", {"offline": {"samples": 300}}, {"closed-loop": {}}]),
)
_heap = st.one_of(
    st.sampled_from(["first-fit", "glibc", "buddy"]),
    st.fixed_dictionaries(
        {},
        optional={
            "placement": st.sampled_from(["first", "best"]),
            "order": st.sampled_from(["lifo", "size"]),
            "coalescing": st.sampled_from(["deferred", "never"]),
            "alignment": st.sampled_from([16, 64]),
            "trim_threshold": st.one_of(st.just("never"), _size),
        },
    ),
)
_memory = st.fixed_dictionaries(
    {}, optional={"limit": _size, "code": _size, "stack": _size, "heap": _heap, "record": st.just("heap")}
)
_common: dict[str, st.SearchStrategy[Any]] = {"tickets": _tickets, "memory": _memory}
_jobs = st.one_of(
    st.fixed_dictionaries(
        {"workload": st.just("vision"), "profile": st.just("resnet18")},
        optional=_common | {"arrivals": _arrivals, "deadline": _duration, "requests": st.integers(1, 9)},
    ),
    st.fixed_dictionaries({"workload": st.just("cpu-bound")}, optional=_common | {"work": _duration}),
    st.fixed_dictionaries(
        {"workload": st.just("interactive"), "compute": _duration, "sleep": _duration}, optional=_common
    ),
    st.fixed_dictionaries(
        {
            "workload": st.just("workloads.synthetic:cpu_bound"),
            "options": st.just({"depth": [1, {"a": None}]}),
        },
        optional=_common | {"arrivals": _arrivals},
    ),
)
_translation = st.one_of(
    st.sampled_from(["none", "static-relocation", "base-and-bounds", "segmentation", "paging"]),
    st.just({"base-and-bounds": {"compaction": True}}),
    st.fixed_dictionaries(
        {
            "paging": st.fixed_dictionaries(
                {"page_size": st.sampled_from(["4KiB", "16KiB", "2MiB"])},
                optional={
                    "levels": st.integers(2, 4),
                    "tlb": st.fixed_dictionaries(
                        {"entries": st.sampled_from([0, 16, 64])},
                        optional={"policy": st.sampled_from(["fifo", "random"]), "asids": st.booleans()},
                    ),
                },
            )
        }
    ),
)
# Not every character can stand in YAML; these can, and are text enough.
_text = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=20)
contents = st.fixed_dictionaries(
    {
        "name": st.just("invented"),
        "duration": st.just("2h"),
        "scheduler": st.sampled_from(
            [
                "stride",
                {"policy": "lottery"},
                {"policy": "simulator.schedulers.stride:Stride", "initial_pass": "zero"},
            ]
        ),
        "jobs": st.dictionaries(
            st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,8}", fullmatch=True), _jobs, min_size=1
        ),
    },
    optional={
        "seed": st.integers(0, 2**62),
        "window": st.just("1s"),
        "description": _text,
        "machine": st.fixed_dictionaries({"memory": st.fixed_dictionaries({"translation": _translation})}),
    },
)


def failure(text: str) -> str:
    """Return the text of the error of a scenario that must not load."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "box.yaml")
    return str(caught.value)


def test_what_a_file_leaves_out_has_defaults() -> None:
    """The smallest scenario is a name, a duration, a scheduler and a job."""
    scenario = parse_scenario("name: x\nduration: 1s\nscheduler: stride\njobs: {a: {workload: cpu-bound}}\n")
    machine, job = scenario.machine, scenario.jobs["a"]
    assert (machine.cpus, machine.quantum_ns, machine.context_switch_ns) == (1, 10_000_000, 0)
    assert (machine.memory.size_bytes, machine.memory.kind) == (4 * 2**30, "base-and-bounds")
    assert (job.tickets, job.start_ns, job.memory.limit_bytes) == (100, 0, None)
    assert isinstance(job, CpuBoundJob)
    assert job.work_ns is None
    assert (scenario.seed, scenario.changes, scenario.thresholds) == (0, (), ())
    assert scenario.table_window_ns == 10_000_000


def test_each_workload_has_its_own_options() -> None:
    """A job becomes the model of its workload, with quantities in base units."""
    scenario = parse_scenario(
        BOX.replace(
            "  batch:", "  desk: {workload: interactive, compute: 5ms, sleep: 20ms}\n  batch:"
        ).replace("{workload: cpu-bound}", "{workload: 'workloads.synthetic:cpu_bound', options: {depth: 3}}")
    )
    gate, desk, batch = scenario.jobs.values()
    assert isinstance(gate, VisionJob)
    assert gate.arrivals == Camera(fps=10, queue=2)
    assert gate.deadline_ns == 100_000_000
    assert isinstance(desk, InteractiveJob)
    assert (desk.compute_ns, desk.sleep_ns) == (5_000_000, 20_000_000)
    assert isinstance(batch, PluginJob)
    assert batch.options == {"depth": 3}


def test_a_scheduler_is_a_name_or_a_mapping_with_options() -> None:
    """Options are handed on as they stand; the policy itself checks them."""
    assert parse_scenario(BOX).scheduler.options == {}
    scheduler = parse_scenario(
        BOX.replace("stride", "{policy: 'simulator.schedulers.stride:Stride', initial_pass: zero}", 1)
    ).scheduler
    assert (scheduler.policy, scheduler.options) == (
        "simulator.schedulers.stride:Stride",
        {"initial_pass": "zero"},
    )


@pytest.mark.parametrize(
    ("arrivals", "capacity"),
    [
        (Camera(fps=10), 1),
        (Camera(fps=10, queue=5), 5),
        (Camera(fps=10, when_full="wait"), None),
        (Poisson(rate=3, when_full="drop-newest"), 1),
    ],
)
def test_a_queue_has_room_for_one_unless_said_otherwise(
    arrivals: Camera | Poisson, capacity: int | None
) -> None:
    """Only `when_full: wait` has no bound."""
    assert arrivals.capacity == capacity


def test_without_arrivals_a_vision_job_is_a_closed_loop() -> None:
    """It serves one request after the other as fast as it can."""
    scenario = parse_scenario(BOX.replace("    arrivals: {camera: {fps: 10, queue: 2}}\n", ""))
    assert scenario.jobs["gate"] == VisionJob(
        workload="vision", profile="resnet18", tickets=300, arrivals=ClosedLoop(), deadline="100ms"
    )


def test_a_scenario_cannot_be_changed() -> None:
    """What was checked stays as it was checked."""
    scenario = parse_scenario(BOX)
    with pytest.raises(ValidationError, match="frozen"):
        scenario.seed = 3
    with pytest.raises(ValidationError, match="frozen"):
        scenario.jobs["gate"].tickets = 3


def test_missed_deadlines_need_a_deadline() -> None:
    """A threshold on missed deadlines is refused where nothing can be missed."""
    text = BOX.replace("    deadline: 100ms\n", "").replace("latency.p99 < 100ms", "missed_deadlines == 0")
    assert "gate has no deadline to miss; give it `deadline`" in failure(text)


def test_somebody_needs_tickets() -> None:
    """A scenario in which nobody is entitled to anything is refused."""
    text = BOX.replace("tickets: 300", "tickets: 0").replace("cpu-bound}", "cpu-bound, tickets: 0}")
    assert "box.yaml:5:1: jobs: all jobs have 0 tickets; give one of them some" in failure(text)


def test_jobs_must_not_be_empty() -> None:
    """There is nothing to simulate without a job."""
    error = failure("name: x\nduration: 1s\nscheduler: stride\njobs: {}\n")
    assert "box.yaml:4:7: jobs: empty; give at least one" in error


def test_a_job_name_begins_with_a_letter() -> None:
    """Names are keys of tables and parts of thresholds, so they are kept plain."""
    error = failure(BOX.replace("batch", "1st"))
    assert "box.yaml:12:3: jobs.1st: 1st is not a job's name; use letters, digits, - and _, a letter" in error


@given(contents)
def test_the_file_form_reads_back_as_the_same_scenario(content: dict[str, Any]) -> None:
    """Dumped with the file's keys, a scenario is a scenario file again, also through JSON."""
    scenario = Scenario.model_validate(content)
    written = json.dumps(scenario.model_dump(by_alias=True), ensure_ascii=False)
    assert parse_scenario(written) == scenario


@given(contents)
def test_the_resolved_form_is_plain_numbers_in_base_units(content: dict[str, Any]) -> None:
    """The manifest takes it as JSON, with the unit in each key."""
    resolved = json.loads(json.dumps(Scenario.model_validate(content).model_dump()))
    assert resolved["duration_ns"] == 7_200_000_000_000
    assert all(isinstance(job["start_ns"], int) for job in resolved["jobs"].values())


def test_thresholds_are_text_in_the_file_form_and_parsed_in_the_resolved_form() -> None:
    """The manifest holds what a threshold means, the file what was written."""
    scenario = parse_scenario(BOX)
    assert scenario.model_dump(by_alias=True)["thresholds"] == ("gate.latency.p99 < 100ms",)
    assert scenario.model_dump()["thresholds"] == (
        {
            "text": "gate.latency.p99 < 100ms",
            "metric": "latency",
            "job": "gate",
            "statistic": "p99",
            "op": "<",
            "value": 0.1,
            "tolerance": None,
        },
    )


@given(st.text(alphabet="abjos: \n-[]{}&*!<'\"#|>1.", max_size=60))
def test_any_text_is_a_scenario_or_a_scenario_error(text: str) -> None:
    """Whatever stands in a file, a person gets the one kind of error made for them."""
    with pytest.raises(ScenarioError):
        parse_scenario(text)


@given(
    st.sampled_from(["60s", "4GiB", "300", "vision", "stride", "{fps: 10, queue: 2}", "100ms", "batch"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-5, 5)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(["60s", "1GiB", "gate", ""]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["at", "job"]), inner),
        max_leaves=4,
    ),
)
def test_any_value_in_any_place_is_taken_or_explained(old: str, value: object) -> None:
    """No value escapes as another kind of error, and every problem has its line."""
    try:
        scenario = parse_scenario(BOX.replace(old, json.dumps(value), 1))
    except ScenarioError as error:
        problems = error.problems
    else:
        assert isinstance(scenario, Scenario)
        return
    assert all(problem.line and problem.message for problem in problems)


def _described(schema: object, path: str = "$") -> list[str]:
    """Return the paths of all properties without a description."""
    if isinstance(schema, list):
        return [gap for item in schema for gap in _described(item, path)]
    if not isinstance(schema, dict):
        return []
    gaps = [
        f"{path}.{key}"
        for key, part in schema.get("properties", {}).items()
        if "description" not in part and key not in (*KINDS, *TRANSLATIONS)
    ]
    return gaps + [gap for key, part in schema.items() for gap in _described(part, f"{path}.{key}")]


def test_every_key_is_described_for_editors() -> None:
    """The JSON Schema is what an editor shows beside a key."""
    assert _described(json_schema()) == []


def test_the_json_schema_writes_defaults_as_a_file_does() -> None:
    """A default quantity has its unit, so that an editor can insert it."""
    machine = json_schema()["$defs"]["Machine"]["properties"]
    assert machine["quantum"]["default"] == "10ms"
    assert machine["cpus"]["default"] == 1


def test_the_json_schema_accepts_good_files_and_refuses_bad_ones() -> None:
    """Editors agree with the loader on the library and on everyday mistakes."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in library_names():
        assert list(validator.iter_errors(read_tree(library_text(name), name).value)) == []
        assert validator.is_valid(json.loads(json.dumps(load_scenario(name).model_dump(by_alias=True))))
    for old, new in [("60s", "60"), ("tickets: 300", "tickts: 300"), ("cpus: 1", "cpus: 0"), ("fps", "fsp")]:
        assert not validator.is_valid(read_tree(BOX.replace(old, new), "box.yaml").value), new
