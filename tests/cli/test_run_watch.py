"""``emotrace run`` and ``emotrace watch``, as they are typed."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emotrace.cli import exit_codes
from tests.cli.command import COMMAND, run, unmeasured

SAMPLE = Path(__file__).parents[2] / "src" / "emotrace" / "sample"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample under two names, and a file that is none."""
    folder = tmp_path / "calls"
    folder.mkdir()
    [sample] = [
        path for path in SAMPLE.iterdir() if path.suffix in (".flac", ".wav", ".ogg", ".mp3", ".opus")
    ]
    for name in ("one", "二"):
        shutil.copy(sample, folder / f"{name}{sample.suffix}")
    (folder / "broken.wav").write_bytes(b"no")
    return folder


def test_run(folder: Path, tmp_path: Path) -> None:
    done = run("run", folder, cwd=tmp_path)
    assert done.returncode == exit_codes.SOME_FAILED
    assert done.stdout.startswith("3 recordings: ")
    assert done.stdout.endswith(", 1 failed\n")
    out = tmp_path / "outputs" / "run_calls"
    assert f"the report is {str(out.relative_to(tmp_path) / 'report.html')!r}" in done.stderr
    assert len(list(out.glob("*/outputs_*/result.json"))) == 2
    again = run("run", folder, "--json", cwd=tmp_path)
    assert again.returncode == exit_codes.SOME_FAILED
    assert json.loads(again.stdout)["done_now"] == 0


@pytest.mark.parametrize("given", ["missing", "broken.wav"])
def test_run_of_no_folder(folder: Path, given: str) -> None:
    done = run("run", folder / given)
    assert done.returncode == exit_codes.INPUT
    assert "expected a folder of recordings" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_refuses_the_recordings_as_its_output(folder: Path, tmp_path: Path) -> None:
    done = run("run", ".", "--out", folder, cwd=folder)
    assert done.returncode == exit_codes.USAGE
    assert "is the folder of the recordings" in done.stderr
    assert not (folder / ".batch").exists()


def test_run_refuses_another_smoothing(folder: Path, tmp_path: Path) -> None:
    run("run", folder, "--out", tmp_path / "out", "--no-audio")
    done = run("run", folder, "--out", tmp_path / "out", "--smooth", "none")
    assert done.returncode == exit_codes.INPUT
    assert "other options" in done.stderr


def test_watch_once(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("watch", folder, "--out", out, "--once", "--settle", "0.1", "--interval", "0.1")
    assert done.returncode == exit_codes.SOME_FAILED
    assert len(done.stdout.splitlines()) == 2
    assert "broken.wav" in done.stderr
    done = run("watch", folder, "--out", out, "--once", "--settle", "0.1", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_watch_until_it_is_told_to_stop(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--out", str(out), "--settle", "0.1", "--interval", "0.1", "--json"]
    command = [*COMMAND, "watch", str(folder), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=unmeasured()
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        shutil.move(folder / "broken.wav", folder / "moved.wav")
        lines.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == exit_codes.TERMINATED
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert sorted(Path(line["file"]).stem for line in lines) == ["broken", "moved", "one", "二"]
    assert len((out / "results.jsonl").read_text().splitlines()) == 4


def test_watch_options(folder: Path, tmp_path: Path) -> None:
    done = run("watch", folder, "--out", tmp_path / "out", "--settle", "-1")
    assert done.returncode == exit_codes.USAGE
    assert "expected 0 to 3600 seconds" in done.stderr
