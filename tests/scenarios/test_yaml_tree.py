"""Reading YAML: what is no scenario file at all, and what YAML alone would let pass."""

import pytest

from scenarios.loader import parse_scenario
from scenarios.problems import ScenarioError

BOX = """\
name: box
duration: 60s
scheduler: stride
jobs:
  gate: {workload: vision, profile: resnet18, arrivals: {camera: {fps: 10, queue: 2}}}
  batch: {workload: cpu-bound}
"""


def failure(text: str) -> ScenarioError:
    """Return the error of a text that must not load."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "box.yaml")
    return caught.value


def test_a_job_named_twice_is_refused_with_both_lines() -> None:
    """YAML's last-one-wins would silently drop a job."""
    error = failure(BOX.replace("batch:", "gate:"))
    assert "box.yaml:6:3: gate stands here a second time; the first is on line 5" in str(error)


def test_duplicate_keys_are_shown_with_the_other_mistakes() -> None:
    """They do not hide what else is wrong."""
    error = failure(BOX.replace("duration: 60s", "duration: 60\nduration: 60s"))
    assert [problem.line for problem in error.problems] == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "box.yaml: empty; a scenario needs at least name, duration, scheduler and jobs"),
        ("# nothing\n", "box.yaml: empty;"),
        ("- a\n- b\n", "box.yaml: a list where keys such as name, duration and jobs belong"),
        ("60s", "box.yaml: 60s where keys such as"),
        ("name: x\n\tduration: 60s\n", "box.yaml:2:1: not valid YAML:"),
        ("jobs:\n\tgate: 1\n", "indent with spaces, not with tabs"),
        (
            "a: b: c\n",
            "box.yaml:1:5: not valid YAML: mapping values are not allowed here; put text with a colon",
        ),
        ("name: x\njobs: [a\n", "box.yaml:2:7: not valid YAML"),
        ("name: @x\n", "put the text in quotes"),
        ("name: *x\n", "box.yaml:1:7: not valid YAML: found undefined alias 'x'; define it before with &"),
        ("a: 1\n---\nb: 2\n", "a file holds one scenario; remove the line ---"),
        (
            "a: !!python/object:os.system x\n",
            "box.yaml:1:4: YAML tags such as tag:yaml.org,2002:python/object:os.",
        ),
        ("a: !mine {}\n", "box.yaml:1:4: YAML tags such as !mine are not used here"),
        ("a: &a {b: *a}\n", "box.yaml:1:4: an alias (*) stands inside what it refers to"),
        ("? [a, b]\n: 1\n", "box.yaml:1:3: a key is text, not a list or mapping"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "box.yaml:3:3: << is not used here"),
        ("a: '\x01'\n", "box.yaml: not a text file in YAML: unacceptable character #x0001"),
        ("a: " + "9" * 5000 + "\n", "a number too long to be read"),
        ("[" * 5000, "box.yaml: lists and mappings too deep in each other"),
        ("a: 1\n" * 300_000, "box.yaml: too large; a scenario has at most 1048576 characters"),
    ],
)
def test_what_is_no_scenario_file_is_one_clear_error(text: str, message: str) -> None:
    """Syntax, tags, self-reference, odd content: each is said plainly, with its line where it has one."""
    assert message in str(failure(text))


def test_aliases_cannot_unfold_without_bound() -> None:
    """A billion laughs are refused before they are told."""
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)]
    error = failure("a0: &a0 [1]\n" + "".join(levels))
    assert str(error) == "box.yaml: more than 50000 values once its aliases are filled in"


def test_aliases_repeat_a_value() -> None:
    """Anchors are a plain way to say the same twice."""
    text = BOX.replace("arrivals: {", "arrivals: &cam {").replace(
        "{workload: cpu-bound}", "{workload: vision, profile: resnet18, arrivals: *cam}"
    )
    jobs = parse_scenario(text).jobs
    assert jobs["batch"].arrivals == jobs["gate"].arrivals
