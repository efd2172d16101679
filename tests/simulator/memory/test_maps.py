"""Maps stay small: where there are more pieces than can be seen, memory is looked at in places."""

from __future__ import annotations

from simulator.memory.maps import MOST_PIECES, pieces_of
from simulator.memory.paging.frames import Frames
from simulator.memory.physical import Holding


def interleaved(frames_in_turn: int, count: int) -> Frames:
    """Memory in which two owners' frames take turns."""
    memory = Frames(count * 4096, 4096)
    for turn in range(count // frames_in_turn):
        memory.allocate(frames_in_turn, "ab"[turn % 2])
    return memory


def test_a_map_with_few_pieces_is_exact() -> None:
    """It is what the memory's own list says."""
    memory = interleaved(16, 512)
    assert pieces_of(memory) == memory.holdings()
    assert len(memory.holdings()) == 32


def test_a_map_with_many_pieces_is_sampled() -> None:
    """Each piece is the owner's in some place, none overlaps another, and the free part stays free."""
    frames = Frames(8192 * 4096, 4096)
    for turn in range(4096):
        frames.allocate(1, "ab"[turn % 2])
    pieces = pieces_of(frames)
    assert len(pieces) <= MOST_PIECES
    assert pieces[-1].base + pieces[-1].size == 4096 * 4096
    end = 0
    for piece in pieces:
        assert piece.base >= end
        end = piece.base + piece.size
        assert frames.holdings()[piece.base // 4096].owner == piece.owner


def test_neighbouring_frames_of_one_owner_are_one_piece() -> None:
    """And a hole between them parts them."""
    memory = Frames(16 * 4096, 4096)
    first = memory.allocate(8, "a")
    memory.allocate(4, "b")
    memory.release(first[2:4])
    assert memory.holdings() == (
        Holding(0, 2 * 4096, "a"),
        Holding(4 * 4096, 4 * 4096, "a"),
        Holding(8 * 4096, 4 * 4096, "b"),
    )
    assert memory.largest_hole_bytes == 4 * 4096
    memory.check()
