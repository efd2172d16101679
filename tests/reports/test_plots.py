"""What the plots show, and that they are the same each time."""

from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb

from reports.plots import style
from reports.plots.comparison import comparison
from reports.plots.cpu import cpu_share
from reports.plots.draw import draw_all
from reports.plots.gantt import gantt
from reports.plots.latency import latency
from reports.plots.memory import memory
from reports.plots.waits import runqueue_latency

SHAPES = {
    "one job without requests": {"jobs": 1, "requests": 0},
    "a single window": {"jobs": 2, "windows": 1, "requests": 3},
    "an hour in a thousand windows": {"windows": 1000, "duration_s": 3600.0, "refused": True},
    "twelve jobs on four CPUs": {"jobs": 12, "cpus": 4, "refused": True},
}


def words(figure):
    """All text of a figure, axis labels and panel titles included."""
    found = [text.get_text() for text in figure.texts]
    for ax in figure.axes:
        found += [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(), ax.get_title(loc="left")]
        found += [text.get_text() for text in ax.texts]
        found += [label.get_text() for label in ax.get_yticklabels()]
    return "\n".join(found)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_run_of_any_shape_draws(tmp_path, invent, open_result, shape):
    """Every plot is drawn, none is empty, and no label leaves its figure."""
    result = open_result(invent(**shape))
    paths = draw_all(result, tmp_path / "plots")
    assert [path.stem for path in paths] == ["cpu_share", "memory", "latency", "gantt", "runqueue_latency"]
    assert all(path.stat().st_size > 1000 for path in paths)
    for draw in (cpu_share, memory, latency, gantt, runqueue_latency):
        figure = draw(result)
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in (text for ax in figure.axes for text in ax.texts):
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1 + 1, text.get_text()
            assert box.y1 <= figure.bbox.y1 + 1, text.get_text()


def test_the_same_result_gives_the_same_bytes(tmp_path, three_jobs, open_result):
    """PNG and SVG carry no date and no random names."""
    first = draw_all(open_result(three_jobs), tmp_path / "a", svg=True)
    second = draw_all(open_result(three_jobs), tmp_path / "b", svg=True)
    assert len(first) == 10
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_axes_name_their_units(three_jobs, open_result):
    """Time in seconds, shares in per cent, memory in GiB, latency in milliseconds."""
    result = open_result(three_jobs)
    assert "time (s)" in words(cpu_share(result))
    assert "share of the CPU (%)" in words(cpu_share(result))
    assert "memory held (GiB)" in words(memory(result))
    assert "latency (ms)" in words(latency(result))
    assert "time (ms)" in words(gantt(result))


def test_an_hour_is_drawn_in_minutes(invent, open_result):
    """The unit of time suits the run."""
    assert "time (min)" in words(cpu_share(open_result(invent(duration_s=3600.0))))


def test_the_share_is_drawn_against_the_entitlement(three_jobs, open_result):
    """Gate's panel has its share as a line and its entitlement as a dashed one, in per cent."""
    panel = cpu_share(open_result(three_jobs)).axes[0]
    received, entitled = panel.get_lines()
    assert list(received.get_ydata()) == pytest.approx([68, 68, 72, 72])
    assert list(entitled.get_ydata()) == pytest.approx([74, 74, 73, 73])
    assert entitled.is_dashed()


def test_titles_state_the_finding(three_jobs, open_result):
    """Each title says in words what the numbers are."""
    result = open_result(three_jobs)
    assert cpu_share(result).texts[0].get_text().startswith("gate got 71.4 % of the CPU time against 75.0 %")
    assert memory(result).texts[0].get_text() == "At most 800 MiB of 1 GiB were held; night was refused"
    assert latency(result).texts[0].get_text().startswith("gate missed 2 of 6 deadlines (33.3 %)")
    assert gantt(result).texts[0].get_text() == (
        "In the first 219 ms the CPU switched 19 times between 2 processes"
    )


def test_the_box_and_the_refusal_are_marked(three_jobs, open_result):
    """The machine's panel has the line of the box's size and a mark at night's refusal at 4 s."""
    machine = memory(open_result(three_jobs)).axes[0]
    assert "size of the box, 1 GiB" in words(machine.figure)
    assert "night refused" in words(machine.figure)
    marks = [line for line in machine.get_lines() if line.get_marker() == "X"]
    assert [list(mark.get_xdata()) for mark in marks] == [[4.0]]


def test_many_failures_share_a_label(three_jobs, open_result):
    """Kills at about the same time are told together, not on top of each other."""
    manifest, tables = three_jobs
    processes = tables["processes"]
    processes["exit_reason"] = "killed: out of memory"
    processes["exited_s"] = [4.0, 4.1, 4.2]
    assert "gate, batch and 1 more killed" in words(memory(open_result((manifest, tables))))


def test_a_few_requests_have_a_maximum_and_no_p99(three_jobs, open_result):
    """Where one is to be beyond the p99, the largest of four requests is called the maximum."""
    manifest, tables = three_jobs
    manifest["jobs"][0]["percentile_rule"] = "soft"
    text = words(latency(open_result((manifest, tables))))
    assert "max 150 ms" in text
    assert "p50 60 ms" in text
    assert "p99" not in text
    assert "deadline 100 ms" in text
    assert "4 finished, 2 late, 1 dropped, 2 unfinished" in text


def test_many_requests_have_a_p99(invent, open_result):
    """With a hundred requests and more the p99 is marked."""
    assert "p99" in words(latency(open_result(invent(requests=300))))


def test_no_requests_are_said_in_words(invent, open_result):
    """A run without requests has a title and no empty axes."""
    figure = latency(open_result(invent(requests=0)))
    assert figure.axes == []
    assert "No job served requests" in words(figure)


def test_one_cpu_has_a_lane_per_process_and_several_a_lane_each(invent, open_result):
    """The Gantt chart's lanes."""
    assert "gate\nyard\nnight\nswitches" in words(gantt(open_result(invent(cpus=1))))
    several = words(gantt(open_result(invent(cpus=2))))
    assert "CPU 0\nCPU 1\nswitches" in several
    assert "yard" in several


def test_the_chart_starts_where_there_is_something_to_share(three_jobs, open_result):
    """If one process is alone for long, the chart starts shortly before the second runs."""
    manifest, tables = three_jobs
    slices = tables["slices"].iloc[[0] * 100].reset_index(drop=True)
    slices["start_ns"] = range(0, 1_000_000_000, 10_000_000)
    slices["end_ns"] = slices["start_ns"] + 10_000_000
    slices.loc[80:, ["pid", "job"]] = [2, "batch"]
    tables["slices"] = slices
    assert "In 250 ms from 750 ms on the CPU switched once" in words(gantt(open_result((manifest, tables))))


def test_a_job_keeps_its_colour(three_jobs, open_result):
    """Batch is the second colour in every plot, whichever jobs are shown."""
    result = open_result(three_jobs)
    orange = style.colours(result)["batch"]
    assert cpu_share(result).axes[1].get_lines()[0].get_color() == orange
    assert to_rgb(gantt(result).axes[0].collections[1].get_facecolor()[0][:3]) == pytest.approx(orange)


def test_colours_differ_for_a_dozen_jobs():
    """No two of fourteen jobs look the same."""
    assert len(set(style.palette(14))) == 14


def test_a_comparison_has_a_panel_per_metric(tmp_path, compare, open_result):
    """Fairness metrics with intervals, and p99 latency with a lane per job."""
    result = open_result(compare())
    text = words(comparison(result))
    for title in ("share error", "worst lag", "Jain's index", "response", "context switches", "p99 latency"):
        assert title in text
    assert "lottery\nstride\neevdf" in text
    assert "eevdf kept closest to the entitled shares (off by 0.371 points), lottery least (1.04)" in text
    assert [path.name for path in draw_all(result, tmp_path)] == ["comparison.png"]


def test_a_comparison_without_real_difference_says_so(compare, open_result):
    """Noise is not called a finding."""
    manifest, tables = compare(("a", "b"), 2)
    rows = tables["replications"]
    rows.loc[rows["metric"] == "share_error_mean", "value"] = [0.01, 0.03, 0.03, 0.015]
    assert "No real difference" in words(comparison(open_result((manifest, tables))))


def test_labels_are_spread_apart():
    """Labels that would overlap are moved apart and stay on the page."""
    moved = style.spread([5.0, 5.1, 9.9, 0.0], 1.0, 0.0, 10.0)
    assert moved[3] == 0.0
    ordered = sorted(moved)
    assert all(after - before >= 1.0 - 1e-9 for before, after in pairwise(ordered))
    assert ordered[-1] <= 10.0
