"""The result directory: a manifest and tables, written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulator.errors import TimeshareError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MANIFEST = "manifest.json"


class OutputError(TimeshareError):
    """A result cannot be written where it was asked for."""


@dataclass(frozen=True)
class Output:
    """What a run or a comparison leaves behind.

    Attributes:
        manifest: what was run, as JSON-able values.
        tables: Arrow tables by name, but for those that were written as the run went on.
    """

    manifest: Mapping[str, Any]
    tables: Mapping[str, pa.Table]

    def write(self, directory: Path) -> None:
        """Write the manifest and the tables into an existing directory."""
        for name, table in self.tables.items():
            pq.write_table(table, directory / f"{name}.parquet", compression="zstd")
        text = json.dumps(self.manifest, indent=2, ensure_ascii=False) + "\n"
        (directory / MANIFEST).write_text(text, encoding="utf-8")


def check_writable(target: Path) -> None:
    """Refuse a place that a result could not be written to, before any work is done.

    Raises:
        OutputError: it is a file or somebody else's directory, or its parent cannot be written.
    """
    if target.exists() and not target.is_dir():
        raise OutputError(f"--out {target}: is a file; name a directory to be made")
    if target.is_dir() and any(target.iterdir()) and not (target / MANIFEST).is_file():
        raise OutputError(f"--out {target}: holds other files and no result; name a new directory")
    parent = _existing_parent(target)
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"--out {target}: cannot write into {parent}; name a directory you may write to")


@contextmanager
def result_directory(target: Path) -> Iterator[Path]:
    """Give a directory to fill that becomes `target` when the block ends well, and vanishes otherwise.

    An older result at `target` is replaced only then.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    check_writable(target)
    beside: Path | None = None
    made = [parent for parent in target.absolute().parents if not parent.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        yield beside
        beside.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / "result")
            beside.rename(target)
            shutil.rmtree(old)
        else:
            beside.rename(target)
    except OSError as error:
        raise OutputError(f"--out {target}: cannot be written: {error.strerror or error}") from error
    finally:
        if beside is not None and beside.exists():
            shutil.rmtree(beside, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # it holds something by now, the result itself if all went well
                parent.rmdir()


def _existing_parent(target: Path) -> Path:
    parent = target.absolute()
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    return parent if parent != target.absolute() or not target.is_dir() else target.absolute().parent
