"""Killed at any moment, the same batch goes on and gives what an uninterrupted one gives."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.batch.made import batch, clips, logged, rows, steady
from tests.cli.command import COMMAND, square, unmeasured, write

ROOT = Path(__file__).parents[2]
CLIPS = 14


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = clips(tmp_path / "in", CLIPS)
    (folder / "broken.wav").write_bytes(b"RIFF but no more")
    return folder


def killed(folder: Path, out: Path, at: int, *formats: str) -> int:
    command = [sys.executable, "-m", "tests.batch.killed", str(folder), str(out), str(at), *formats]
    return subprocess.run(command, cwd=ROOT, env=unmeasured(), timeout=60, check=False).returncode


def parquet_rows(out: Path) -> list[dict[str, Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    return [steady(row) for row in parquet.read_table(out / "results.parquet").to_pylist()]


def files(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_while_it_writes_the_log_and_the_tables(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    batch([folder], calm, formats=("csv", "jsonl", "classic", "parquet"))
    chance = random.Random()
    # The tables take 32 steps: two files for each clip, the Parquet folder, three more files. The first two
    # runs log at most ten of the fifteen inputs.
    moments = [chance.randint(1, 6), chance.randint(1, 6), chance.randint(8, 36), chance.randint(4, 32)]
    for at in moments:
        assert killed(folder, harried, at, "parquet") == -signal.SIGKILL, moments
    assert killed(folder, harried, 0, "parquet") == 0
    assert rows(harried) == rows(calm), moments
    assert parquet_rows(harried) == parquet_rows(calm), moments
    assert sorted(logged(harried)) == sorted(logged(calm)), moments  # each done once
    assert files(harried) == files(calm), moments  # nothing is left over


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(("engine", "count", "kills"), [("local", 60, 4), ("local", 260, 4), ("ray", 60, 2)])
def test_the_command_killed_at_any_time(engine: str, count: int, kills: int, tmp_path: Path) -> None:
    """With threads, with processes (which many recordings are done by), and on Ray."""
    pytest.importorskip("ray" if engine == "ray" else "json")
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(count):
        write(folder / f"{number}.wav", square(0.1 + number / 400, 0.3 + number / 100))
    arguments = ["batch", str(folder), "--no-checks", "--format", "jsonl", "--progress", "none", "--out"]
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    subprocess.run([*COMMAND, *arguments, str(calm)], env=unmeasured(), check=True, capture_output=True)
    command = [*COMMAND, *arguments, str(harried), "--engine", engine]
    for _ in range(kills):
        process = subprocess.Popen(command, env=unmeasured(), stdout=-3, stderr=-3)
        before = _size(harried)
        while process.poll() is None and _size(harried) == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.wait()
    subprocess.run(command, env=unmeasured(), check=True, capture_output=True)
    assert [_rounded(row) for row in rows(harried)] == [_rounded(row) for row in rows(calm)]
    assert len(rows(calm)) == count
    assert sorted(logged(harried)) == sorted(logged(calm))


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Without what differs in the last digits from run to run of a model."""
    scores = {name: round(value, 4) for name, value in row["scores"].items()}
    return {**row, "scores": scores, "confidence": round(row["confidence"], 4)}


def _size(out: Path) -> int:
    log = out / ".batch" / "log.jsonl"
    return log.stat().st_size if log.exists() else 0
