"""Worker processes: the same outcomes as threads, and none is lost with a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from emotrace.batch import engine as engines
from emotrace.batch.engine import LocalEngine
from emotrace.batch.manifests import jobs_of
from emotrace.batch.options import BatchProgress
from emotrace.batch.runner import run_batch
from emotrace.errors import ModelError
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import Recognizer
from tests.batch import workers
from tests.batch.made import batch, clips, found, logged, rows
from tests.cli.command import square, unmeasured, write

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and /proc")

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "FEW", 0)


def engine(load: Callable[[], Recognizer], count: int = 2) -> LocalEngine:
    options = PipelineOptions.of(checks=False)
    return LocalEngine(workers.steady(), options, workers=count, load=load)


def children(pid: int | None = None) -> set[int]:
    """Processes that a process has started."""
    tasks = Path(f"/proc/{pid or os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


def test_the_same_as_threads(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 6)
    (folder / "broken.wav").write_bytes(b"no")
    (tmp_path / "list.csv").write_text(
        "file,start,end\nin/c00.wav,0,0.15\nin/c01.wav,,\nin/c00.wav,0.05,0.2\nin/c03.wav,5,6\n"
    )
    inputs = [str(folder), str(tmp_path / "list.csv")]
    batch(inputs, tmp_path / "threads")
    before = children()
    run_batch(jobs_of(inputs), tmp_path / "processes", engine(workers.steady))
    assert rows(tmp_path / "processes") == rows(tmp_path / "threads")
    assert len(rows(tmp_path / "threads")) == 10
    assert children() == before


def test_a_recording_that_ends_its_process_is_one_failure(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 7), tmp_path / "out"
    write(folder / "fatal.wav", square(1.0, 0.2))
    run_batch(jobs_of([str(folder)]), out, engine(workers.fatal))
    assert found(out)[-1] == ("fatal.wav", "crash")
    assert [emotion for _, emotion in found(out)[:-1]].count("crash") == 0
    assert "SIGKILL" in rows(out)[-1]["error"]["reason"]
    assert len(set(logged(out))) == len(logged(out)) == 8


def test_a_process_that_ends_once_costs_nothing(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 8), tmp_path / "out"  # c07 is as loud as can be
    (tmp_path / "list.csv").write_text(
        "file,start,end\nin/c00.wav,0,0.1\nin/c07.wav,0.1,0.2\nin/c07.wav,0,0.1\n"
    )
    inputs = [str(folder), str(tmp_path / "list.csv")]
    run_batch(jobs_of(inputs), out, engine(partial(workers.fatal_once, tmp_path / "mark"), 1))
    assert (tmp_path / "mark").exists()
    batch(inputs, tmp_path / "calm")
    assert rows(out) == rows(tmp_path / "calm")
    assert len(set(logged(out))) == len(logged(out)) == 11


def test_many_of_them_in_a_row_stop_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.batch.runner.ENOUGH", 2)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        write(folder / f"{number}.wav", square(1.0, 0.2))
    report = run_batch(jobs_of([str(folder)]), tmp_path / "out", engine(workers.fatal))
    assert report.stopped is not None and "2 inputs failed in a row" in report.stopped
    assert logged(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("load", "told"), [(workers.broken, "is broken; install"), (workers.other, "expected fake 000000000000")]
)
def test_a_model_that_cannot_be_loaded_there(
    load: Callable[[], Recognizer], told: str, tmp_path: Path
) -> None:
    before = children()
    with pytest.raises(ModelError, match=told):
        run_batch(jobs_of([str(clips(tmp_path / "in"))]), tmp_path / "out", engine(load))
    assert children() == before


def test_ctrl_c_ends_all_processes(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 60), tmp_path / "out"
    before = children()

    def interrupt(progress: BatchProgress) -> None:
        if progress.done == 5:
            assert children() > before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(jobs_of([str(folder)]), out, engine(workers.slow), on_progress=interrupt)
    assert children() == before
    assert len(logged(out)) == 5
    assert batch([folder], out).record["done_now"] == 55


_BATCH = """
from emotrace.batch import engine
from tests.batch import test_processes, workers
engine.FEW = 0
jobs = test_processes.jobs_of([{folder!r}])
test_processes.run_batch(jobs, {out!r}, test_processes.engine(workers.slow))
"""


def test_killed_its_workers_end_and_it_goes_on(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 60), tmp_path / "out"
    code = _BATCH.format(folder=str(folder), out=str(out))
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=unmeasured())
    log = out / ".batch" / "log.jsonl"
    while not (log.exists() and log.stat().st_size):
        assert process.poll() is None
        time.sleep(0.01)
    started = children(process.pid)
    assert started
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while any(map(_runs, started)) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(map(_runs, started))
    run_batch(jobs_of([str(folder)]), out, engine(workers.slow))
    batch([folder], tmp_path / "calm")
    assert rows(out) == rows(tmp_path / "calm")
    assert len(set(logged(out))) == len(logged(out)) == 60


_THREADS = """
from tests.batch import test_processes, workers
options = test_processes.PipelineOptions.of(checks=False)
made = test_processes.LocalEngine(workers.fatal(), options, workers=2, load=workers.fatal, processes=False)
report = test_processes.run_batch(test_processes.jobs_of([{folder!r}]), {out!r}, made)
print(report.record["done_now"])
"""


def test_a_recording_that_ends_the_command_is_read_by_a_process_the_next_time(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 7), tmp_path / "out"
    write(folder / "c03 音\n.wav", square(1.0, 0.2))
    command = [sys.executable, "-c", _THREADS.format(folder=str(folder), out=str(out))]
    run = partial(
        subprocess.run, command, cwd=ROOT, env=unmeasured(), capture_output=True, text=True, check=False
    )
    assert run().returncode == -signal.SIGKILL
    assert "\\u97f3" in (out / ".batch" / "begun.json").read_text()
    assert run().returncode == 0
    assert found(out)[3] == ("c03 音\n.wav", "crash")
    assert [code for _, code in found(out)].count("crash") == 1
    assert len(set(logged(out))) == len(logged(out)) == 8
    assert not (out / ".batch" / "begun.json").exists()
    assert [run().stdout for _ in range(3)] == ["1\n", "1\n", "0\n"]  # it is tried so often, then no more


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
