from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emotrace.cli.app import main
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition import Recognizer

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
