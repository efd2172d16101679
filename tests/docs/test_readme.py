"""What the README shows is what its commands print."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_readme_shows_what_its_commands_print(tmp_path):
    """Writing the outputs and the picture anew changes nothing."""
    (tmp_path / "docs/pictures").mkdir(parents=True)
    shutil.copy(ROOT / "docs/readme.py", tmp_path / "docs")
    shutil.copy(ROOT / "README.md", tmp_path)
    runpy.run_path(str(tmp_path / "docs/readme.py"))["main"]()
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()
    assert (tmp_path / "docs/pictures/camera-box-cpu-share.png").is_file()


def test_every_file_the_readme_links_to_exists():
    """No dead links into the repository."""
    text = (ROOT / "README.md").read_text()
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    local = [link for link in links if not link.startswith("http")]
    assert len(local) > 5
    assert [link for link in local if not (ROOT / link).exists()] == []
