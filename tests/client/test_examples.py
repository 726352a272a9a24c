"""The page about clients: every example on it runs against a real server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, environment
from tests.server.served import live, speech

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
HERE = "http://127.0.0.1:7860"
MUST = bool(os.environ.get("CI") or os.environ.get("EMOTRACE_REQUIRE_NODE"))


def blocks(language: str) -> list[str]:
    """The examples in one language."""
    text = PAGE.read_text("utf-8") if PAGE.is_file() else ""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with live(load=None, data_dir=tmp_path_factory.mktemp("data")) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("talk", "one", "two"):
        (tmp_path / f"{name}.wav").write_bytes(speech(2.0))
    return tmp_path


def done(command: list[str], folder: Path) -> str:
    """What a program printed that ended well."""
    environ = environment(PATH=f"{Path(COMMAND[0]).parent}:{os.environ['PATH']}")
    ended = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("script", blocks("sh"))
def test_shell(script: str, url: str, folder: Path) -> None:
    done(["bash", "-ec", script.replace(HERE, url)], folder)


@pytest.mark.parametrize("script", blocks("python"))
def test_python(script: str, url: str, folder: Path) -> None:
    assert done([sys.executable, "-c", script.replace(HERE, url)], folder).strip() or "delete" in script


@pytest.mark.parametrize("script", blocks("js"))
def test_javascript(script: str, url: str, folder: Path) -> None:
    node = shutil.which("node")
    if node is None:
        assert not MUST, "node is not installed; apt-get install nodejs"
        pytest.skip("no node")
    (folder / "example.mjs").write_text(script.replace(HERE, url), "utf-8")
    assert done([node, "example.mjs"], folder).strip()


def test_there_are_examples() -> None:
    assert len(blocks("sh")) == 2
    assert len(blocks("python")) == 7
    assert len(blocks("js")) == 2
