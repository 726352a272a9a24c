"""``emotrace watch``, as it is typed."""

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


def test_watch_once(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("watch", calls, "--out", out, "--once", "--settle", "0.1", "--interval", "0.1")
    assert done.returncode == exit_codes.SOME_FAILED
    assert len(done.stdout.splitlines()) == 2
    assert "broken.wav" in done.stderr
    done = run("watch", calls, "--out", out, "--once", "--settle", "0.1", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_watch_until_it_is_told_to_stop(calls: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--out", str(out), "--settle", "0.1", "--interval", "0.1", "--json"]
    command = [*COMMAND, "watch", str(calls), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=unmeasured()
    ) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        shutil.move(calls / "broken.wav", calls / "moved.wav")
        lines.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == exit_codes.TERMINATED
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert sorted(Path(line["file"]).stem for line in lines) == ["broken", "moved", "one", "二"]
    assert len((out / "results.jsonl").read_text().splitlines()) == 4


def test_watch_options(calls: Path, tmp_path: Path) -> None:
    done = run("watch", calls, "--out", tmp_path / "out", "--settle", "-1")
    assert done.returncode == exit_codes.USAGE
    assert "expected 0 to 3600 seconds" in done.stderr
