"""The page on programs shows what its examples print."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from reports.memory_errors import lines
from reports.result import Result
from reports.summary import summary
from scenarios.loader import parse_scenario
from scenarios.runner import Simulation
from scenarios.steps import STEPS

PAGE = (Path(__file__).parents[2] / "docs/programs.md").read_text()


def told(text: str) -> list[str]:
    """What memcheck says of a scenario's only job."""
    output = Simulation(parse_scenario(text)).run()
    (found,) = summary(Result.from_tables(output.manifest, output.tables))["memory_errors"]
    return list(lines(found))


def test_the_first_program_s_report_is_on_the_page() -> None:
    """Word by word."""
    (scenario,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (report,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert told(scenario) == report.splitlines()


def test_the_program_in_python_is_diagnosed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the places that it tells; its block is damaged less than it would be without."""
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "on_the_page.py").write_text(program)
    monkeypatch.delitem(sys.modules, "on_the_page", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    head = "name: x\nduration: 1s\nscheduler: stride\njobs:\n  a:\n    workload: on_the_page:careless\n"
    assert told(f"{head}    memory: {{memcheck: report}}\n")[1:] == [
        "  invalid write of 8 bytes at 0x100048, 0 bytes after a block of 40 bytes",
        "    in fill, line 12",
        "    called from main, line 7",
        "    allocated in main, line 7",
    ]
    plain = Simulation(parse_scenario(f"{head}    memory: {{heap: glibc}}\n"))
    plain.run()
    assert plain.machine.processes[0].ended.reason.startswith("killed: abort: free(): invalid next size")


@pytest.mark.parametrize("step", STEPS)
def test_every_step_is_explained(step: str) -> None:
    """In the table of the notation."""
    assert re.search(rf"^\| .*`{step}\b", PAGE, re.MULTILINE)
