"""How long a user waits: whole commands, from the shell's point of view.

    python benchmarks/startup.py [--runs 5]

Prints minimum, median and maximum wall time of each command, after one run that is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS_S = {
    "--help": 0.4,
    "run camera-box": 3.0,
}


def main() -> None:
    """Time each command and hold its median against what we promise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as directory:
        for command, limit in LIMITS_S.items():
            times = [wall_s(command.split(), Path(directory)) for _ in range(runs + 1)][1:]
            spread = f"min {min(times):.2f}  median {statistics.median(times):.2f}  max {max(times):.2f}"
            print(f"timeshare {command:20} {spread} s  (promised: under {limit} s)")


def wall_s(arguments: list[str], directory: Path) -> float:
    """Return the wall time of one run of the command line."""
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "timeshare", *arguments], cwd=directory, capture_output=True, check=True
    )
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
