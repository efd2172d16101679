"""A result: the manifest and tables of one run or one comparison, read from its directory when asked for."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports import manifest as manifests
from reports.errors import ReportError
from reports.manifest import Manifest
from reports.schema import OPTIONAL, TABLES, check, empty, to_frame

MANIFEST = "manifest.json"


class Result:
    """The manifest and the tables of one run or comparison.

    A table is read when it is first asked for, checked, and kept. Frames are shared: do not write to them.

    Attributes:
        manifest: what was simulated.
        directory: where it was read from, or None for a result that was never stored.
    """

    def __init__(
        self, manifest: Manifest, source: Callable[[str], Any], directory: Path | None = None
    ) -> None:
        self.manifest = manifest
        self.directory = directory
        self._source = source
        self._frames: dict[str, pd.DataFrame] = {}

    @classmethod
    def from_tables(
        cls, manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame | pa.Table]
    ) -> "Result":
        """Build a result from what is in memory, for metrics of a run that is not to be stored.

        Args:
            manifest: the content of `manifest.json`.
            tables: per table name a frame or a `pyarrow.Table` with the columns of the stored table.

        Raises:
            ReportError: as `load`.
        """
        parsed = manifests.parse(dict(manifest), "manifest")
        for name in TABLES[parsed.kind]:
            if name not in tables and name not in OPTIONAL:
                raise ReportError(f'the table "{name}" is missing.')

        def source(name: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
            table = tables[name] if name in tables else empty(TABLES[parsed.kind][name])
            return (
                pa.Table.from_pandas(table, preserve_index=False)
                if isinstance(table, pd.DataFrame)
                else table
            )

        return cls(parsed, source)

    def table(self, name: str) -> pd.DataFrame:
        """Return the table `name` with at least the columns of `reports.schema.TABLES`.

        Raises:
            ReportError: if this kind of result has no such table, or it is damaged or has foreign content.
        """
        if name not in self._frames:
            known = TABLES[self.manifest.kind]
            if name not in known:
                raise ReportError(
                    f'{self._where(name)}: a {self.manifest.kind} has no table "{name}"; '
                    f"it has {', '.join(known)}."
                )
            table = self._source(name)
            check(known[name], table.schema, self._where(name))
            just_read = self.directory is not None
            self._frames[name] = to_frame(known[name], table, self._where(name), used_up=just_read)
            if just_read:
                del table
                pa.default_memory_pool().release_unused()
        return self._frames[name]

    def first_slices(self, count: int) -> pd.DataFrame:
        """Return the first `count` rows of `slices`, without reading the millions `--slices` may write."""
        if self.directory is None or "slices" in self._frames:
            return self.table("slices").head(count)
        columns = TABLES["run"]["slices"]
        path = _path(self.directory, "slices")
        try:
            with pq.ParquetFile(path) as file:
                check(columns, file.schema_arrow, str(path))
                batches = [next(file.iter_batches(batch_size=count))] if file.metadata.num_rows else []
                head = pa.Table.from_batches(batches, schema=file.schema_arrow)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        return to_frame(columns, head, str(path))

    def of_scheduler(self, name: str, scheduler: str) -> pd.DataFrame:
        """Return the rows of a comparison's table that belong to one scheduler."""
        frame = self.table(name)
        return frame[frame["scheduler"] == scheduler]

    @property
    def job_names(self) -> list[str]:
        """The jobs in scenario order, which fixes rows of tables and colours of plots."""
        return [job.job for job in self.manifest.jobs]

    def _where(self, name: str) -> str:
        return str(_path(self.directory, name)) if self.directory else f'table "{name}"'


def load(directory: str | Path) -> Result:
    """Open a result directory.

    Every table's footer is looked at now, so that a copy cut short is refused here and not half-way through
    a report; rows are read when they are asked for.

    Raises:
        ReportError: if there is no such directory, it holds no result, the result is of a newer version, or
            a table is missing, truncated or not what its name says.
    """
    directory = Path(directory)
    if not directory.is_dir():
        found = "is a file, not a directory" if directory.exists() else "no such directory"
        raise ReportError(f"{directory}: {found}; expected the directory a timeshare run wrote.")
    if not (directory / MANIFEST).is_file():
        raise ReportError(f"{directory}: not a timeshare result (it holds no {MANIFEST}).")
    manifest = manifests.read(directory / MANIFEST)
    for name, columns in TABLES[manifest.kind].items():
        path = _path(directory, name)
        if not path.is_file() and name in OPTIONAL:
            continue
        if not path.is_file():
            raise ReportError(f'{directory}: the table "{name}" is missing (no file {path.name}).')
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None
        check(columns, schema, str(path))

    def source(name: str) -> Any:  # noqa: ANN401 - pyarrow ships no types
        path = _path(directory, name)
        if not path.is_file() and name in OPTIONAL:
            return pa.Table.from_pandas(empty(TABLES[manifest.kind][name]), preserve_index=False)
        try:
            names = [column for column, kind in TABLES[manifest.kind][name].items() if kind == "str"]
            return pq.ParquetFile(path, read_dictionary=names).read()
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None

    return Result(manifest, source, directory)


def _path(directory: Path, name: str) -> Path:
    return directory / f"{name}.parquet"


def _damaged(path: Path, error: Exception) -> ReportError:
    reason = str(error).splitlines()[0].rstrip(".")
    return ReportError(f"{path}: truncated, or not a Parquet table ({reason}); write the result again.")
