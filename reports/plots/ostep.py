"""The figure of OSTEP's chapter on proportional share: how fair two equal jobs are treated, by length."""

from collections.abc import Mapping
from math import comb

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from reports.comparison import interval
from reports.plots import style

EXACT_LABEL = "expected, 1 - C(2R, R) / 4^R"


def lottery_fairness(quanta: int) -> float:
    """Expected first over last finish of two equal jobs under lottery scheduling, exactly.

    The draws go on until one job has won R times. The other has then won K < R times, and the last finish is
    at 2R: E[F] = E[R + K] / 2R. This is Banach's match box problem with E[R - K] = 2R C(2R, R) / 4^R
    (Feller, "An Introduction to Probability Theory and Its Applications", volume 1, VI.8 and IX.3).

    Args:
        quanta: R, the length of each job, >= 1.
    """
    return 1 - comb(2 * quanta, quanta) / (1 << 2 * quanta)


def stride_fairness(quanta: int) -> float:
    """First over last finish of two equal jobs that alternate: (2R - 1) / 2R."""
    return (2 * quanta - 1) / (2 * quanta)


@style.styled
def ostep_fairness(found: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw OSTEP's figure 9.2, first over last finish against job length, with what theory expects.

    Args:
        found: per scheduler, one row a simulation: `quanta` (the jobs' length) and `finish_ratio`.

    Returns:
        One panel: means with 95 % intervals per scheduler, and lottery's expectation as a line.
    """
    page = style.page(
        3.36 + style.FOOT_IN,
        _finding(found),
        "Two equal jobs. Dots: means of the simulations, with 95 % intervals (Student's t). "
        "After OSTEP, figure 9.2.",
    )
    (ax,) = page.panels(1, 1, 3.0)
    lengths = sorted({int(quanta) for frame in found.values() for quanta in frame["quanta"]})
    expected = [lottery_fairness(quanta) for quanta in lengths]
    colours = dict(zip(found, style.palette(len(found)), strict=True))
    grey = style.GREY
    ax.plot(lengths, expected, color=grey, linewidth=1.0, dashes=(4, 2), label=f"lottery {EXACT_LABEL}")
    for scheduler, frame in found.items():
        means, halves = [], []
        for quanta in lengths:
            own = frame.loc[frame["quanta"] == quanta, "finish_ratio"].to_numpy(dtype=np.float64)
            shown = interval(own)
            means.append(shown.mean)
            halves.append(float(np.nan_to_num(shown.half_width)))
        ax.errorbar(
            lengths,
            means,
            yerr=halves,
            fmt="o-",
            color=colours[scheduler],
            markersize=4,
            elinewidth=1.3,
            capsize=2,
            label=scheduler,
        )
    ax.set_xscale("log")
    ax.set_xticks([10**power for power in range(len(str(lengths[-1])))])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(0, 1.04)
    style.grid(ax, "both")
    ax.legend(loc="lower right", frameon=False)
    page.x_label("length of each job, R (quanta, logarithmic)")
    page.y_label("first over last finish", [ax])
    return page.figure


def _finding(found: Mapping[str, pd.DataFrame]) -> str:
    """State from which length on lottery comes close to stride."""
    lottery = found["lottery"].groupby("quanta")["finish_ratio"].mean()
    shortest, longest = int(lottery.index.min()), int(lottery.index.max())
    return (
        f"Lottery is fair in the long run alone: {lottery[shortest]:.2f} for jobs of {_length(shortest)}, "
        f"{lottery[longest]:.2f} of {_length(longest)}"
    )


def _length(quanta: int) -> str:
    return "1 quantum" if quanta == 1 else f"{quanta:,}"
