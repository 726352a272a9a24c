from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.batch import parquet as parquet_sink
from emotrace.batch import team, work
from emotrace.batch.engine import LocalEngine, OnBegin, not_told
from emotrace.batch.entries import TRIES
from emotrace.batch.jobs import Job, Outcome, file_state
from emotrace.batch.manifests import jobs_of
from emotrace.batch.options import BatchOptions, BatchProgress
from emotrace.batch.runner import run_batch
from emotrace.errors import InputError, MissingExtraError, ModelError, OptionError, OutputError
from emotrace.models.encoder import FakeEncoder
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.results import Failure, ModelInfo
from tests.batch.made import batch, clips, engine, found, logged, rows
from tests.cli.command import square, write


def test_each_input_is_one_result_or_one_error(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 3)
    (folder / "broken.wav").write_bytes(b"no")
    out = tmp_path / "out"
    report = batch([folder, tmp_path / "missing.wav"], out)
    assert found(out) == [
        ("broken.wav", "audio"),
        ("c00.wav", "disgusted"),
        ("c01.wav", "fearful"),
        ("c02.wav", "happy"),
        ("missing.wav", "audio"),
    ]
    assert [failure["file"] for failure in report.failures] == [
        str(folder / "broken.wav"),
        str(tmp_path / "missing.wav"),
    ]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["total_files"], summary["succeeded"], summary["failed"]) == (5, 3, 2)
    assert summary["emotions"]["happy"] == 1
    assert summary["success_count"] == 3
    assert summary["audio_seconds"] == pytest.approx(0.6)
    assert summary["failures"] == report.failures
    with (out / "results.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["status"] for row in table] == ["failed", "ok", "ok", "ok", "failed"]
    assert table[3]["emotion"] == "happy"
    assert float(table[3]["happy"]) == float(table[3]["confidence"])
    assert "expected an audio file" in table[4]["reason"]


def test_again_nothing_is_done_again(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in"), tmp_path / "out"
    batch([folder], out)
    first, lines = rows(out), logged(out)
    report = batch([folder], out)
    assert (report.record["done_now"], logged(out), rows(out)) == (0, lines, first)


def test_new_changed_and_missing_files(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    batch([folder, folder / "later.wav"], out)
    assert found(out)[2] == ("later.wav", "audio")
    write(folder / "later.wav", square(0.5, 0.2))
    write(folder / "c00.wav", square(0.75, 0.3))
    (folder / "c01.wav").unlink()
    report = batch([folder], out)
    assert report.record["done_now"] == 2
    assert report.left_out == 1
    assert found(out) == [("c00.wav", "sad"), ("later.wav", "neutral")]


def test_what_failed_is_done_again_on_request_only(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    batch([folder], out)
    assert batch([folder], out).record["done_now"] == 0
    assert batch([folder], out, retry_failed=True).record["done_now"] == 1
    assert [code for _, code in found(out)] == ["audio", "disgusted"]


def test_the_same_input_twice_is_one_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    monkeypatch.chdir(tmp_path)
    report = batch(["in", folder, "in/c00.wav", "./in/../in/c01.wav"], out)
    assert (report.twice, len(rows(out)), len(logged(out))) == (4, 2, 2)
    assert rows(out)[0]["file"] == str(Path("in", "c00.wav"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"whole_seconds": 20.0}, "options.recognition.whole_seconds was 30.0 and is 20.0 now"),
        ({"channel": 0}, "options.recognition.channel was None and is 0 now"),
    ],
)
def test_other_options_are_not_mixed_in(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    batch([folder], out)
    before = logged(out)
    with pytest.raises(InputError, match="choose another folder") as caught:
        run_batch(jobs_of([str(folder)]), out, engine(recognition=change))
    assert told in str(caught.value)
    assert logged(out) == before


def test_another_model_is_not_mixed_in(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    batch([folder], out)
    other = engine()
    encoder = other._recognizer.encoder
    encoder.info = ModelInfo("fake", "1" * 12, "fp32", "cpu", "numpy", 1)  # type: ignore[misc]
    with pytest.raises(InputError, match=r"model\.revision was '000000000000' and is '111111111111' now"):
        run_batch(jobs_of([str(folder)]), out, other)


def test_a_second_batch_on_one_folder_is_refused(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"

    def second(progress: BatchProgress) -> None:
        with pytest.raises(OutputError, match="another batch is writing"):
            batch([folder], out)
        seen.append(progress.done)

    seen: list[int] = []
    run_batch(jobs_of([str(folder)]), out, engine(), on_progress=second)
    assert seen == [0, 1, 2]
    assert len(logged(out)) == 2


def test_foreign_results_are_not_overwritten(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    out.mkdir()
    (out / "results.csv").write_text("mine")
    with pytest.raises(InputError, match=r"holds a 'results.csv' that no batch wrote"):
        batch([folder], out)
    assert (out / "results.csv").read_text() == "mine"
    assert [path.name for path in out.iterdir()] == ["results.csv"]


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n\n")
    with pytest.raises(InputError, match="there is nothing to do"):
        batch([tmp_path / "list.txt"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_in_the_way(tmp_path: Path) -> None:
    folder = clips(tmp_path / "in", 1)
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="a file is in the way"):
        batch([folder], tmp_path / "out")


# -- the disk ----------------------------------------------------------------------------------------------


def test_a_full_disk_stops_with_a_state_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 6), tmp_path / "out"
    count, real = 0, os.write

    def filling(file: int, data: bytes) -> int:
        nonlocal count
        count += 1
        if count == 3:
            return real(file, data[:100])  # the disk takes a part, then no more
        if count > 3:
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", filling)
    with pytest.raises(OutputError, match="the disk is full"):
        batch([folder], out)
    monkeypatch.setattr(os, "write", real)
    assert len(logged(out)) == 2
    assert not (out / "results.jsonl").exists()
    batch([folder], out)
    assert [name for name, _ in found(out)] == [f"c{n:02d}.wav" for n in range(6)]
    assert len(set(logged(out))) == len(logged(out)) == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_the_log_on_a_full_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    real = os.write
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda _, data: real(full, data))
            with pytest.raises(OutputError, match="the disk is full; free some space"):
                batch([folder], out)
    finally:
        os.close(full)
    assert logged(out) == []
    batch([folder], out)
    assert len(rows(out)) == 2


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero")
def test_a_log_that_is_no_file(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    batch([folder], out)
    (out / ".batch" / "log.jsonl").unlink()
    (out / ".batch" / "log.jsonl").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is no regular file"):
        batch([folder], out)


def test_a_full_disk_while_the_tables_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    batch([folder], out)
    before = (out / "results.csv").read_bytes()
    write(folder / "new.wav", square(0.5, 0.2))
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr("emotrace.batch.sinks.dumps", full)
        with pytest.raises(OutputError, match="the disk is full"):
            batch([folder], out)
    assert (out / "results.csv").read_bytes() == before
    assert not [path for path in out.iterdir() if path.name.endswith(".tmp")]
    assert batch([folder], out).record["done_now"] == 0
    assert len(rows(out)) == 4


def test_damaged_and_torn_lines_are_done_again(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in"), tmp_path / "out"
    batch([folder], out)
    calm = rows(out)
    log = out / ".batch" / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(lines[0] + b"\0\0{garbage}\n" + lines[2] + lines[3][:-20])
    report = batch([folder], out)
    assert (report.damaged, report.record["done_now"]) == (1, 2)
    assert rows(out) == calm


def test_a_damaged_head_is_told(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    batch([folder], out)
    (out / ".batch" / "run.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        batch([folder], out)


# -- failures in a row -------------------------------------------------------------------------------------


def test_failures_in_a_row_stop_it_and_count_as_not_done(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 6), tmp_path / "out"
    for path in sorted(folder.iterdir())[2:]:
        path.rename(path.with_suffix(".away"))
    names = [str(folder / f"c{n:02d}.wav") for n in range(6)]
    report = batch(names, out, workers=1, max_consecutive_failures=3)
    assert report.stopped is not None
    assert "3 inputs failed in a row and count as not done; the last: " in report.stopped
    assert report.outputs == ()
    assert len(logged(out)) == 2
    for path in folder.glob("*.away"):
        path.rename(path.with_suffix(".wav"))
    assert batch(names, out, max_consecutive_failures=3).stopped is None
    assert [name for name, _ in found(out)] == [Path(name).name for name in names]


def test_broken_files_never_stop_it_by_themselves(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in range(30):
        (folder / f"{number}.wav").write_bytes(b"no")
    report = batch([folder], out)
    assert (report.stopped, len(rows(out))) == (None, 30)
    assert batch([folder], out, retry_failed=True, max_consecutive_failures=0).stopped is None


def test_the_summary_tells_the_first_of_very_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.batch.summary.MOST_TOLD", 2)
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    for number in range(4):
        (folder / f"a{number}.wav").write_bytes(b"no")
    write(folder / "silent.wav", square(0.0, 0.2))
    report = batch([folder], out)
    assert (report.record["total_files"], report.record["failed"]) == (6, 5)
    assert [failure["code"] for failure in report.failures] == ["audio", "audio", "no-speech"]


class Broken:
    """An engine whose model fails."""

    def __init__(self, error: Exception) -> None:
        self._inner = engine()
        self._error = error
        self.info, self.options = self._inner.info, self._inner.options

    def run(self, jobs: Iterable[Job], on_begin: OnBegin = not_told) -> Generator[Outcome, None, None]:
        for job in jobs:
            failure = Failure(job.file, getattr(self._error, "code", "bug"), "it broke.")
            yield Outcome(job, failure, 0.0, file_state(job.file))


def test_a_broken_model_stops_it_by_itself(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 12), tmp_path / "out"
    report = run_batch(jobs_of([str(folder)]), out, Broken(ModelError("x")))
    assert report.stopped is not None and "10 inputs failed in a row" in report.stopped
    assert logged(out) == []
    few = run_batch(jobs_of([str(folder / "c00.wav"), str(folder / "c01.wav")]), out, Broken(ModelError("x")))
    assert few.stopped is None and few.record["failed"] == 2


def test_what_failed_through_no_fault_of_the_input_is_tried_again_so_often(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    batch([folder / "broken.wav"], out)

    def again(error: Exception) -> int:
        return int(run_batch(jobs_of([str(folder)]), out, Broken(error)).record["done_now"])

    assert [again(ModelError("x")) for _ in range(TRIES - 1)] == [3, 3]
    assert batch([folder / "c00.wav"], out).record["done_now"] == 1
    write(folder / "c01.wav", square(0.5, 0.4))  # another content begins anew
    assert again(ModelError("x")) == 2
    assert again(ModelError("x")) == 1
    assert found(out) == [
        ("broken.wav", "audio"),
        ("c00.wav", "disgusted"),
        ("c01.wav", "model"),
        ("c02.wav", "model"),
    ]
    assert batch([folder], out).record["done_now"] == 1
    assert batch([folder], out, retry_failed=True).record["done_now"] == 2
    assert [code for _, code in found(out)] == ["audio", "disgusted", "neutral", "happy"]


def test_what_a_model_cannot_do_is_refused_before_the_first_file() -> None:
    encoder = FakeEncoder()
    encoder.card = encoder.card.model_copy(update={"family": "emotion2vec", "labels": ()})
    with pytest.raises(ModelError, match="has no emotion head"):
        LocalEngine(Recognizer(encoder=encoder))
    encoder.card = FakeEncoder().card.model_copy(update={"max_seconds": 60.0})
    with pytest.raises(OptionError, match="takes at most 60 s in one piece"):
        LocalEngine(Recognizer(encoder=encoder), PipelineOptions.of(recognition={"whole_seconds": 100.0}))


def test_a_bug_is_one_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 2), tmp_path / "out"
    real = analyse

    def odd(recognizer: Any, source: Any, *rest: Any, **options: Any) -> Any:
        if str(source).endswith("c00.wav"):
            raise ZeroDivisionError("odd")
        return real(recognizer, source, *rest, **options)

    monkeypatch.setattr(work, "analyse", odd)
    batch([folder], out)
    assert found(out) == [("c00.wav", "bug"), ("c01.wav", "fearful")]
    assert rows(out)[0]["error"]["reason"] == "unexpected error: ZeroDivisionError: odd"


def test_a_file_that_grows_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    real = analyse

    def growing(*given: Any, **options: Any) -> Any:
        result = real(*given, **options)
        write(folder / "c00.wav", square(0.5, 0.4))
        return result

    with monkeypatch.context() as patch:
        patch.setattr(work, "analyse", growing)
        batch([folder], out)
    assert "was changed while it was read" in rows(out)[0]["error"]["reason"]
    batch([folder], out)
    assert found(out) == [("c00.wav", "neutral")]


def test_a_file_that_vanishes_meanwhile(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 20), tmp_path / "out"

    def vanish(progress: BatchProgress) -> None:
        if progress.done == 1:
            (folder / "c19.wav").unlink()

    run_batch(jobs_of([str(folder)]), out, engine(1), on_progress=vanish)
    assert found(out)[-1] == ("c19.wav", "audio")
    assert [code for _, code in found(out)].count("audio") == 1


def test_what_is_left_of_an_index_and_of_outputs_is_made_anew(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    batch([folder], out)
    calm = rows(out)
    (out / ".batch" / "index.sqlite").write_bytes(b"torn")
    (out / "results.jsonl").write_bytes(b"{torn")
    (out / "results.csv").unlink()
    assert batch([folder], out).record["done_now"] == 0
    assert rows(out) == calm
    assert (out / "results.csv").exists() and not (out / ".batch" / "index.sqlite").exists()


def test_an_engine_that_forgets_an_input_is_told(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"

    class Forgetful(Broken):
        def run(self, jobs: Iterable[Job], on_begin: OnBegin = not_told) -> Generator[Outcome, None, None]:
            outcomes = list(self._inner.run(jobs))
            yield from (outcomes[0], outcomes[1], outcomes[0])  # and gives one twice

    report = run_batch(jobs_of([str(folder)]), out, Forgetful(ModelError("x")))
    assert report.stopped == "1 inputs were given up and count as not done"
    assert len(logged(out)) == 2
    assert batch([folder], out).record["done_now"] == 1


# -- interruption, memory, progress ------------------------------------------------------------------------


def test_ctrl_c_ends_it_and_it_goes_on(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 30), tmp_path / "out"

    def interrupt(progress: BatchProgress) -> None:
        if progress.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(jobs_of([str(folder)]), out, engine(), on_progress=interrupt)
    assert len(logged(out)) == 5
    assert batch([folder], out).record["done_now"] == 25
    assert len(rows(out)) == 30


def test_no_more_is_read_ahead_than_the_queue_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = clips(tmp_path / "in", 40)
    begun: list[str] = []
    real = work.outcomes_of

    def counting(unit: Any, *rest: Any) -> Any:
        begun.append(unit.file)
        return real(unit, *rest)

    monkeypatch.setattr(team, "outcomes_of", counting)
    outcomes = engine(workers=2).run(jobs_of([str(folder)]))
    next(outcomes)
    time.sleep(0.3)
    assert len(begun) <= 1 + 2 * team.AHEAD + 2
    outcomes.close()
    assert len(begun) < 40


def test_progress_tells_all(tmp_path: Path) -> None:
    folder, out = clips(tmp_path / "in", 3), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    seen: list[BatchProgress] = []
    told: list[Failure] = []
    run_batch(jobs_of([str(folder)]), out, engine(1), on_progress=seen.append, on_failure=told.append)
    assert [progress.done for progress in seen] == [0, 1, 2, 3, 4]
    last = seen[-1]
    assert (last.total, last.failed, last.earlier) == (4, 1, 0)
    assert last.audio_seconds == pytest.approx(0.6)
    assert last.seconds_left is not None and last.seconds_left < 0.01 + last.elapsed
    assert [failure.code for failure in told] == ["audio"]
    run_batch(jobs_of([str(folder)]), out, engine(), on_progress=seen.append)
    assert (seen[-1].done, seen[-1].earlier, seen[-1].failed) == (4, 4, 1)


# -- forms -------------------------------------------------------------------------------------------------


def test_parquet_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(parquet_sink, "GROUP_ROWS", 2)
    monkeypatch.setattr(parquet_sink, "PART_ROWS", 4)
    folder, out = clips(tmp_path / "in", 5), tmp_path / "out"
    (folder / "broken.wav").write_bytes(b"no")
    batch([folder], out, formats=("parquet", "jsonl"))
    parts = sorted(path.name for path in (out / "results.parquet").iterdir())
    assert parts == ["part-00000.parquet", "part-00001.parquet"]
    table = parquet.read_table(out / "results.parquet").to_pylist()
    records = rows(out)
    assert [row["file"] for row in table] == [row["file"] for row in records]
    assert [row["emotion"] for row in table[1:]] == [row["emotion"] for row in records[1:]]
    assert [row["happy"] for row in table[1:]] == [row["scores"]["happy"] for row in records[1:]]
    assert table[0]["error_code"] == "audio" and table[0]["embedding"] is None
    assert table[0]["confidence"] is None
    assert np.asarray(table[3]["embedding"], np.float32)[0] == pytest.approx(3 / 8, abs=1e-3)
    assert table[3]["verdict"] == records[3]["verdict"]["decision"]
    assert table[3]["quality_level_db"] == records[3]["quality"]["level_db"]


def test_without_embeddings(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, out = clips(tmp_path / "in", 1), tmp_path / "out"
    batch([folder], out, formats=("parquet", "classic"), embedding=False)
    assert parquet.read_table(out / "results.parquet").to_pylist()[0]["embedding"] is None
    assert not list(out.glob("*_embedding.npy"))
    with pytest.raises(InputError, match="embedding was False and is True now"):
        batch([folder], out)


def test_parquet_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotrace.batch.sinks.parquet_is_there", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'emotrace\[analysis\]'"):
        BatchOptions(formats=("parquet",))


@pytest.mark.parametrize("values", [{"formats": ("xls",)}, {"formats": ()}, {"max_consecutive_failures": -1}])
def test_wrong_options(values: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        BatchOptions(**values)


def test_no_worker_is_refused() -> None:
    with pytest.raises(OptionError, match="workers is 0"):
        LocalEngine(engine()._recognizer, workers=0)


def test_the_classic_layout(tmp_path: Path) -> None:
    clips(tmp_path / "in" / "x", 2)
    clips(tmp_path / "in" / "y", 1)
    odd = "c00.WAV" if os.name == "posix" else "c01.wav"
    write(tmp_path / "in" / "y" / odd, square(0.5, 0.2))
    long = "长" * 70
    write(tmp_path / "in" / f"{long}.wav", square(0.625, 0.2))
    write(tmp_path / "in" / "two\nlines 'q'.wav", square(0.5, 0.2))
    out = tmp_path / "out"
    batch([tmp_path / "in"], out, formats=("classic",))
    results = sorted(path.name for path in out.glob("*_result.json"))
    assert len(results) == 6
    assert {"c00_result.json", "c01_result.json", "c00_2_result.json"} <= set(results)
    assert "two\nlines 'q'_result.json" in results
    record = json.loads((out / "c01_result.json").read_text())
    assert list(record)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    embedding = np.load(out / "c01_embedding.npy")
    assert (embedding.dtype, embedding.shape) == (np.float32, (2,))
    before = {path.name for path in out.iterdir()}
    batch([tmp_path / "in"], out, formats=("classic",))
    assert {path.name for path in out.iterdir()} == before
