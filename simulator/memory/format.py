"""Sizes as people write them."""

from __future__ import annotations

_STEP = 1024


def format_bytes(size: int) -> str:
    """A size with a binary unit and one decimal: "512 B", "9.4 MiB", "4.0 GiB"."""
    if abs(size) < _STEP:
        return f"{size} B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB"):
        value /= _STEP
        # Compared as printed, so that a byte short of 1 MiB is not "1024.0 KiB".
        if round(abs(value), 1) < _STEP:
            return f"{value:.1f} {unit}"
    return f"{value / _STEP:.1f} TiB"


def round_up(size: int, unit: int) -> int:
    """The smallest multiple of `unit`, a power of two, that is not below `size`."""
    return (size + unit - 1) & -unit
