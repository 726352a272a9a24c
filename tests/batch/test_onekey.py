"""The classic pipeline in one go."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emotrace.batch.manifests import jobs_of
from emotrace.batch.onekey import Delivery, run_all
from emotrace.batch.options import BatchOptions, BatchReport
from emotrace.errors import AudioError, OutputError
from emotrace.outputs import report as reports
from emotrace.postprocess.presets import find_preset
from emotrace.results import Array
from tests.batch.made import clips, engine
from tests.cli.command import square, write
from tests.outputs.results_made import results, tree

LOUD = Delivery(find_preset("default"), "calls")
RULES: dict[str, Any] = {
    "smoothing": {"method": "viterbi"},
    "rules": {"min_seconds": 0.3, "drop": ["too-short"]},
}


def once(folder: Path, out: Path, delivery: Delivery = LOUD) -> BatchReport:
    jobs = jobs_of([str(folder)], str(out))
    return run_all(jobs, out, engine(**RULES), BatchOptions(embedding=False), delivery)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three short clips, two longer ones, and one that is broken."""
    folder = clips(tmp_path / "in", 3)
    write(folder / "long.wav", square(0.5, 0.5))
    (folder / "sub").mkdir()
    write(folder / "sub" / "long.wav", square(0.25, 0.5))
    (folder / "broken.wav").write_bytes(b"no")
    return folder


def test_results_are_sorted_and_counted(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = once(folder, out)
    assert results(out) == [
        "low_quality/outputs_c00",
        "low_quality/outputs_c01",
        "low_quality/outputs_c02",
        "normal/outputs_long",
        "normal/outputs_long_2",
    ]
    assert sorted(p.name for p in (out / "normal/outputs_long").iterdir()) == [
        "processed_audio.wav",
        "result.json",
    ]
    assert (out / "normal/outputs_long/processed_audio.wav").stat().st_size == 44 + 2 * 8000
    result = json.loads((out / "normal/outputs_long_2/result.json").read_text())
    assert (result["source"], result["smoothing"]["method"]) == (str(folder / "sub/long.wav"), "viterbi")
    summary = json.loads((out / "summary.json").read_text())
    assert {
        name: summary[name] for name in ("total_files", "succeeded", "failed", "normal", "low_quality")
    } == {
        "total_files": 6,
        "succeeded": 5,
        "failed": 1,
        "normal": 2,
        "low_quality": 3,
    }
    assert summary["rejection_rate"] == 0.6
    assert [failure["code"] for failure in summary["failures"]] == ["audio"]
    assert report.record["low_quality"] == 3
    assert "60.0%" in (out / "quality_report.txt").read_text("utf-8")


def test_the_page_holds_all_it_shows(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    once(folder, out)
    page = (out / "report.html").read_text("utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert page.count("<audio") == 5
    assert page.count("data:audio/mpeg;base64,") == 5
    assert "too short: 0.2 s" in page
    assert "broken.wav" in page
    shutil.rmtree(out)
    once(folder, out, Delivery(find_preset("default"), "calls", language="zh"))
    page = (out / "report.html").read_text("utf-8")
    assert "情绪报告" in page
    assert "过短：0.2 秒" in page


def test_names_cannot_write_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "<script>alert(1)<%2fscript>.wav", square(0.5, 0.5))
    once(folder, tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_again_changes_nothing_but_the_times(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    once(folder, out)
    before = {
        name: data for name, data in tree(out).items() if not name.startswith((".batch", "summary", "report"))
    }
    inode = (out / "normal/outputs_long").stat().st_ino
    assert once(folder, out).record["done_now"] == 0
    after = tree(out)
    assert {name: after[name] for name in before} == before
    assert (out / "normal/outputs_long").stat().st_ino == inode  # not even written again


def test_a_changed_recording_moves(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    once(folder, out)
    write(folder / "c01.wav", square(0.5, 0.6))
    once(folder, out)
    assert "normal/outputs_c01" in results(out)
    assert "low_quality/outputs_c01" not in results(out)
    assert json.loads((out / "normal/outputs_c01/result.json").read_text())["duration_seconds"] == 0.6


def test_results_that_are_none_any_more_go_aside(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    once(folder, out)
    (folder / "c01.wav").unlink()
    (folder / "sub" / "long.wav").write_bytes(b"broken now")
    assert once(folder, out).record["stale"] == 2
    assert results(out) == ["low_quality/outputs_c00", "low_quality/outputs_c02", "normal/outputs_long"]
    assert sorted(path.name for path in (out / "stale").iterdir()) == ["outputs_c01", "outputs_long_2"]
    assert once(folder, out).record["stale"] == 0
    write(folder / "c01.wav", square(0.25, 0.2))
    once(folder, out)
    (folder / "c01.wav").unlink()
    once(folder, out)
    assert (out / "stale" / "outputs_c01_2" / "processed_audio.wav").is_file()


def test_cut_off_while_sorting_it_is_finished_by_the_next_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    rename, left = Path.rename, 3

    def full(path: Path, target: Any) -> Path:
        nonlocal left
        left -= path.parent.name in ("normal", "low_quality")
        if left == 0:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OutputError, match="the disk is full"):
        once(folder, out)
    monkeypatch.undo()
    assert not list(out.glob("*/.*.tmp"))
    (out / "normal" / ".abc.tmp").mkdir()  # what a kill leaves
    once(folder, out)
    assert len(results(out)) == 5
    assert not list(out.glob("*/.*.tmp"))


def test_strict_and_without_sound(folder: Path, tmp_path: Path) -> None:
    jobs, out = jobs_of([str(folder)]), tmp_path / "out"
    rules: dict[str, Any] = {"rules": {"min_seconds": 0.3, "drop": []}}
    delivery = Delivery(find_preset("default"), "calls", strict=True, audio=False)
    run_all(jobs, out, engine(**rules), BatchOptions(), delivery)
    assert {place for place in results(out) if place.startswith("low")} == {
        f"low_quality/outputs_c0{n}" for n in range(3)
    }
    assert not list(out.rglob("*.wav"))


def test_a_recording_that_has_gone_keeps_its_result(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "out"
    once(folder, out)
    shutil.rmtree(out / "normal")
    (folder / "long.wav").rename(tmp_path / "away.wav")
    (tmp_path / "away.wav").rename(folder / "long.wav")
    monkeypatch.setattr("emotrace.batch.onekey.stream", _gone)
    once(folder, out)
    assert [p.name for p in (out / "normal/outputs_long").iterdir()] == ["result.json"]
    assert "the recording is no longer there" in (out / "report.html").read_text("utf-8")
    assert "processed_audio.wav is missing" in (out / "quality_report.txt").read_text("utf-8")


def _gone(source: str, **_: object) -> Iterator[Array]:
    raise AudioError(f"{source!r} does not exist; expected an audio file")


def test_a_batch_that_stops_sorts_nothing(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = BatchOptions(max_consecutive_failures=1)
    report = run_all(jobs_of([str(folder)]), out, engine(**RULES), options, LOUD)
    assert report.stopped is not None
    assert not (out / "normal").exists()


def test_many_segments_are_thinned_out() -> None:
    segments = [{"start": n / 10, "end": (n + 1) / 10, "emotion": "sad"} for n in range(1000)]
    record = {"duration_seconds": 100.0, "segments": segments, "emotion": "sad"}
    shown = reports.Shown.of("normal/x", record)
    assert len(shown.stretches) == reports.STRETCHES
    assert shown.stretches[0] == (0.0, 0.5, "sad")
    assert "segments" not in shown.record
