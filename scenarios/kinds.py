"""Keys of the scenario file that take one of several kinds: `KIND` or `{KIND: {option: value ...}}`."""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from scenarios.problems import Finding, did_you_mean, findings_error, known_words


class UnderKey:
    """Marks a model that the file writes under a key of its own: `{camera: {fps: 10}}`.

    Args:
        kind: the key.
        short: the kind may be written without a mapping, because all its options have defaults.
    """

    def __init__(self, kind: str, *, short: bool = False) -> None:
        self.kind = kind
        self.short = short

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
        return {"anyOf": [{"const": self.kind}, mapping]} if self.short else mapping


def only_kind(value: Mapping[Any, Any], kinds: Collection[str], what: str, forms: str) -> object:
    """Return a mapping that has exactly one known kind as its key.

    Args:
        value: as it stands in the file.
        kinds: the known ones.
        what: the plural of what they are kinds of.
        forms: how they are written, for the message.

    Raises:
        PydanticCustomError: an unknown kind, or not one alone.
    """
    unknown = [str(key) for key in value if key not in kinds]
    if unknown:
        raise findings_error(
            [
                Finding(
                    (key,),
                    f"unknown kind of {what}{did_you_mean(key, kinds)} {known_words(kinds)}",
                    on_key=True,
                )
                for key in unknown
            ]
        )
    if len(value) != 1:
        raise findings_error([Finding((), f"{what} are of one kind, not of {len(value)}: {forms}")])
    return value
