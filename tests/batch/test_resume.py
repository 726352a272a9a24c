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
    # the tables take 34 steps: two files for each clip, the table's rename, three more files
    moments = [chance.randint(1, 6), chance.randint(1, 6), chance.randint(8, 40), chance.randint(4, 34)]
    for at in moments:
        assert killed(folder, harried, at, "parquet") == -signal.SIGKILL, moments
    assert killed(folder, harried, 0, "parquet") == 0
    assert rows(harried) == rows(calm), moments
    assert parquet_rows(harried) == parquet_rows(calm), moments
    assert sorted(logged(harried)) == sorted(logged(calm)), moments  # each done once
    assert files(harried) == files(calm), moments  # nothing is left over


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_the_command_killed_at_any_time(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(60):
        write(folder / f"{number}.wav", square(0.1 + number / 100, 0.3 + number / 100))
    arguments = ["batch", str(folder), "--no-checks", "--format", "jsonl", "--progress", "none", "--out"]
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    subprocess.run([*COMMAND, *arguments, str(calm)], env=unmeasured(), check=True, capture_output=True)
    for _ in range(4):
        process = subprocess.Popen(
            [*COMMAND, *arguments, str(harried)], env=unmeasured(), stdout=-3, stderr=-3
        )
        before = _size(harried)
        while process.poll() is None and _size(harried) == before:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        process.wait()
    subprocess.run([*COMMAND, *arguments, str(harried)], env=unmeasured(), check=True, capture_output=True)
    assert rows(harried) == rows(calm)
    assert len(rows(calm)) == 60
    assert sorted(logged(harried)) == sorted(logged(calm))


def _size(out: Path) -> int:
    log = out / ".batch" / "log.jsonl"
    return log.stat().st_size if log.exists() else 0
