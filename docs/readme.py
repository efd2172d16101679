"""Write the README's outputs and picture anew, by running its commands: python docs/readme.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHOWN = {
    "And `compare`": [
        "compare",
        "fair-three",
        "--schedulers",
        "lottery,stride,round-robin",
        "--replications",
        "10",
    ],
    "`run` prints this": ["run", "camera-box"],
}
PICTURE = ("camera-box-stride", "cpu_share", "camera-box-cpu-share")


def main() -> None:
    """Run each command in an empty directory and put what it prints under the words that announce it."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as directory:
        for words, arguments in SHOWN.items():
            done = subprocess.run(  # noqa: S603 - our own program
                [sys.executable, "-m", "timeshare", *arguments],
                cwd=directory,
                env={**os.environ, "COLUMNS": "100"},
                capture_output=True,
                text=True,
                check=False,
            )
            printed = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
            pattern = rf"({re.escape(words)}.*?```text\n).*?(\n```)"
            text = re.sub(pattern, lambda found: found[1] + printed + found[2], text, flags=re.DOTALL)  # noqa: B023 - used at once
        run, plot, name = PICTURE
        target = ROOT / "docs/pictures" / f"{name}.png"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(Path(directory, "results", run, "plots", f"{plot}.png"), target)
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
