"""Many mallocs and frees in one call of the allocator's rule, interpreted or as machine code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from simulator.memory.allocator import events, layout
from simulator.memory.allocator.blocks import chunk_bytes
from simulator.memory.allocator.machine_code import compiled_run_events
from simulator.memory.errors import InvalidFree, OutOfMemory
from simulator.memory.heap_outcome import NameTakenError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from simulator.memory.allocator.layout import Cells
    from simulator.memory.heap_state import HeapState
    from simulator.memory.heap_supply import HeapSupply

    Int64s = NDArray[np.int64]

Engine = Literal["auto", "interpreted", "compiled"]

EVENTS_WORTH_COMPILING = 200_000
"""From so many events of a heap on, machine code is worth having: loading it takes half a second."""


class EventRunner:
    """Carries out events on a heap's state.

    Args:
        state: the heap's arrays.
        supply: serves what the rule wants of the system.
        engine: how; "auto" begins interpreted.
    """

    def __init__(self, state: HeapState, supply: HeapSupply, engine: Engine) -> None:
        self._state = state
        self._supply = supply
        self._engine = engine
        self._events = 0

    def run(
        self, names: Int64s, sizes: Int64s, addresses: Int64s, out: Int64s
    ) -> tuple[int, OutOfMemory | InvalidFree | None]:
        """Carry out events until all are done or one fails; return how many were done, and the error.

        Args:
            names: int64[events], the number of each event's block.
            sizes: int64[events], > 0 allocates, < 0 frees.
            addresses: int64[numbers], where each block lies, 0 if it is not alive.
            out: int64[7, events], filled (`simulator.memory.heap_outcome.Outcome`).

        Raises:
            NameTakenError: an event allocates under the number of a block that is alive.
        """
        state, count, done = self._state, len(sizes), 0
        compiled = self._is_worth_compiling(count)
        run: Any = compiled_run_events() if compiled else events.run_events
        columns = (names, sizes, addresses, *out)
        arguments: Any = columns if compiled else [column.data for column in columns]
        while True:
            # Taken anew each time: serving may have put larger arrays in their place.
            views = state.arrays if compiled else (state.cells, state.heap, state.index)
            done = int(run(*views, *arguments, done))
            wants = state.heap[layout.WANTS]
            if wants == layout.NOTHING and done == count:
                self._supply.settle()
                return count, None
            try:
                if wants == layout.NO_BLOCK:
                    raise invalid_address("free", int(addresses[names[done]]), state.index)
                if wants == layout.NAME_TAKEN:
                    state.heap[layout.WANTS] = layout.NOTHING
                    raise NameTakenError(done)
                self._supply.serve(chunk_bytes(state.heap, int(sizes[done])) if done < count else 0)
            except (OutOfMemory, InvalidFree) as error:
                state.heap[layout.WANTS] = layout.NOTHING
                self._supply.settle()
                return done, error

    def _is_worth_compiling(self, events_to_come: int) -> bool:
        self._events += events_to_come
        if self._engine == "auto":
            return self._events >= EVENTS_WORTH_COMPILING
        return self._engine == "compiled"


def invalid_address(call: str, address: int, index: Cells) -> InvalidFree:
    """Return the error of a call with an address where no block begins; 0 for a block without an address."""
    if address == 0:
        return InvalidFree(f"invalid {call}: no such block is alive", 0)
    freed = layout.chunk_at(index, address) == layout.FREED
    why = "it was freed before" if freed else "malloc never returned it"
    return InvalidFree(f"invalid {call} of address {address:#x}: {why}", address)
