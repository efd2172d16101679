"""Tables that grow while a simulation runs, and the recordings that feed them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.frames import memory_table, requests_table, slices_table, windows_table
from scenarios.memory_frames import memory_map_table, paging_table, physical_table
from simulator.recordings import SLICE, Recordings

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.recordings import MemorySamples
    from simulator.tables import Float64s, Int64s, Matrix

GROUP_ROWS = 1 << 16
"""Rows that are written at once."""
WINDOWS = 256
"""Windows that are kept before they are written."""


class Spool:
    """Tables by name, to which rows are appended: Parquet files in a directory, or tables in memory.

    Args:
        directory: where the files are written; None keeps the tables in memory.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._parts: dict[str, list[pa.Table]] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}

    def append(self, name: str, table: pa.Table) -> None:
        """Append rows; the first ones, be there any or none, say what columns the table has."""
        parts = self._parts.setdefault(name, [])
        parts.append(table)
        if self._directory is not None and sum(part.num_rows for part in parts) >= GROUP_ROWS:
            self._write(name, self._directory)

    def close(self) -> dict[str, pa.Table]:
        """Write what is left, and return the tables that are in memory."""
        if self._directory is None:
            return {name: pa.concat_tables(parts) for name, parts in self._parts.items()}
        for name in self._parts:
            self._write(name, self._directory)
        for writer in self._writers.values():
            writer.close()
        pa.default_memory_pool().release_unused()
        return {}

    def _write(self, name: str, directory: Path) -> None:
        table = pa.concat_tables(self._parts[name]).combine_chunks()
        if name not in self._writers:
            self._writers[name] = pq.ParquetWriter(
                directory / f"{name}.parquet", table.schema, compression="zstd"
            )
        if table.num_rows:
            self._writers[name].write_table(table)
        self._parts[name].clear()


@dataclass
class Requester:
    """Whose requests a source's are: the job, its deadline in nanoseconds, and how many have been written."""

    job: str
    deadline_ns: int | None
    written: int = 0


@dataclass
class StreamedRecordings(Recordings):
    """Recordings that do not grow with the time simulated: what is full goes to a spool.

    Attributes:
        spool: takes the tables slices, requests, cpu, memory, paging, physical and memory_map.
        cpus: of the machine, for shares.
        requesters: by number of the source.
    """

    spool: Spool = field(default_factory=Spool)
    cpus: int = 1
    requesters: dict[int, Requester] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A table without rows is to be there all the same.
        self.spool.append("requests", requests_table("", 0, np.zeros((3, 0), np.int64), None))
        self.spool.append("slices", slices_table([], np.zeros(0, SLICE)))

    def add_slices(self, slices: Matrix) -> None:
        """Write slices that have ended."""
        self.spool.append("slices", slices_table(self.jobs, slices))

    def add_requests(self, source: int, requests: Matrix) -> None:
        """Write requests of a source to which nothing more will happen."""
        requester = self.requesters[source]
        table = requests_table(requester.job, requester.written, requests, requester.deadline_ns)
        requester.written += requests.shape[1]
        self.spool.append("requests", table)

    def add_window(self, end_ns: int, cpu_ns: Int64s, entitled_ns: Float64s, memory: MemorySamples) -> None:
        """Keep a window, and write all that are kept when there are many."""
        super().add_window(end_ns, cpu_ns, entitled_ns, memory)
        if len(self.window_ends_ns) > WINDOWS:
            self.write_windows()

    def write_windows(self) -> None:
        """Write the windows that are kept; the last stays, as the next one's difference is taken to it."""
        self.spool.append("cpu", windows_table(self, self.jobs, self.cpus))
        self.spool.append("memory", memory_table(self.memory, self.jobs))
        if self.paging:
            self.spool.append("paging", paging_table(self.paging, self.jobs))
        self.spool.append("physical", physical_table(self.physical))
        self.spool.append("memory_map", memory_map_table(self.maps))
        self.forget_windows()
