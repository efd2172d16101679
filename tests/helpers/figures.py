"""What figures say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def words(figure: Figure) -> str:
    """Return all text of a figure."""
    texts = list(figure.texts)
    for ax in figure.axes:
        texts += [*ax.texts, ax.xaxis.label, ax.yaxis.label]
    return "\n".join(text.get_text() for text in texts)
