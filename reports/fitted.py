"""A table that leaves out its least important columns where the terminal is too narrow for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from reports.units import NOTHING

_UNBOUNDED = 10_000


@dataclass(frozen=True)
class Column:
    """One column of a `FittedTable`.

    Attributes:
        header: its heading; a line break keeps a long one narrow.
        cells: one text per row.
        rank: importance, 0 the highest; of two equal ranks the right-hand column goes first.
        left: whether it holds words, set flush left, and not numbers.
    """

    header: str
    cells: Sequence[str | Text]
    rank: int = 0
    left: bool = False


class FittedTable:
    """A rich renderable of columns; those in which no row has anything to show are left out anywhere."""

    def __init__(self, columns: Sequence[Column], title: str = "") -> None:
        self.columns = [c for c in columns if c.rank == 0 or any(str(cell) != NOTHING for cell in c.cells)]
        self.title = title

    def fitting(self, console: Console, options: ConsoleOptions) -> list[Column]:
        """Return the columns that fit the width at hand, in order; at least those of rank 0."""
        shown = list(self.columns)
        while True:
            droppable = [c for c in shown if c.rank > 0]
            width = Measurement.get(console, options.update_width(_UNBOUNDED), self._table(shown)).maximum
            if width <= options.max_width or not droppable:
                return shown
            last = max(c.rank for c in droppable)
            shown.remove([c for c in droppable if c.rank == last][-1])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table(self.fitting(console, options))

    def _table(self, columns: Sequence[Column]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.title, table.title_justify, table.title_style = self.title or None, "left", "bold"
        for column in columns:
            table.add_column(
                column.header,
                justify="left" if column.left else "right",
                no_wrap=not column.left,
                overflow="fold" if column.left else "ellipsis",
            )
        for row in zip(*(column.cells for column in columns), strict=True):
            # A plain string would be read as markup, and a job may be called "[red]".
            table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
        return table
