"""Tables with one row per window and job, as arrays to draw."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def edges_s(windows: pd.DataFrame) -> Floats:
    """Return the edges of the `cpu` windows in seconds, shape (windows + 1,); (0, 1) if there are none."""
    if windows.empty:
        return np.array([0.0, 1.0])
    ends = np.unique(windows["window_end_s"].to_numpy(dtype=np.float64))
    return np.concatenate([[windows["window_start_s"].min()], ends])


def sample_edges_s(samples: pd.DataFrame) -> Floats:
    """Return the edges of the windows that the `memory` table's samples end, from time 0 on."""
    times = np.unique(samples["time_s"].to_numpy(dtype=np.float64))
    times = times[times > 0]
    return np.concatenate([[0.0], times]) if times.size else np.array([0.0, 1.0])


def per_window(frame: pd.DataFrame, jobs: Sequence[str], column: str, end: str = "window_end_s") -> Floats:
    """Return a column as an array of shape (jobs, windows), 0 where a job has no row."""
    ends = np.unique(frame[end].to_numpy(dtype=np.float64))
    ends = ends[ends > 0]
    values = np.zeros((len(jobs), max(ends.size, 1)))
    rows = {job: row for row, job in enumerate(jobs)}
    places = frame["job"].map(rows)
    known = (places.notna() & (frame[end] > 0)).to_numpy()
    window = np.searchsorted(ends, frame.loc[known, end].to_numpy(dtype=np.float64))
    values[places[known].to_numpy(dtype=np.int64), window] = frame.loc[known, column].to_numpy(
        dtype=np.float64
    )
    return values
