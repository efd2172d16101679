"""How every plot looks: colours, type, the heading that states the finding, and the shared axes."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from numpy.typing import NDArray

from reports import units
from reports.result import Result

P = ParamSpec("P")
R = TypeVar("R")
Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
# Their yellow comes last: it is faint on white.
_OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")
INK = "#222222"
GREY = "#666666"
WIDTH_IN = 8.0
DPI = 150
_TITLE_PT, _SUBTITLE_PT = 11.0, 8.5
_LINE_IN = 1.35 / 72
_MARGIN_IN = 0.12
_NAME_CHARACTERS, _LEAST_CHARACTERS = 22, 8
TITLE_IN = 0.24
FOOT_IN = 0.32
_TITLE_CHARACTERS, _SUBTITLE_CHARACTERS = 88, 112

_RC: dict[str, Any] = {
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4.0,
    "axes.labelsize": 8.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "text.color": INK,
    "lines.linewidth": 1.2,
    "savefig.dpi": DPI,
    # Without a salt of its own, matplotlib gives the parts of every SVG random names.
    "svg.hashsalt": "timeshare",
}


def context() -> AbstractContextManager[None]:
    """Apply the style, from the default settings, so that no user's matplotlibrc changes the output."""
    settings = cast("Any", {**cast("Any", mpl.rcParamsDefault), **_RC})
    settings.pop("backend")  # which is never a figure's, and setting it would load one
    return mpl.rc_context(settings)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Have a drawing function draw in the style."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with context():
            return draw(*args, **kwargs)

    return inner


def palette(count: int) -> list[Colour]:
    """Return `count` colours in a fixed order; beyond seven they return darker."""
    return [darker(_OKABE_ITO[i % len(_OKABE_ITO)], 0.62 ** (i // len(_OKABE_ITO))) for i in range(count)]


def colours(result: Result) -> dict[str, Colour]:
    """Return each job's colour, by its place in the scenario."""
    return dict(zip(result.job_names, palette(len(result.job_names)), strict=True))


def darker(colour: str | Colour, factor: float = 0.7) -> Colour:
    """Return a colour mixed with black, dark enough for text at the default factor."""
    red, green, blue = to_rgb(colour)
    return (red * factor, green * factor, blue * factor)


def light(colour: Colour) -> Colour:
    """Return a colour mixed with white, to fill areas that lines and text stand on."""
    red, green, blue = colour
    return (0.65 + 0.35 * red, 0.65 + 0.35 * green, 0.65 + 0.35 * blue)


@dataclass(frozen=True)
class Page:
    """A figure under its heading, on which panels are placed in inches.

    Matplotlib's layout engines draw everything twice to find out what these measures say.

    Attributes:
        figure: the figure, with the heading drawn.
        body_in: height of what is below the heading, in inches.
    """

    figure: Figure
    body_in: float

    def panels(
        self,
        count: int,
        columns: int,
        height_in: float,
        *,
        top_in: float = 0.0,
        left_in: float = 0.62,
        right_in: float = 0.2,
        gap_in: tuple[float, float] = (0.25, 0.36),
        share: str = "",
    ) -> list[Axes]:
        """Place a grid of panels, row by row, each with room for a title above it.

        Args:
            count: how many.
            columns: how many side by side.
            height_in: of each panel's axes.
            top_in: from the body's top to the first row's titles.
            left_in: room for tick labels and the axis label on the left.
            right_in: room on the right.
            gap_in: between columns, and between rows (the title is in it).
            share: "x", "y" or "xy": axes that are the same for all and labelled on the outside only.
        """
        height = float(self.figure.get_figheight())
        width_in = (WIDTH_IN - left_in - right_in - gap_in[0] * (columns - 1)) / columns
        made: list[Axes] = []
        for index in range(count):
            row, column = divmod(index, columns)
            x = left_in + column * (width_in + gap_in[0])
            y = self.body_in - top_in - TITLE_IN - height_in - row * (height_in + gap_in[1])
            first = made[0] if made else None
            ax = self.figure.add_axes(
                (x / WIDTH_IN, y / height, width_in / WIDTH_IN, height_in / height),
                sharex=first if "x" in share else None,
                sharey=first if "y" in share else None,
            )
            if "x" in share and index + columns < count:
                ax.tick_params(labelbottom=False)
            if "y" in share and column:
                ax.tick_params(labelleft=False)
            made.append(ax)
        return made

    def x_label(self, text: str) -> None:
        """Name the x axis that all panels share, at the foot of the page."""
        self.figure.text(0.5, 0.07 / self.figure.get_figheight(), text, ha="center", va="bottom")

    def y_label(self, text: str, panels: Sequence[Axes]) -> None:
        """Name the y axis that the panels share, at the left of them."""
        low = min(ax.get_position().y0 for ax in panels)
        high = max(ax.get_position().y1 for ax in panels)
        self.figure.text(0.1 / WIDTH_IN, (low + high) / 2, text, rotation=90, ha="left", va="center")


def page(body_in: float, title: str, subtitle: str = "") -> Page:
    """Return a page without panels.

    Args:
        body_in: height of what is below the heading, in inches.
        title: the finding, in words.
        subtitle: how to read the plot.
    """
    titles = textwrap.wrap(title, _TITLE_CHARACTERS)
    subtitles = textwrap.wrap(subtitle, _SUBTITLE_CHARACTERS)
    head_in = 1.6 * _MARGIN_IN + _LINE_IN * (_TITLE_PT * len(titles) + _SUBTITLE_PT * len(subtitles))
    total_in = body_in + head_in
    made = Figure(figsize=(WIDTH_IN, total_in), dpi=DPI)
    left, y = _MARGIN_IN / WIDTH_IN, 1 - _MARGIN_IN / total_in
    made.text(left, y, "\n".join(titles), va="top", fontsize=_TITLE_PT, fontweight="bold", linespacing=1.2)
    y -= _LINE_IN * _TITLE_PT * len(titles) / total_in
    made.text(left, y, "\n".join(subtitles), va="top", fontsize=_SUBTITLE_PT, color=GREY, linespacing=1.2)
    return Page(made, body_in)


def columns_for(panels: int) -> int:
    """How many small multiples stand side by side."""
    return 1 if panels <= 3 else 2 if panels <= 6 else 3  # noqa: PLR2004 - by eye


def rows_for(panels: int, columns: int) -> int:
    """How many rows so many panels fill."""
    return -(-panels // columns)


def short(name: str, limit: int = _NAME_CHARACTERS) -> str:
    """Return a name cut to what fits beside an axis."""
    return name if len(name) <= limit else name[: limit - 1] + "\u2026"


@cache
def width_in(text: str, *, bold: bool = False) -> float:
    """How wide a text is at the plots' size, in inches."""
    font = FontProperties(size=_RC["font.size"], weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def room_in(names: Sequence[str]) -> float:
    """How much room the longest of the names, shortened, takes beside an axis, in inches."""
    return 0.2 + max((width_in(short(name)) for name in names), default=0.0)


def steps(edges: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the corners of a step curve that holds values[i] from edges[i] to edges[i + 1]."""
    return np.repeat(edges, 2)[1:-1], np.repeat(values, 2)


def time_axis(end_s: float) -> tuple[float, str]:
    """Return the length in seconds of the unit for an axis that ends at `end_s`, and the axis label."""
    length, symbol = units.time_unit(end_s)
    return length, f"time ({symbol})"


def panel_title(ax: Axes, name: str, parts: Sequence[str], colour: Colour) -> None:
    """Write a panel's title: the job's name in its colour, then as many of the parts as there is room for.

    The name is cut if the first part would have to go otherwise.
    """
    above: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
    room = ax.get_position().width * WIDTH_IN - 0.08
    limit = _NAME_CHARACTERS
    while limit > _LEAST_CHARACTERS and width_in(short(name, limit), bold=True) + width_in(parts[0]) > room:
        limit -= 1
    name = short(name, limit)
    start_in = width_in(name, bold=True) + 0.08
    while parts and start_in + width_in(", ".join(parts)) > room + 0.08:
        parts = parts[:-1]
    ax.annotate(name, xytext=(0, 4), color=darker(colour), fontweight="bold", annotation_clip=False, **above)
    ax.annotate(", ".join(parts), xytext=(72 * start_in, 4), annotation_clip=False, **above)


def key(ax: Axes, shades: Mapping[str, Colour]) -> None:
    """Name the colours used in a panel in rows above it, for bars too narrow to be named themselves."""
    across_in = ax.get_position().width * WIDTH_IN
    column_in = room_in(list(shades)) + 0.05
    columns = max(int(across_in / column_in), 1)
    for index, (name, colour) in enumerate(shades.items()):
        row, column = divmod(index, columns)
        up_pt = 5 + 12 * (key_rows(list(shades), across_in) - 1 - row)
        spot: dict[str, Any] = {"xy": (0, 1), "xycoords": "axes fraction", "textcoords": "offset points"}
        x_pt = 72 * column_in * column
        ax.annotate("\u25a0", xytext=(x_pt, up_pt), color=colour, annotation_clip=False, **spot)
        ax.annotate(short(name), xytext=(x_pt + 9, up_pt), annotation_clip=False, **spot)


def key_rows(names: Sequence[str], across_in: float) -> int:
    """How many rows `key` needs."""
    return rows_for(len(names), max(int(across_in / (room_in(names) + 0.05)), 1))


def step_width(windows: int) -> float:
    """Return the width of a step line that so many windows do not run together into a block."""
    return 1.0 if windows <= 200 else 0.45  # noqa: PLR2004 - by eye, at this page's width


def grid(ax: Axes, axis: str = "y") -> None:
    """Draw faint grid lines across one axis."""
    ax.grid(visible=True, axis=cast("Any", axis), color="#DDDDDD", linewidth=0.6)


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move label positions apart until neighbours are `gap` apart, staying within [low, high] if they fit."""
    order = np.argsort(positions, kind="stable")
    placed: list[float] = []
    for index in order:
        wanted = min(max(positions[index], low), high)
        placed.append(max(wanted, placed[-1] + gap) if placed else wanted)
    ceiling = high
    for place in range(len(placed) - 1, -1, -1):
        placed[place] = min(placed[place], ceiling)
        ceiling = placed[place] - gap
    moved = [0.0] * len(placed)
    for index, value in zip(order, placed, strict=True):
        moved[index] = value
    return moved
