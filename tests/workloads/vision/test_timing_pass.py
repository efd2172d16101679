"""Taking the clock's own cost out of what it measured."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from workloads.vision.calls import require_same  # noqa: E402  # needs torch
from workloads.vision.overhead import LONG_NS, clock_cost, keep_calls, run_calls  # noqa: E402  # as above
from workloads.vision.profile_format import ProfileError  # noqa: E402  # sorted with the imports above
from workloads.vision.timing import Clock, measure, take_out  # noqa: E402  # as above


def test_the_cost_comes_out_of_the_python_time_first() -> None:
    """What the Python time before an operation cannot cover was measured inside the operation."""
    segments = np.array([[50, 100, 5, 100, 5]])
    np.testing.assert_array_equal(take_out(segments, np.array([20, 25])), [[30, 100, 0, 80, 5]])


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 500)), min_size=1),
    st.integers(0, 1000),
)
def test_no_time_is_invented(operations: list[tuple[int, int, int]], last: int) -> None:
    """Corrected times are never negative, and their sum falls by the cost or to nothing."""
    segments = np.array([[*(time for python, op, _ in operations for time in (python, op)), last]])
    costs = np.array([cost for *_, cost in operations])
    corrected = take_out(segments, costs)
    assert (corrected >= 0).all()
    expected = sum(max(python + op - cost, 0) for python, op, cost in operations) + last
    assert corrected.sum() == expected


def test_the_cost_is_the_difference_of_medians() -> None:
    """One disturbed run does not move it."""
    bare = np.array([[1000, 2000], [1000, 2000], [1000, 90000]])
    np.testing.assert_array_equal(clock_cost(bare, bare + np.array([500, 700])), [500, 700])


def test_long_and_unrepeatable_operations_take_the_others_cost() -> None:
    """A long operation's own variation would drown the cost; one that was not repeated has none."""
    bare = np.array([[1000, 2000, 3000, LONG_NS, 0]])
    covered = bare + np.array([500, 600, 700, 90_000, 0])
    np.testing.assert_array_equal(clock_cost(bare, covered), [500, 600, 700, 600, 600])


def test_only_long_operations_take_their_own_median() -> None:
    """Without a short operation, the long ones are all there is to go by."""
    bare = np.array([[LONG_NS, 2 * LONG_NS, 3 * LONG_NS]])
    np.testing.assert_array_equal(clock_cost(bare, bare + np.array([100, 300, 800])), [300, 300, 300])


def test_the_clock_sees_every_operation_and_leaves_results_alone() -> None:
    """Two stamps per operation, rising; what the operation returns is untouched."""
    with torch.inference_mode(), Clock() as clock:
        total = torch.ones(3).add_(1).sum()
    assert [str(operation) for operation in clock.operations] == [
        "aten.ones.default",
        "aten.add_.Tensor",
        "aten.sum.default",
    ]
    assert len(clock.stamps) == 6
    assert clock.stamps == sorted(clock.stamps)
    assert total.item() == 6


def test_calls_are_kept_as_the_model_made_them() -> None:
    """Each kept call repeats one operation through the function a model would use; all can be run again."""
    x = torch.rand(1, 3, 8, 8)

    def inference() -> None:
        torch.nn.functional.hardswish(torch.relu(x).add_(1))

    with torch.inference_mode():
        calls = keep_calls(inference)
        assert [call and call[0] for call in calls] == [torch.relu, torch.Tensor.add_, torch._C._nn.hardswish]
        assert all(run_calls(calls))


def test_an_operation_that_cannot_be_repeated_is_left_out() -> None:
    """The product fails on the transposed matrix, so it has no time of its own; the rest goes on."""
    matrix, vector = torch.ones(2, 3), torch.ones(3)

    def inference() -> None:
        torch.mv(matrix, vector)
        matrix.t_()

    with torch.inference_mode():
        calls = keep_calls(inference)
        assert calls[0] is None
        skipped, transposed = run_calls(calls)
    assert skipped == 0
    assert transposed > 0


def test_measured_runs_have_one_row_each() -> None:
    """Segments alternate between Python and operations, beginning and ending with Python."""
    x = torch.rand(4, 4)
    done: list[int] = []

    def inference() -> None:
        torch.relu(x).add_(1)

    with torch.inference_mode():
        timing = measure(inference, 3, done.append)
    assert timing.names == ["aten::relu", "aten::add_"]
    assert timing.segments_ns.shape == (3, 5)
    assert timing.plain_ns.shape == (3,)
    assert (timing.plain_ns > 0).all()
    assert done == [1, 2, 3, 4, 5, 6]


def test_the_garbage_collector_is_as_it_was() -> None:
    """Measuring keeps the collector off and puts it back."""
    during: list[bool] = []
    with torch.inference_mode():
        measure(lambda: during.append(gc.isenabled()), 2, lambda _: None)
    assert not any(during)
    assert gc.isenabled()


def test_a_difference_is_reported_with_its_place() -> None:
    """The message names the first operation that differs, also where one run is longer."""
    with pytest.raises(ProfileError, match=r"at operation 1 it ran aten::b first and aten::c in run 2"):
        require_same(["aten::a", "aten::b"], ["aten::a", "aten::c"], "run 2")
    with pytest.raises(ProfileError, match=r"at operation 1 it ran the end first and aten::b in run 2"):
        require_same(["aten::a"], ["aten::a", "aten::b"], "run 2")
    require_same(["aten::a"], ["aten::a"], "run 2")
