from __future__ import annotations

from pathlib import Path

import pytest

from emotrace.sample import sample_path
from tests.cli.conftest import Run


def test_the_sample_is_there(run: Run) -> None:
    code, out, _ = run("sample")
    assert code == 0
    assert Path(out.strip()) == sample_path()
    assert sample_path().stat().st_size > 1000


def test_a_missing_sample_is_one_sentence(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.sample.__file__", str(tmp_path / "__init__.py"))
    code, out, err = run("sample")
    assert (code, out) == (3, "")
    assert "install emotrace again" in err
