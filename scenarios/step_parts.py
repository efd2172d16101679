"""What the steps of a program are made of: variables, values, places, sizes, and how a step is written."""

import inspect
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from scenarios.kinds import UnderKey
from scenarios.problems import as_written
from scenarios.units import SIZE_SCHEMA, UnitError, format_size, parse_size
from workloads.program.expressions import (
    NAME,
    ExpressionError,
    Number,
    Place,
    Sum,
    parse_address,
    parse_place,
    parse_value,
)

WORD = "word"
FOREVER = "forever"
MOST_BYTES = 1 << 40


def check_value(value: object) -> int | str | None:
    """Return a value as it is written; raises ExpressionError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str | None):
        raise ExpressionError(f"{as_written(value)} is not a value; write a number, a variable or NULL")
    parse_value(value)
    return value


def check_place(value: object) -> str:
    """Return a place as it is written; raises ExpressionError if it is none."""
    if not isinstance(value, str):
        raise ExpressionError(f"{as_written(value)} is not a place; write a variable, buffer[8], p[i] or *p")
    parse_place(value)
    return value


def check_address(value: object) -> str:
    """Return an address as it is written; raises ExpressionError if it is none."""
    if not isinstance(value, str):
        raise ExpressionError(f"{as_written(value)} is not an address; write p, p + 8, buffer or &n")
    parse_address(value)
    return value


def check_size(value: object) -> str:
    """Return a size, or the value that is one, as it is written; raises UnitError or ExpressionError."""
    size_of(value)
    return str(value)


def size_of(value: object) -> Sum:
    """Return the value that a size stands for: bytes with their unit, or a variable."""
    if isinstance(value, str) and (value.lstrip()[:1].isalpha() or value.lstrip()[:1] in {"_", "&"}):
        return parse_value(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        raise UnitError(f"{value} has no unit; write {value}B, or a variable that holds a number of bytes")
    try:
        return Sum(((1, Number(parse_size(value))),))
    except UnitError as error:
        raise UnitError(f"{error}; or a variable that holds a number of bytes") from None


def _variable_size(value: object) -> int | str:
    if value == WORD:
        return WORD
    try:
        size = parse_size(value)
    except UnitError as error:
        raise UnitError(f"{error}; or {WORD} for a number or a pointer") from None
    if not 0 < size <= MOST_BYTES:
        raise UnitError(f"an array of {value}; it takes 1B to {format_size(MOST_BYTES)}")
    return size


def _as_in_file(value: int | str, info: SerializationInfo) -> int | str:
    return format_size(value) if info.by_alias and isinstance(value, int) else value


def _no_constant(name: str) -> str:
    if name == "NULL":
        raise ExpressionError("NULL is the null pointer; give the variable another name")
    return name


VariableName = Annotated[str, Field(pattern=f"^{NAME}$", max_length=64), AfterValidator(_no_constant)]
VariableSize = Annotated[
    Any,
    BeforeValidator(_variable_size),
    PlainSerializer(_as_in_file),
    WithJsonSchema({"anyOf": [{"const": WORD}, SIZE_SCHEMA]}),
]
"""`word`, for a number or a pointer, or the size of an array."""
Value = Annotated[
    Any,
    BeforeValidator(check_value),
    WithJsonSchema({"type": ["integer", "string", "null"], "examples": [5, "n", "p + 8", "&n", "NULL"]}),
]
"""A number, a variable, an address, or a sum of such."""
PlaceText = Annotated[
    str,
    BeforeValidator(check_place),
    WithJsonSchema({"type": "string", "examples": ["p", "buffer[8]", "p[i]", "*p"]}),
]
"""What a word is stored in: a variable, or the bytes of an array or behind a pointer."""
AddressText = Annotated[
    str,
    BeforeValidator(check_address),
    WithJsonSchema({"type": "string", "examples": ["p", "p + 8", "buffer", "p[i]", "&n"]}),
]
"""Where bytes are: where a pointer points, an array, a byte of one, or the address of a variable."""
SizeValue = Annotated[
    Any,
    BeforeValidator(check_size),
    WithJsonSchema({"anyOf": [SIZE_SCHEMA, {"type": "string", "pattern": r"^\s*[A-Za-z_&]"}]}),
]
"""A size with its unit, or a variable that holds a number of bytes."""


def place_of(text: str | None) -> Place | None:
    """Return the place that a text stands for, None where there is none."""
    return None if text is None else parse_place(text)


class StepModel(BaseModel):
    """A step of a program, written {KIND: {option: value ...}}.

    Attributes:
        kind: its key.
        short: the option that may be written alone in the place of the mapping.
        bare: the key may be written alone, without any option.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]
    short: ClassVar[str | None] = None
    bare: ClassVar[bool] = False

    @model_validator(mode="before")
    @classmethod
    def _in_full(cls, given: object) -> object:
        if isinstance(given, Mapping | cls):
            return given
        if given is None and cls.bare:
            return {}
        return given if cls.short is None else {cls.short: given}

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        """What was not given stays out: to give nothing is something else than to leave out."""
        keys = {name: field.alias or name for name, field in type(self).model_fields.items()}
        given = [keys[name] if info.by_alias else name for name in keys if name in self.model_fields_set]
        return {key: value for key, value in handler(self).items() if key in given}


class StepKey(UnderKey):
    """Marks the model of a step that the file writes under its key, in short where the model says so.

    Args:
        model: the step's.
        kind: its key.
    """

    def __init__(self, kind: str, model: type[BaseModel]) -> None:
        super().__init__(kind, short=getattr(model, "bare", False))
        self._model = model

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        forms = [handler(schema)]
        short = getattr(self._model, "short", None)
        if short is not None:
            field = self._model.model_fields[short]
            alone: Any = field.annotation
            if field.metadata:
                alone = Annotated[(alone, *field.metadata)]
            forms.insert(0, TypeAdapter(alone).json_schema())
        forms += getattr(self._model, "other_forms", [])
        if self.short:
            forms.append({"type": "null"})
        mapping = {
            "type": "object",
            "properties": {self.kind: {"description": inspect.getdoc(self._model), "anyOf": forms}},
            "required": [self.kind],
            "additionalProperties": False,
        }
        return {"anyOf": [{"const": self.kind}, mapping]} if self.short else mapping


Byte = Annotated[int, Field(strict=True, ge=0, le=255)]
