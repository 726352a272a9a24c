"""``emotrace run``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emotrace.cli import exit_codes
from tests.cli.command import run


def test_run(calls: Path, tmp_path: Path) -> None:
    done = run("run", calls, cwd=tmp_path)
    assert done.returncode == exit_codes.SOME_FAILED
    assert done.stdout.startswith("3 recordings: ")
    assert done.stdout.endswith(", 1 failed\n")
    out = tmp_path / "outputs" / "run_calls"
    assert f"the report is {str(out.relative_to(tmp_path) / 'report.html')!r}" in done.stderr
    assert len(list(out.glob("*/outputs_*/result.json"))) == 2
    again = run("run", calls, "--json", cwd=tmp_path)
    assert again.returncode == exit_codes.SOME_FAILED
    assert json.loads(again.stdout)["done_now"] == 0


@pytest.mark.parametrize("given", ["missing", "broken.wav"])
def test_run_of_no_folder(calls: Path, given: str) -> None:
    done = run("run", calls / given)
    assert done.returncode == exit_codes.INPUT
    assert "expected a folder of recordings" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_refuses_the_recordings_as_its_output(calls: Path, tmp_path: Path) -> None:
    done = run("run", ".", "--out", calls, cwd=calls)
    assert done.returncode == exit_codes.USAGE
    assert "is the folder of the recordings" in done.stderr
    assert not (calls / ".batch").exists()


def test_run_refuses_another_smoothing(calls: Path, tmp_path: Path) -> None:
    run("run", calls, "--out", tmp_path / "out", "--no-audio")
    done = run("run", calls, "--out", tmp_path / "out", "--smooth", "none")
    assert done.returncode == exit_codes.INPUT
    assert "other options" in done.stderr
