from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotrace.cli.app import main
from emotrace.models.encoder import FakeEncoder
from emotrace.models.registry import builtin_folder
from emotrace.recognition import Recognizer
from emotrace.sample import sample_path

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "EMOTRACE_DEBUG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: exit code, standard output, standard error."""

    def running(*arguments: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return running


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, run: Run) -> Run:
    """Like ``run``, with a model that hears loudness as emotion."""
    monkeypatch.setattr("emotrace.cli.analysis.make_recognizer", lambda _: Recognizer(encoder=FakeEncoder()))
    return run


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of installed models."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "emotrace"))
    return tmp_path / "emotrace"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a home of installed models a copy of the built-in one, called ``mine``."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    folder = tmp_path / "models" / "mine"
    shutil.copytree(builtin_folder(), folder)
    change_card(folder, name="mine")
    return folder


def change_card(folder: Path, **fields: object) -> None:
    """Change fields of a model's card."""
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def listed(run: Run) -> dict[str, dict[str, Any]]:
    """What ``emotrace models list`` gives, by name."""
    return {row["name"]: row for row in json.loads(run("models", "list", "--json")[1])}


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """A folder with the sample under two names, and a file that is no audio."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for name in ("one", "二"):
        shutil.copy(sample_path(), folder / f"{name}{sample_path().suffix}")
    (folder / "broken.wav").write_bytes(b"no")
    return folder
