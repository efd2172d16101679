"""`manifest.json`: what was simulated, with what, and what the result directory promises to hold."""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reports.errors import ReportError
from reports.support import Rule

FORMAT = "timeshare-result"
VERSION = 1
NANOSECONDS = 1_000_000_000


class _Part(BaseModel):
    """Read-only, and silent about keys a later program of the same format version may add."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Job(_Part):
    """One job of the scenario, as it was configured at the start.

    `percentile_rule` says how many queries it takes to state a percentile (`reports.support`),
    `finite_requests` that a longer run has no more of them, `samples_per_query` how many requests are one.
    """

    job: str
    workload: str
    tickets: int
    deadline_ns: int | None = None
    profile: str | None = None
    modelled: bool = False
    percentile_rule: Rule = "any"
    finite_requests: bool = False
    samples_per_query: int = Field(default=1, ge=1)


class Threshold(_Part):
    """One promise of the scenario: values are in SI base units (seconds, bytes, fractions)."""

    text: str
    metric: str
    job: str | None = None
    statistic: str | None = None
    op: Literal["<", "<=", ">", ">=", "==", "~"]
    value: float
    tolerance: float | None = None


class Manifest(_Part):
    """The manifest of a run, or of a comparison of several schedulers over replications.

    `adaptive` says that the number of replications was found by `reports.stopping`.
    """

    format: str
    version: int
    kind: Literal["run", "comparison"]
    timeshare: str
    scenario: dict[str, Any]
    scheduler: str = ""
    schedulers: tuple[str, ...] = ()
    seed: int
    replication: int = 0
    replications: int = Field(default=1, ge=1)
    adaptive: bool = False
    duration_ns: int = Field(gt=0)
    quantum_ns: int = Field(gt=0)
    cpus: int = Field(ge=1)
    memory_bytes: int = Field(ge=0)
    jobs: tuple[Job, ...]
    thresholds: tuple[Threshold, ...] = ()
    versions: dict[str, Any] = {}
    host: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The scenario's name."""
        return str(self.scenario.get("name", "unnamed"))

    @property
    def duration_s(self) -> float:
        """How long the scenario asks the machine to run, in seconds."""
        return self.duration_ns / NANOSECONDS

    @property
    def quantum_s(self) -> float:
        """The scheduler's quantum in seconds: the unit of lag."""
        return self.quantum_ns / NANOSECONDS

    @property
    def context_switch_ns(self) -> int:
        """What a context switch costs on this machine, in nanoseconds (0 if the scenario does not say)."""
        return int(self.scenario.get("machine", {}).get("context_switch_ns", 0))


def parse(content: object, where: str) -> Manifest:
    """Turn decoded JSON into a manifest.

    Args:
        content: the decoded JSON value.
        where: the file (or other origin) to name in messages.

    Raises:
        ReportError: if it is no result of timeshare, of a newer version, or lacks or misspells a key.
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ReportError(f'{where}: not a timeshare result (its "format" is not "{FORMAT}").')
    version = content.get("version")
    if not isinstance(version, int) or version < 1:
        raise ReportError(f'{where}: "version" is {version!r}; expected a whole number from 1 to {VERSION}.')
    if version > VERSION:
        raise ReportError(
            f"{where}: written by a newer timeshare (result version {version}; this program reads up to "
            f"version {VERSION}). Upgrade timeshare to read it."
        )
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReportError(f'{where}: key "{key}": {first["msg"]}.') from None


def read(path: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        ReportError: if the file cannot be read, is not JSON, or is not a manifest this program knows.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: cannot be read: {error}.") from None
    except json.JSONDecodeError as error:
        raise ReportError(f"{path}:{error.lineno}: not valid JSON: {error.msg}.") from None
    return parse(content, str(path))
