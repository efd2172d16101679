"""How requests reach a job: closed loop, a camera's frames, or a Poisson process."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

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


class _UnderKey:
    """Marks a model that the file writes under a key of its own: `{camera: {fps: 10}}`."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        def unwrap(value: object) -> object:
            return value[self.kind] if isinstance(value, Mapping) else value

        def wrap(value: BaseModel, handler: core_schema.SerializerFunctionWrapHandler) -> dict[str, Any]:
            return {self.kind: handler(value)}

        schema = handler(source)
        return core_schema.no_info_before_validator_function(
            unwrap,
            schema,
            serialization=core_schema.wrap_serializer_function_ser_schema(wrap, schema=schema),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        mapping = {
            "type": "object",
            "properties": {self.kind: handler(schema)},
            "required": [self.kind],
            "additionalProperties": False,
        }
        return {"anyOf": [{"const": self.kind}, mapping]} if self.kind == _SHORT else mapping


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
    unknown = [str(key) for key in value if key not in KINDS]
    if unknown:
        raise findings_error(
            [
                Finding(
                    (key,),
                    f"unknown kind of arrivals{did_you_mean(key, KINDS)} {known_words(KINDS)}",
                    on_key=True,
                )
                for key in unknown
            ]
        )
    if len(value) > 1:
        raise findings_error([Finding((), f"arrivals are of one kind, not of {len(value)}: {_FORMS}")])
    return value


_MODELS = (ClosedLoop, Camera, Poisson)

Arrivals = Annotated[
    Annotated[ClosedLoop, _UnderKey("closed-loop"), Tag("closed-loop")]
    | Annotated[Camera, _UnderKey("camera"), Tag("camera")]
    | Annotated[Poisson, _UnderKey("poisson"), Tag("poisson")],
    Discriminator(_kind),
    BeforeValidator(_one_kind),
]
"""How requests reach a job: closed-loop, {closed-loop: {...}}, {camera: {...}} or {poisson: {...}}."""
