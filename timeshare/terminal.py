"""What commands say: the report on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

PATIENCE_S = 2.0
"""How long work may take before a progress bar shows."""


@dataclass(frozen=True)
class Terminal:
    """Where a command's words go.

    Attributes:
        as_json: standard output is for one JSON document; what is for people goes to standard error.
        quiet: nothing but errors, and the JSON document if asked for.
    """

    as_json: bool = False
    quiet: bool = False

    def show(self, text: RenderableType) -> None:
        """Show what the command is about."""
        if not self.quiet:
            Console(stderr=self.as_json, highlight=False).print(text)

    def note(self, text: str) -> None:
        """Say something on the side."""
        if not self.quiet:
            Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)

    def data(self, document: Any) -> None:  # noqa: ANN401 - any JSON
        """Print the JSON document, if asked for."""
        if self.as_json:
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[float], None]]:
        """Give a function to be told the part that is done, 0 to 1.

        A bar shows when the work takes longer than two seconds and standard error is a terminal.
        """
        console = Console(stderr=True)
        if self.quiet or not console.is_terminal:
            yield lambda _part: None
            return
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        task = bar.add_task(what, total=1.0)
        begun = time.monotonic()

        def update(part: float) -> None:
            if not bar.live.is_started and time.monotonic() - begun > PATIENCE_S:
                bar.start()
            bar.update(task, completed=part)

        try:
            yield update
        finally:
            bar.stop()
