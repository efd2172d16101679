"""How requests reach a job: closed loop, camera, Poisson, bursts, a file of times, or as in MLPerf."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PrivateAttr,
    Tag,
    ValidationInfo,
    model_validator,
)

from scenarios.arrival_files import BESIDE, ArrivalFileError, read_times
from scenarios.kinds import UnderKey, only_kind
from scenarios.mlperf import MlperfArrivals, MultiStream, Offline, Server, SingleStream
from scenarios.problems import Finding, did_you_mean, findings_error, known_words
from scenarios.units import Duration, PositiveDuration, format_duration

WhenFull = Literal["drop-oldest", "drop-newest", "wait"]
Rate = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
"""Events per second."""


class _Arrivals(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClosedLoop(_Arrivals):
    """The next request arrives when the last one is answered and the thinking time is over."""

    think_ns: Duration = Field(
        default=0, alias="think", description="Pause between an answer and the next request."
    )


class _OpenArrivals(_Arrivals):
    """Requests that arrive whether or not the job keeps up."""

    queue: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Requests that may wait besides the one being served; left out: 1, and no bound with "
        "`when_full: wait`.",
    )
    when_full: WhenFull = Field(
        default="drop-oldest",
        description="What happens to a request that finds the queue full: drop-oldest throws away the "
        "request that has waited longest, drop-newest the one that arrives; with wait nothing is dropped.",
    )

    @property
    def capacity(self) -> int | None:
        """Requests that may wait besides the one being served; None without bound."""
        return None if self.when_full == "wait" else self.queue or 1

    @model_validator(mode="after")
    def _queue_has_an_effect(self) -> Self:
        if self.when_full == "wait" and self.queue is not None:
            message = "with `when_full: wait` the queue has no bound; leave `queue` out"
            raise findings_error([Finding(("queue",), message, on_key=True)])
        return self


class Camera(_OpenArrivals):
    """A frame arrives at a fixed rate."""

    fps: Rate = Field(description="Frames per second, for example 10 or 29.97.")
    jitter_ns: Duration = Field(
        default=0,
        alias="jitter",
        description="Each frame arrives late by a random time of its own, uniform between 0 and this.",
    )
    phase_ns: Duration = Field(
        default=0, alias="phase", description="From the start of the job to its first frame."
    )


class Poisson(_OpenArrivals):
    """Requests arrive independently of each other, at a mean rate."""

    rate: Rate = Field(description="Requests per second, on average.")


class Bursts(_OpenArrivals):
    """Several requests in a row, then none for a while, over and over."""

    every_ns: PositiveDuration = Field(
        alias="every", description="From the first request of a burst to that of the next."
    )
    count: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = Field(description="Requests of a burst.")
    spacing_ns: Duration = Field(
        default=0, alias="spacing", description="From one request of a burst to the next."
    )
    jitter_ns: Duration = Field(
        default=0,
        alias="jitter",
        description="Each request arrives late by a random time of its own, uniform between 0 and this.",
    )
    phase_ns: Duration = Field(
        default=0, alias="phase", description="From the start of the job to its first burst."
    )

    @model_validator(mode="after")
    def _bursts_do_not_overlap(self) -> Self:
        if (length_ns := (self.count - 1) * self.spacing_ns) >= self.every_ns:
            message = f"a burst lasts {format_duration(length_ns)}, and the next comes before it is over"
            raise findings_error([Finding(("every",), message)])
        return self


class FileOfTimes(_OpenArrivals):
    """Requests arrive when a file says, counted from the start of the job."""

    path: Annotated[str, Field(min_length=1)] = Field(
        description="The file: one time a line, or the first column of a CSV file; 1500ms, or 1.5 "
        "for seconds. A relative path starts from the scenario file's directory.",
    )
    _times: tuple[int, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _can_be_read(self, info: ValidationInfo) -> Self:
        if not self._times:
            directory = Path((info.context or {}).get(BESIDE, "."))
            try:
                self._times = read_times(directory / self.path)
            except ArrivalFileError as error:
                raise findings_error([Finding(("path",), str(error))]) from None
        return self

    @property
    def times_ns(self) -> tuple[int, ...]:
        """When requests arrive, in nanoseconds from the start of the job, ascending."""
        return self._times


KINDS: dict[str, type[_Arrivals | MlperfArrivals]] = {
    "closed-loop": ClosedLoop,
    "camera": Camera,
    "poisson": Poisson,
    "bursts": Bursts,
    "file": FileOfTimes,
    "single-stream": SingleStream,
    "multi-stream": MultiStream,
    "server": Server,
    "offline": Offline,
}
"""The models by the key that the file writes."""
# Those that may be written without a mapping, because all their options have defaults.
_SHORT = ("closed-loop", "single-stream", "multi-stream", "offline")
_EXAMPLES = {
    "camera": "fps: 10",
    "poisson": "rate: 5",
    "bursts": "every: 5s, count: 20",
    "file": "path: times.csv",
    "server": "rate: 5, bound: 100ms",
}
_FORMS = "closed-loop, {camera: {fps: 10}} or {poisson: {rate: 5}}"


def _kind(value: object) -> str | None:
    """Return the kind that a checked value is of, by its only key or its class."""
    if isinstance(value, Mapping):
        return str(next(iter(value)))
    return next((kind for kind, model in KINDS.items() if isinstance(value, model)), None)


def _one_kind(value: object) -> object:
    """Turn the short form into the long one; refuse all that is not exactly one known kind."""
    if isinstance(value, _Arrivals | MlperfArrivals):
        return value
    if isinstance(value, str):
        if value in _SHORT:
            return {value: {}}
        if value in KINDS:
            message = f"{value} needs options; write {{{value}: {{{_EXAMPLES[value]}}}}}"
        else:
            message = f"unknown arrivals {value}{did_you_mean(value, KINDS)} {known_words(KINDS)}"
        raise findings_error([Finding((), message)])
    if not isinstance(value, Mapping) or not value:
        raise findings_error([Finding((), f"write how requests arrive: {_FORMS}")])
    return only_kind(value, KINDS, "arrivals", _FORMS)


Arrivals = Annotated[
    Annotated[ClosedLoop, UnderKey("closed-loop", short=True), Tag("closed-loop")]
    | Annotated[Camera, UnderKey("camera"), Tag("camera")]
    | Annotated[Poisson, UnderKey("poisson"), Tag("poisson")]
    | Annotated[Bursts, UnderKey("bursts"), Tag("bursts")]
    | Annotated[FileOfTimes, UnderKey("file"), Tag("file")]
    | Annotated[SingleStream, UnderKey("single-stream", short=True), Tag("single-stream")]
    | Annotated[MultiStream, UnderKey("multi-stream", short=True), Tag("multi-stream")]
    | Annotated[Server, UnderKey("server"), Tag("server")]
    | Annotated[Offline, UnderKey("offline", short=True), Tag("offline")],
    Discriminator(_kind),
    BeforeValidator(_one_kind),
]
"""How requests reach a job: one of KINDS, `KIND` where all its options have defaults, or `{KIND: {...}}`."""
