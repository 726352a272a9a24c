"""``emotrace models verify`` and ``remove``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from emotrace.models.registry import builtin_folder
from tests.cli.conftest import Run
from tests.models.packages import package


def test_verify_without_problems(run: Run, home: Path) -> None:
    package(home / "models" / "mine", name="mine")
    code, out, err = run("models", "verify")
    assert (code, err) == (0, "")
    assert "files          right  1 files" in out
    assert run("models", "verify", str(builtin_folder()))[0] == 0
    code, out, err = run("models", "verify", "nope")
    assert (code, out) == (6, "")
    assert "is not installed" in err


def test_remove_asks_where_somebody_can_answer(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    folder = home / "models" / "mine"
    package(folder, name="mine")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (2, "")
    assert "add --yes" in err
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (0, "")
    assert err.splitlines() == [f"emotrace: remove '{folder}'? [y/N]", "emotrace: nothing was removed"]
    assert folder.exists()
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    code, out, err = run("models", "remove", "mine")
    assert (code, out) == (0, "")
    assert f"removed '{folder}'" in err
    assert not folder.exists()


@pytest.mark.parametrize("name", ["compact", "nope", "..", "../models"])
def test_what_is_no_installed_model_is_not_removed(run: Run, home: Path, name: str) -> None:
    package(home / "models" / "mine", name="mine")
    code, out, _ = run("models", "remove", name, "--yes")
    assert (code, out) == (6, "")
    assert (home / "models" / "mine").exists()
