"""The translation mechanisms by the names that scenarios give them."""

from __future__ import annotations

from simulator.memory.base_and_bounds import BaseAndBoundsMechanism
from simulator.memory.one_program import OneProgramMechanism
from simulator.memory.paging.mechanism import PagingMechanism
from simulator.memory.segmentation.mechanism import SegmentationMechanism
from simulator.memory.static_relocation import StaticRelocationMechanism

MECHANISMS = {
    mechanism.name: mechanism
    for mechanism in (
        OneProgramMechanism,
        StaticRelocationMechanism,
        BaseAndBoundsMechanism,
        SegmentationMechanism,
        PagingMechanism,
    )
}
"""In the order in which OSTEP comes to them."""
