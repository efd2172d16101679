"""The operations of one inference as torch dispatches them, and how one inference must match another."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch.utils._python_dispatch import TorchDispatchMode

from workloads.vision.profile_format import ProfileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from torch._ops import OpOverload

Inference = Callable[[], None]
"""Runs the model once and lets go of its output."""


def name_of(operation: OpOverload) -> str:
    """Return an operation's name as torch's profiler writes it: "aten::add", without the overload."""
    full_name: str = operation.name()  # type: ignore[no-untyped-call]  # torch's own
    return full_name.partition(".")[0]


class Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves its class untyped
    """A dispatch mode, with types: while it is on, torch hands it every operation."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()  # type: ignore[no-untyped-call]  # see above

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # see above


class Calls(Mode):
    """Lists every operation dispatched while it is on, with the arguments if wanted.

    Keeping the arguments keeps every intermediate tensor of the inference alive.
    """

    def __init__(self, *, keep_arguments: bool = False) -> None:
        super().__init__()
        self.operations: list[OpOverload] = []
        self.arguments: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._keep = keep_arguments

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Note the call, then run it."""
        kwargs = kwargs or {}
        self.operations.append(func)
        if self._keep:
            self.arguments.append((args, kwargs))
        return func(*args, **kwargs)


def require_same(first: list[str], again: list[str], pass_name: str) -> None:
    """Raise `ProfileError` unless a later inference ran the same operations as the first.

    A profile is merged from several inferences, operation by operation, and stands for all of them; a model
    whose operations depend on more than its input cannot be recorded so.
    """
    if first == again:
        return
    index = next(
        (index for index, (old, new) in enumerate(zip(first, again, strict=False)) if old != new),
        min(len(first), len(again)),
    )
    old, new = (names[index] if index < len(names) else "the end" for names in (first, again))
    raise ProfileError(
        f"The model did not repeat its operations on the same input: at operation {index} it ran {old} first "
        f"and {new} in {pass_name}. A profile stands for every inference, so the operations must not depend "
        "on chance or on earlier inferences."
    )


class ModulePaths(Calls):
    """Lists every operation with the path of the module that was running, such as "layer1.0.conv1"."""

    def __init__(self) -> None:
        super().__init__()
        self.running: list[str] = []
        self.paths: list[str] = []

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> object:
        """Note the call and the innermost running module, then run it."""
        self.paths.append(self.running[-1] if self.running else "")
        return super().__torch_dispatch__(func, types, args, kwargs)

    @contextmanager
    def follow(self, model: nn.Module) -> Iterator[None]:
        """Know which module of the model is running, through hooks that are gone afterwards."""
        handles = []
        for path, module in model.named_modules():
            handles.append(
                module.register_forward_pre_hook(
                    lambda *_, path=path: self.running.append(path), prepend=True
                )
            )
            handles.append(module.register_forward_hook(lambda *_: self._leave(), always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _leave(self) -> None:
        self.running.pop()
