"""What a null pointer does: it depends on what lies at address 0, and on who looks."""

from __future__ import annotations

import pytest

from simulator.memory.address_space import Access, Layout
from simulator.memory.errors import FaultKind, MemoryFault

LAYOUT = Layout(8192, 65536, 16384, "program")


@pytest.mark.parametrize("access", list(Access))
def test_under_paging_page_zero_is_nobody_s(mechanism_of, access: Access) -> None:
    """OSTEP ch. 23, the VAX: reading faults as well as writing, up to the end of the page."""
    space = mechanism_of("paging").create(LAYOUT, "process")
    for address in (0, 8, 4095):
        with pytest.raises(MemoryFault, match="which is not mapped") as caught:
            space.resolve(address, access)
        assert caught.value.kind is FaultKind.OUT_OF_BOUNDS
    assert space.code_start == 4096
    assert space.read(4096, 8, Access.EXECUTE) == bytes(8)


def test_segments_let_a_null_pointer_read_the_code_and_not_write_it(mechanism_of) -> None:
    """Address 0 is the code's first byte, and the code's protection bits are all there is."""
    space = mechanism_of("segmentation").create(LAYOUT, "process")
    assert space.read(0, 8) == bytes(8)
    with pytest.raises(MemoryFault, match="which allows rx alone"):
        space.write(0, b"x")


@pytest.mark.parametrize("name", ["none", "base-and-bounds"])
def test_without_protection_within_a_space_a_null_pointer_writes_over_the_code(mechanism_of, name) -> None:
    """The hardware tells no address within the bounds from another."""
    mechanism = mechanism_of(name)
    space = mechanism.create(LAYOUT, "process")
    mechanism.run_on(space, 0, 0)
    space.write(0, b"damage")
    assert space.read(space.code_start, 6) == b"damage"


def test_with_static_relocation_it_is_somebody_else_s_memory(mechanism_of) -> None:
    """Address 0 is where the first program was loaded, whoever writes there."""
    mechanism = mechanism_of("static-relocation")
    first, second = mechanism.create(LAYOUT, "first"), mechanism.create(LAYOUT, "second")
    second.write(0, b"damage")
    assert first.read(first.code_start, 6) == b"damage"
