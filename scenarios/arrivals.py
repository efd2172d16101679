"""How requests reach a job: closed loop, a camera's frames, or a Poisson process."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from scenarios.kinds import UnderKey, only_kind
from scenarios.problems import Finding, did_you_mean, findings_error, known_words
from scenarios.units import Duration

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


KINDS = ("closed-loop", "camera", "poisson")
# The kind that may be written without a mapping, because all its options have defaults.
_SHORT = "closed-loop"
_FORMS = "closed-loop, {camera: {fps: 10}} or {poisson: {rate: 5}}"


def _kind(value: object) -> str | None:
    """Return the kind that a checked value is of, by its only key or its class."""
    if isinstance(value, Mapping):
        return str(next(iter(value)))
    return next((kind for kind, model in zip(KINDS, _MODELS, strict=True) if isinstance(value, model)), None)


def _one_kind(value: object) -> object:
    """Turn the short form into the long one; refuse all that is not exactly one known kind."""
    if isinstance(value, _Arrivals):
        return value
    if value == _SHORT:
        return {_SHORT: {}}
    if isinstance(value, str):
        if value in KINDS:
            example = "fps: 10" if value == "camera" else "rate: 5"
            raise findings_error([Finding((), f"{value} needs options; write {{{value}: {{{example}}}}}")])
        message = f"unknown arrivals {value}{did_you_mean(value, KINDS)} {known_words(KINDS)}"
        raise findings_error([Finding((), message)])
    if not isinstance(value, Mapping) or not value:
        raise findings_error([Finding((), f"write how requests arrive: {_FORMS}")])
    return only_kind(value, KINDS, "arrivals", _FORMS)


_MODELS = (ClosedLoop, Camera, Poisson)

Arrivals = Annotated[
    Annotated[ClosedLoop, UnderKey("closed-loop", short=True), Tag("closed-loop")]
    | Annotated[Camera, UnderKey("camera"), Tag("camera")]
    | Annotated[Poisson, UnderKey("poisson"), Tag("poisson")],
    Discriminator(_kind),
    BeforeValidator(_one_kind),
]
"""How requests reach a job: closed-loop, {closed-loop: {...}}, {camera: {...}} or {poisson: {...}}."""
