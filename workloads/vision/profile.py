"""Profiles of models: find, read, keep them, and turn one into a demand for the CPU.

`workloads.vision.profile_format` says what a profile holds, field by field. Reading one needs no torch.

    profile = load_profile("resnet18")
    burst = to_burst(profile)
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulator.burst import Burst
from workloads.vision.profile_format import MemoryEvents, Operations, Profile, ProfileError, check
from workloads.vision.profile_json import decode, encode

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "MemoryEvents",
    "Operations",
    "Profile",
    "ProfileError",
    "list_profiles",
    "load_profile",
    "save_profile",
    "to_burst",
    "user_directory",
]

SUFFIX = ".json.gz"
SHARED_FROM_NS = 10_000
"""The least CPU time of an operation that torch would share among threads.

It cuts operations into pieces of 32,768 elements at least (`at::internal::GRAIN_SIZE`), and a profile tells
times, not elements: ten microseconds is about what the plainest operation takes on so many.
"""


def user_directory() -> Path:
    """Return where a user's own profiles live: ``$TIMESHARE_PROFILES``, else below ``~/.local/share``."""
    chosen = os.environ.get("TIMESHARE_PROFILES")
    return Path(chosen) if chosen else Path.home() / ".local/share/timeshare/profiles"


def list_profiles() -> dict[str, Traversable]:
    """Return the known profiles, name to file, by name.

    A user's profile stands before a shipped one of the same name: it was recorded on the user's machine.
    """
    found: dict[str, Traversable] = {}
    directories: list[Traversable] = [files("workloads.vision.profiles"), user_directory()]
    for directory in directories:
        if directory.is_dir():
            found |= {
                file.name.removesuffix(SUFFIX): file
                for file in directory.iterdir()
                if file.name.endswith(SUFFIX) and not file.name.startswith(".")
            }
    return dict(sorted(found.items()))


def load_profile(name_or_path: str | Path) -> Profile:
    """Read a profile by its name or from a file.

    Args:
        name_or_path: the name of a profile in `list_profiles`, or a path (a `Path`, or a text with a
            directory or the suffix ``.json.gz`` in it).

    Raises:
        ProfileError: no such profile, not a profile, damaged, of a later version, or contradicting itself.
    """
    file: Traversable
    if isinstance(name_or_path, Path) or os.sep in name_or_path or name_or_path.endswith(SUFFIX):
        file = Path(name_or_path)
    else:
        known = list_profiles()
        if name_or_path not in known:
            raise ProfileError(_unknown(name_or_path, list(known)))
        file = known[name_or_path]
    try:
        packed = file.read_bytes()
    except OSError as error:
        raise ProfileError(f"Cannot read the profile {file}: {error.strerror}.") from None
    return decode(packed, str(file))


def save_profile(profile: Profile, path: Path) -> None:
    """Write a profile to a file, whole or not at all; equal profiles give equal bytes.

    Raises:
        ProfileError: the profile contradicts itself, or the file cannot be written.
    """
    check(profile, profile.model)
    packed = encode(profile)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(packed)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ProfileError(f"Cannot write the profile {path}: {error.strerror}.") from None


def to_burst(profile: Profile) -> Burst:
    """Return one inference of the profile as one demand for the CPU, with its mallocs and frees."""
    ops, memory = profile.ops, profile.memory
    names = [
        f"{name} in {module}" if module else name for name, module in zip(ops.name, ops.module, strict=True)
    ]
    return Burst(
        op_cpu_ns=np.array(ops.cpu_ns, dtype=np.int64),
        op_names=names,
        event_op=np.array(memory.op, dtype=np.int64),
        event_after=np.array(memory.after, dtype=np.bool_),
        event_block=np.array(memory.block, dtype=np.int64),
        event_bytes=np.array(memory.bytes, dtype=np.int64),
        op_parallel=(np.array(ops.kind) == "op") & (np.array(ops.cpu_ns, np.int64) >= SHARED_FROM_NS),
    )


def _unknown(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Known profiles: {', '.join(known) or 'none'}."
    return f"There is no profile named {name!r}. {hint} Record one with `timeshare profile MODEL`."
