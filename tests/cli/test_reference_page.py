from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emotrace.outputs import recognition_record
from tests.cli.command import environment
from tests.outputs.made import made

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "cli_reference.py"


def make(*arguments: str | Path, **variables: str) -> Any:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(**variables),
    )


def test_the_page_is_the_same_on_any_terminal(tmp_path: Path) -> None:
    first, second = tmp_path / "a.md", tmp_path / "b.md"
    assert make("--page", first).returncode == 0
    odd = {"COLUMNS": "40", "LANG": "zh_CN.UTF-8", "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert make("--page", second, **odd).returncode == 0
    assert first.read_text("utf-8") == second.read_text("utf-8")
    assert make("--check", "--page", second).returncode == 0


def test_a_page_that_drifted_is_found(tmp_path: Path) -> None:
    page = tmp_path / "cli.md"
    missing = make("--check", "--page", page)
    page.write_text("old", encoding="utf-8")
    old = make("--check", "--page", page)
    for done in (missing, old):
        assert done.returncode == 1
        assert "make docs" in done.stderr
    assert page.read_text("utf-8") == "old"


@pytest.fixture(scope="module")
def page() -> str:
    text: str = runpy.run_path(str(SCRIPT))["page"]()
    return text


def test_every_command_and_option_is_on_the_page(page: str) -> None:
    for command in ("emotrace", "analyze", "labels", "models list", "models info", "doctor", "sample"):
        assert f"{command}`" in page
    for option in (
        "--granularity",
        "--hop",
        "--embedding",
        "--out",
        "--csv",
        "--plot",
        "--channel",
        "--lang",
    ):
        assert f"\n  {option}" in page


def test_every_field_of_the_json_is_on_the_page(page: str) -> None:
    for field in recognition_record(made(), embedding=True):
        assert f"`{field}`" in page
