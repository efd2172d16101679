"""The page on writing a scheduler does what it says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

import timeshare

PAGE = Path(__file__).parents[2] / "docs/own-scheduler.md"


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Put the page's two classes into modules of their own."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for name, block in zip(("fewest", "fewest_fast"), blocks, strict=True):
        (tmp_path / f"{name}.py").write_text(block)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("page")
@pytest.mark.parametrize("name", ["fewest:Fewest", "fewest_fast:FewestFast"])
def test_the_pages_scheduler_is_fair(name):
    """Both versions of it keep three to two to one within a quantum."""
    result = timeshare.simulate("fair-three", scheduler=name)
    got = result.table("processes")["cpu_s"].tolist()
    assert got == pytest.approx([30, 20, 10], abs=0.021)


@pytest.mark.usefixtures("page")
def test_it_can_be_compared_by_name():
    """A policy from a module stands beside ours in a comparison."""
    result = timeshare.compare("fair-three", ["fewest:Fewest", "stride"], replications=1)
    assert result.manifest.schedulers == ("fewest:Fewest", "stride")
