"""The scenarios that come with timeshare."""

from functools import cache
from importlib import resources

from scenarios.yaml_tree import read_tree

_SUFFIX = ".yaml"


@cache
def library_names() -> tuple[str, ...]:
    """Return the names of the library's scenarios, sorted."""
    files = resources.files("scenarios.library").iterdir()
    return tuple(sorted(file.name.removesuffix(_SUFFIX) for file in files if file.name.endswith(_SUFFIX)))


def library_text(name: str) -> str:
    """Return the YAML text of a library scenario; `name` must be one of `library_names()`."""
    return resources.files("scenarios.library").joinpath(name + _SUFFIX).read_text(encoding="utf-8")


def library_titles() -> dict[str, str]:
    """Return the first line of each library scenario's description, by name, sorted by name."""
    titles = {}
    for name in library_names():
        description = read_tree(library_text(name), name).value["description"]
        titles[name] = description.strip().splitlines()[0]
    return titles
