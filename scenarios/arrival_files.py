"""Files of arrival times: one time a line, or the first column of a CSV file."""

import re
from decimal import Decimal
from pathlib import Path

from scenarios.problems import as_written
from scenarios.units import UnitError, parse_duration
from simulator.errors import TimeshareError

MAX_BYTES = 16 * 2**20
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{0,30})?([eE]-?[0-9])?")
_MAX_NS = 2**63 - 1
BESIDE = "directory"
"""Key of the validation context: the directory that relative paths start from."""


class ArrivalFileError(TimeshareError, ValueError):
    """A file of arrival times that cannot be used; the message names file and line."""


def read_times(path: Path) -> tuple[int, ...]:
    """Return the times of a file, in nanoseconds, ascending.

    Each line holds a time, such as `12ms`; without a unit it is in seconds, rounded to nanoseconds. What
    follows a comma is ignored, and so are empty lines, lines that begin with `#`, and the first line of a
    file called `.csv` if it does not begin with a number, because it names the columns.

    Args:
        path: of the file, UTF-8 text of 16 MiB at most.

    Raises:
        ArrivalFileError: the file cannot be read, a line is no time, times go backwards, or there are none.
    """
    times: list[int] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        written = line.split(",", 1)[0].strip().strip('"')
        if not line.strip() or written.startswith("#") or _names_columns(path, number, written):
            continue
        at_ns = _nanoseconds(written)
        if at_ns is None:
            message = f"{as_written(written)} is not a time; write seconds, or a unit, such as 1.5 or 1500ms"
            raise ArrivalFileError(f"{path}:{number}: {message}")
        if times and at_ns < times[-1]:
            message = f"{as_written(written)} comes before the time above it; put the times in order"
            raise ArrivalFileError(f"{path}:{number}: {message}")
        times.append(at_ns)
    if not times:
        raise ArrivalFileError(f"{path}: holds no time; write one a line, such as 1.5 or 1500ms")
    return tuple(times)


def _nanoseconds(written: str) -> int | None:
    """Return a time, None if it is none."""
    if _SECONDS.fullmatch(written):
        at_ns = round(Decimal(written) * 10**9)
        return at_ns if at_ns <= _MAX_NS else None
    try:
        return parse_duration(written)
    except UnitError:
        return None


def _names_columns(path: Path, number: int, written: str) -> bool:
    return number == 1 and path.suffix == ".csv" and not written[:1].isdigit() and written[:1] not in "+-."


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArrivalFileError(f"{path}: cannot be read: {reason}") from None
    if len(content) > MAX_BYTES:
        raise ArrivalFileError(f"{path}: more than {MAX_BYTES} bytes of arrival times; split the run")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ArrivalFileError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
