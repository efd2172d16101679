"""The profile's file: to bytes and back."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from workloads.vision.profile_format import (
    FORMAT,
    FORMAT_VERSION,
    MemoryEvents,
    Operations,
    Profile,
    ProfileError,
    check,
)

if TYPE_CHECKING:
    from collections.abc import Callable

INT64_MAX = 2**63 - 1


def encode(profile: Profile) -> bytes:
    """Return the bytes of the profile's file; equal profiles give equal bytes."""
    plain: dict[str, Any] = {field.name: getattr(profile, field.name) for field in fields(profile)}
    ops, memory = profile.ops, profile.memory
    names, modules = sorted(set(ops.name)), sorted(set(ops.module))
    name_index = {name: index for index, name in enumerate(names)}
    module_index = {module: index for index, module in enumerate(modules)}
    plain["format"] = FORMAT
    plain["ops"] = {
        "names": names,
        "modules": modules,
        "name": [name_index[name] for name in ops.name],
        "module": [module_index[module] for module in ops.module],
        "cpu_ns": ops.cpu_ns,
        "cpu_p10_ns": ops.cpu_p10_ns,
        "cpu_p90_ns": ops.cpu_p90_ns,
    }
    plain["memory"] = {
        "op": memory.op,
        "after": [int(after) for after in memory.after],
        "block": memory.block,
        "bytes": memory.bytes,
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as file:
        file.write(text.encode())
    return packed.getvalue()


def decode(packed: bytes, where: str) -> Profile:
    """Read a profile from its file's bytes and check that its parts agree.

    Args:
        packed: the file's content.
        where: the file's name, for messages.

    Raises:
        ProfileError: not a profile, damaged, of a later version, or contradicting itself.
    """
    plain = _unpack(packed, where)
    if not isinstance(plain, dict) or plain.get("format") != FORMAT:
        raise ProfileError(f"{where} is not a profile: it lacks the mark {FORMAT!r}.")
    version = _integer(plain.get("version"), f"{where}: version")
    if version > FORMAT_VERSION:
        raise ProfileError(
            f"{where} is a profile of version {version}; this timeshare knows up to version "
            f"{FORMAT_VERSION}. Upgrade timeshare to read it."
        )
    values: dict[str, Any] = {}
    for field in fields(Profile):
        if field.name not in plain:
            raise ProfileError(f"{where} is damaged: it lacks {field.name!r}.")
        values[field.name] = _READERS[str(field.type)](plain[field.name], f"{where}: {field.name}")
    profile = Profile(**values)
    check(profile, where)
    return profile


def _unpack(packed: bytes, where: str) -> object:
    if not packed:
        raise ProfileError(f"{where} is damaged: it is empty.")
    try:
        return json.loads(gzip.decompress(packed))
    except gzip.BadGzipFile:
        if packed[:2] == b"\x1f\x8b":
            raise ProfileError(f"{where} is damaged: its checksum does not fit its content.") from None
        raise ProfileError(f"{where} is not a profile: it is not gzip-compressed.") from None
    except EOFError:
        raise ProfileError(f"{where} is damaged: it ends too early. Copy or record it again.") from None
    except (zlib.error, ValueError, RecursionError) as error:
        raise ProfileError(f"{where} is not a sound profile: {error}.") from None


def _string(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ProfileError(f"{where} must be a text.")
    return value


def _integer(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ProfileError(f"{where} must be a whole number.")
    if abs(value) > INT64_MAX:
        raise ProfileError(f"{where} does not fit 64 bits: {value}.")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise ProfileError(f"{where} must be a list.")
    return value


def _integers(value: object, where: str) -> tuple[int, ...]:
    return tuple(_integer(item, where) for item in _list(value, where))


def _strings(value: object, where: str) -> tuple[str, ...]:
    return tuple(_string(item, where) for item in _list(value, where))


def _table(value: object, where: str, columns: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProfileError(f"{where} must be an object.")
    for column in columns:
        if column not in value:
            raise ProfileError(f"{where} lacks {column!r}.")
    return value


def _string_map(value: object, where: str) -> dict[str, str]:
    return {key: _string(item, where) for key, item in _table(value, where, ()).items()}


def _looked_up(table: dict[str, Any], column: str, dictionary: str, where: str) -> tuple[str, ...]:
    words = _strings(table[dictionary], f"{where}: {dictionary}")
    indices = _integers(table[column], f"{where}: {column}")
    if indices and not 0 <= min(indices) <= max(indices) < len(words):
        raise ProfileError(f"{where}: {column} points outside {dictionary}.")
    return tuple(words[index] for index in indices)


def _operations(value: object, where: str) -> Operations:
    numbers = ("cpu_ns", "cpu_p10_ns", "cpu_p90_ns")
    table = _table(value, where, ("names", "modules", "name", "module", *numbers))
    return Operations(
        _looked_up(table, "name", "names", where),
        _looked_up(table, "module", "modules", where),
        *(_integers(table[column], f"{where}: {column}") for column in numbers),
    )


def _memory_events(value: object, where: str) -> MemoryEvents:
    table = _table(value, where, ("op", "after", "block", "bytes"))
    columns = {
        column: _integers(table[column], f"{where}: {column}") for column in ("op", "after", "block", "bytes")
    }
    if not {*columns["after"]} <= {0, 1}:
        raise ProfileError(f"{where}: after must be 0 or 1.")
    after = tuple(bool(item) for item in columns["after"])
    return MemoryEvents(op=columns["op"], after=after, block=columns["block"], bytes=columns["bytes"])


_READERS: dict[str, Callable[[object, str], object]] = {
    "str": _string,
    "int": _integer,
    "tuple[int, ...]": _integers,
    "tuple[str, ...]": _strings,
    "dict[str, str]": _string_map,
    "Operations": _operations,
    "MemoryEvents": _memory_events,
}
