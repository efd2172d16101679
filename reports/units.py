"""Numbers as people read them: three significant digits and the unit that suits the size."""

import math
from collections.abc import Callable

_TIMES = ((3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_MINUTES_FROM_S = 300.0
_HOURS_FROM_S = 3 * 3600.0
NOTHING = "-"


def number(value: float) -> str:
    """Format a plain number with three significant digits, and whole numbers whole."""
    if math.isnan(value):
        return NOTHING
    if math.isclose(value, round(value), rel_tol=1e-9) or abs(value) >= 1000:  # noqa: PLR2004 - digits enough
        return f"{value:,.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value) * (1 + 1e-9))))
    return f"{value:.{digits}f}" if digits <= 4 else f"{value:.3g}"  # noqa: PLR2004 - 0.00012 is read as 1.2e-4


def time_unit(seconds: float) -> tuple[float, str]:
    """Return the unit a duration is best read in: its length in seconds and its symbol."""
    size = abs(seconds)
    for length, symbol in _TIMES:
        threshold = {"h": _HOURS_FROM_S, "min": _MINUTES_FROM_S}.get(symbol, length)
        if size >= threshold * 0.9995:
            return length, symbol
    return (1.0, "s") if size == 0 else _TIMES[-1]


def duration(seconds: float) -> str:
    """Format a duration: "83.2 ms"."""
    if math.isnan(seconds):
        return NOTHING
    length, symbol = time_unit(seconds)
    return f"{number(seconds / length)} {symbol}"


def size_unit(count: float) -> tuple[int, str]:
    """Return the unit a memory size is best read in: its bytes and its symbol."""
    return next(((unit, symbol) for unit, symbol in _SIZES if abs(count) >= unit), (1, "B"))


def size(count: float) -> str:
    """Format a memory size in binary units: "1.50 GiB"."""
    if math.isnan(count):
        return NOTHING
    unit, symbol = size_unit(count)
    return f"{number(count / unit)} {symbol}"


def percent(fraction: float) -> str:
    """Format a fraction: "49.8 %"."""
    return NOTHING if math.isnan(fraction) else f"{100 * fraction:.1f} %"


def points(fraction: float) -> str:
    """Format a difference of two fractions in percentage points, with its sign: "-0.2"."""
    if math.isnan(fraction):
        return NOTHING
    rounded = round(100 * fraction, 2)
    return f"{rounded:+.2f}" if rounded else "0.00"


def with_error(value: float, half_width: float, *, signed: bool = False) -> str:
    """Format a mean and half its interval, both to the half-width's second significant digit.

    Without an interval (NaN) the value stands alone.
    """
    sign = "+" if signed else ""
    if math.isnan(half_width):
        return f"{'+' if signed and value > 0 else ''}{number(value)}"
    digits = 0 if half_width <= 0 else max(0, min(6, 1 - math.floor(math.log10(half_width))))
    return f"{value:{sign},.{digits}f} ± {half_width:,.{digits}f}"


def by_metric_name(metric: str, value: float) -> str:
    """Format a value in the unit the metric's name ends in: a metric of `reports.metrics`."""
    return next(
        (show(value) for ending, show in _BY_ENDING.items() if metric.endswith(ending)), number(value)
    )


_BY_ENDING: dict[str, Callable[[float], str]] = {
    "_per_s": lambda value: f"{number(value)}/s",
    "_s": duration,
    "_bytes": size,
    "share_error": lambda value: f"{points(value)} pp",
    "memory_share_error_mean": percent,
    "share_error_mean": lambda value: f"{number(100 * value)} pp",
    "_share": percent,
    "jain": lambda value: f"{value:.4f}",  # near 1 it is the fourth decimal that differs
    "_quanta": lambda value: f"{number(value)} quanta",
    "_quanta_worst": lambda value: f"{number(value)} quanta",
}
