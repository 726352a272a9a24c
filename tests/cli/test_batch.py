"""``emotrace batch``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emotrace.batch.engine import LocalEngine
from emotrace.cli import exit_codes
from emotrace.cli.request import Request
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition import Recognizer
from tests.batch.made import clips, found, logged, rows
from tests.cli.command import COMMAND, square, unmeasured, write
from tests.cli.conftest import Run


@pytest.fixture
def fake_batch(monkeypatch: pytest.MonkeyPatch, run: Run) -> Run:
    """Like ``run``, with a model that hears loudness as emotion."""

    def make(request: Request, workers: int) -> LocalEngine:
        return LocalEngine(Recognizer(encoder=FakeEncoder()), request.options(), workers=workers or 2)

    monkeypatch.setattr("emotrace.cli.batch.make_engine", make)
    return run


PLAIN = ("--no-checks", "--format", "jsonl", "--format", "csv")


def test_all_succeeded(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    code, stdout, stderr = fake_batch("batch", folder, "--out", out, *PLAIN)
    assert (code, stdout) == (0, "3 inputs: 3 results, 0 failed\n")
    assert stderr == f"emotrace: written to {str(out)!r}: results.jsonl, results.csv, summary.json\n"
    assert found(out) == [("c00.wav", "disgusted"), ("c01.wav", "fearful"), ("c02.wav", "happy")]
    code, stdout, _ = fake_batch("batch", folder, "--out", out, *PLAIN)
    assert (code, stdout) == (0, "3 inputs, 3 of them finished before: 3 results, 0 failed\n")


def test_some_failed_also_when_it_is_asked_again(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    code, stdout, stderr = fake_batch("batch", folder, "--out", out, *PLAIN, "--json")
    summary = json.loads(stdout)
    assert (code, summary["succeeded"], summary["failed"]) == (exit_codes.SOME_FAILED, 1, 1)
    assert "broken.wav' has a size of 2 bytes" in stderr
    assert fake_batch("batch", folder, "--out", out, *PLAIN)[0] == exit_codes.SOME_FAILED


def test_all_failed(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    code, stdout, stderr = fake_batch("batch", folder, "--out", out, *PLAIN)
    assert (code, stdout) == (exit_codes.INPUT, "1 input: 0 results, 1 failed\n")
    assert "holds no audio file" in stderr
    for number in range(25):
        (folder / f"{number}.wav").write_bytes(b"no")
    code, _, stderr = fake_batch("batch", folder, "--out", out, *PLAIN)
    assert code == exit_codes.INPUT
    assert stderr.count("expected an audio file") == 20
    assert "... and more failures; they all stand in the tables" in stderr


def test_too_many_failures_in_a_row(fake_batch: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("batch", *(tmp_path / f"{n}.wav" for n in range(5)), "--out", out, *PLAIN)
    code, stdout, stderr = fake_batch(*arguments, "--max-consecutive-failures", 3)
    assert (code, stdout) == (exit_codes.STOPPED, "")
    assert "stopped: 3 inputs failed in a row" in stderr and "the same command goes on" in stderr
    assert fake_batch(*arguments)[0] == exit_codes.INPUT


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--format", "xls"], exit_codes.USAGE, "expected one of parquet, csv, jsonl, classic"),
        (["--workers", "-1"], exit_codes.USAGE, "workers is -1"),
        (["--progress", "loud"], exit_codes.USAGE, "not one of 'bar', 'json', 'none'"),
        (["--granularity", "frame"], exit_codes.USAGE, "not one of 'utterance', 'segment'"),
        (["--max-consecutive-failures", "-2"], exit_codes.USAGE, "expected 0 (never) or more"),
        (["--smooth", "magic"], exit_codes.USAGE, "'magic' is not one of 'none', 'vote'"),
        (["--address", "auto"], exit_codes.USAGE, "have no effect without --engine ray"),
        (["--preset", "none"], exit_codes.USAGE, "none"),
        (["--model", "nonsense"], exit_codes.MODEL, "model 'nonsense' is not installed"),
    ],
)
def test_wrong_options(run: Run, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    found_code, _, stderr = run("batch", folder, "--out", out, *arguments)
    assert (found_code, stderr.count("\n")) == (code, 1)
    assert told in stderr
    assert not out.exists()


def test_other_options_are_refused(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    fake_batch("batch", folder, "--out", out, *PLAIN)
    code, _, stderr = fake_batch("batch", folder, "--out", out, *PLAIN, "--smooth", "hmm")
    assert code == exit_codes.INPUT
    assert "options.smoothing" in stderr and "choose another folder" in stderr


def test_smoothing_and_segments(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    code, _, _ = fake_batch("batch", folder, "--out", out, *PLAIN, "--smooth", "voting")
    assert code == 0
    assert rows(out)[0]["smoothing"]["method"] == "vote"
    assert rows(out)[0]["segments"][0]["emotion"] == "disgusted"


def test_progress_for_programs(fake_batch: Run, tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    _, _, stderr = fake_batch("batch", folder, "--out", out, *PLAIN, "--progress", "json")
    lines = [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]
    assert [line["failure"]["code"] for line in lines if "failure" in line] == ["audio"]
    last = lines[-1]["progress"]
    assert (last["done"], last["total"], last["failed"]) == (3, 3, 1)
    assert set(last) >= {"inputs_per_second", "seconds_left", "audio_seconds", "elapsed_seconds", "earlier"}


def test_without_pyarrow(fake_batch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.batch.sinks.parquet_is_there", lambda: False)
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    code, _, stderr = fake_batch("batch", folder, "--out", out, "--no-checks")
    assert code == 0
    assert "no Parquet without pyarrow: pip install 'emotrace[analysis]'" in stderr
    assert sorted(path.name for path in out.glob("results.*")) == ["results.csv", "results.jsonl"]
    code, _, stderr = fake_batch("batch", folder, "--out", out, "--format", "parquet")
    assert (code, "needs pyarrow" in stderr) == (exit_codes.MODEL, True)


def test_a_list_on_standard_input(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    names = b"\0".join(os.fsencode(path) for path in sorted(folder.iterdir()))
    command = [*COMMAND, "batch", "-", "--out", str(out), *PLAIN]
    done = subprocess.run(
        command, input=names, env=unmeasured(), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"2 inputs: 2 results, 0 failed\n"), done.stderr
    assert [name for name, _ in found(out)] == ["c00.wav", "c01.wav"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGINT")
def test_ctrl_c_leaves_a_state_that_goes_on(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(400):
        write(folder / f"{number:03d}.wav", square(0.4, 0.2))
    command = [*COMMAND, "batch", str(folder), "--out", str(out), "--format", "jsonl", "--workers", "1"]
    process = subprocess.Popen(command, env=unmeasured(), stdout=-1, stderr=-1, text=True)
    log = out / ".batch" / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (exit_codes.INTERRUPTED, "")
    first, second = stderr.splitlines()
    assert "of 400 inputs are finished; the same command goes on from there" in first
    assert second == "emotrace: interrupted"
    assert 0 < len(logged(out)) < 400
    assert int(first.split()[1]) == len(logged(out))
    assert not (out / "results.jsonl").exists()
