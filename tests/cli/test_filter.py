"""``emotrace filter``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from emotrace.outputs.journal import JOURNAL_FILE
from emotrace.outputs.sorting import REPORT_FILES
from tests.cli.command import run as process
from tests.cli.conftest import Run
from tests.outputs.made import names
from tests.outputs.results_made import SURE, UNSURE, put, record, results, tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One sure result, one unsure."""
    put(tmp_path / "root", "outputs_1")
    put(tmp_path / "root", "outputs_2", record(UNSURE))
    return tmp_path / "root"


SORTED = ["low_quality/outputs_2", "normal/outputs_1"]

REPORT = """\
Quality report
rules: classic: min_confidence 0.6, min_gap 0.05, min_top_score 0.3

normal/outputs_1
  emotion: happy
  confidence: 0.8500
  top-1: happy 0.8500
  top-2: neutral 0.1000
  gap: 0.7500
  status: normal
  reasons: none

low_quality/outputs_2
  emotion: happy
  confidence: 0.4200
  top-1: happy 0.4200
  top-2: neutral 0.4000
  gap: 0.0200
  status: low quality
  reasons: low confidence: 0.42; expected 0.60 or more; \
ambiguous: the two likeliest emotions are 0.02 apart; expected 0.05 or more

Totals
  results: 2
  normal: 1
  low quality: 1
  broken, left in place: 0
  rejection rate: 50.0%
"""


def test_sort_twice_and_undo(run: Run, root: Path) -> None:
    before = tree(root)
    code, out, err = run("filter", root)
    assert (code, results(root)) == (0, SORTED)
    assert "rejection rate: 50.0%" in out
    assert "quality_report.txt" in err
    assert (root / "quality_report.txt").read_text() == REPORT
    after = tree(root)
    assert run("filter", root)[:2] == (0, out)
    assert tree(root) == after
    assert run("filter", root, "--undo")[:2] == (0, "undone: 2\n")
    assert tree(root) == before
    code, out, err = run("filter", root, "--undo")
    assert (code, out) == (3, "")
    assert "there is nothing to undo" in err


def test_a_dry_run_prints_the_report_and_changes_nothing(run: Run, root: Path) -> None:
    before = tree(root)
    code, out, _ = run("filter", root, "--dry-run")
    assert (code, out) == (0, REPORT)
    assert tree(root) == before
    assert not (root / "normal").exists()


def test_the_reports_agree(run: Run, root: Path) -> None:
    put(root, "outputs_3", "{")
    _, out, _ = run("filter", root, "--json")
    stored = json.loads((root / "quality_report.json").read_text())
    told = json.loads(out)
    assert [row.pop("action") for row in told["results"]] == ["moved", "moved", "none"]
    assert [row.pop("name") for row in told["results"]] == ["outputs_1", "outputs_2", "outputs_3"]
    assert told == stored
    assert {key: stored[key] for key in ("total", "normal", "low_quality", "broken", "rejection_rate")} == {
        "total": 3,
        "normal": 1,
        "low_quality": 1,
        "broken": 1,
        "rejection_rate": 0.5,
    }
    assert stored["reasons"] == {"low-confidence": 1, "ambiguous": 1}
    rows = list(csv.DictReader(io.StringIO((root / "quality_report.csv").read_text())))
    assert [row["folder"] for row in rows] == [row["folder"] for row in stored["results"]]
    assert rows[1]["reasons"] == "low-confidence ambiguous"
    assert (rows[0]["top1"], float(rows[0]["top1_score"]), float(rows[0]["gap"])) == ("happy", 0.85, 0.75)


def test_thresholds_and_presets(run: Run, root: Path, tmp_path: Path) -> None:
    run("filter", root, "--min-confidence", "0.9", "--min-gap", "0")
    assert results(root) == ["low_quality/outputs_1", "low_quality/outputs_2"]
    (tmp_path / "mine.toml").write_text("[easy]\nmin_confidence = 0.1\nmin_gap = 0.01\n", encoding="utf-8")
    assert run("filter", root, "--presets", tmp_path / "mine.toml", "--preset", "easy")[0] == 0
    assert results(root) == ["normal/outputs_1", "normal/outputs_2"]
    assert json.loads((root / "quality_report.json").read_text())["preset"] == "easy"
    code, _, err = run("filter", root, "--preset", "nonsense")
    assert code == 2
    assert "there is no preset 'nonsense'; expected one of default, classic" in err


def test_copy_into_another_folder(run: Run, root: Path, tmp_path: Path) -> None:
    before = tree(root)
    assert run("filter", root, "--copy", "--into", tmp_path / "sorted")[0] == 0
    assert tree(root) == before
    assert names(tmp_path / "sorted") == [JOURNAL_FILE, "low_quality", "normal", *sorted(REPORT_FILES)]
    assert run("filter", root, "--into", tmp_path / "sorted")[0] == 2
    assert run("filter", root, "--undo", "--into", tmp_path / "sorted")[:2] == (0, "undone: 2\n")
    assert names(tmp_path / "sorted") == []


def test_exit_codes_tell_the_truth(run: Run, root: Path) -> None:
    put(root, "outputs_3", "{")
    code, out, err = run("filter", root)
    assert code == 5
    assert "broken, left in place: 1" in out
    assert "outputs_3: result.json is no JSON" in err
    assert (root / "outputs_3").is_dir()
    (root / "normal" / "outputs_1" / "result.json").write_text("[]", encoding="utf-8")
    (root / "low_quality" / "outputs_2" / "result.json").unlink()
    assert run("filter", root)[0] == 3
    assert results(root) == [*SORTED, "outputs_3"]


def test_the_report_on_broken_results_alone(run: Run, tmp_path: Path) -> None:
    put(tmp_path / "root", "outputs_1", "{")
    assert run("filter", tmp_path / "root", "--into", tmp_path / "sorted")[0] == 3
    assert names(tmp_path / "sorted") == sorted(REPORT_FILES)
    assert results(tmp_path / "root") == ["outputs_1"]


def test_an_empty_root(run: Run, tmp_path: Path) -> None:
    code, out, err = run("filter", tmp_path)
    assert code == 0
    assert "results: 0" in out
    assert "rejection rate: no results" in out
    assert "there is no result folder (outputs_*)" in err
    assert names(tmp_path) == []
    code, out, _ = run("filter", tmp_path, "--json")
    assert json.loads(out)["rejection_rate"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nowhere"], 3, "'nowhere' does not exist"),
        (["file"], 3, "'file' is a file; expected a folder"),
        ([".", "--undo", "--copy"], 2, "--undo takes the last run back"),
        ([".", "--min-gap", "2"], 2, "min_gap is 2.0; expected less than or equal to 1"),
        ([".", "--min-gap", "nan"], 2, "min_gap is nan; expected a finite number"),
        ([".", "--presets", "nowhere.toml"], 3, "cannot be read"),
        ([".", "--into", "file"], 7, "a file is in the way"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], code: int, sentence: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    told = run("filter", *arguments)
    assert (told[0], told[1]) == (code, "")
    assert sentence in told[2]
    assert told[2].count("\n") == 1
    assert names(tmp_path) == ["file"]


def test_chinese(run: Run, root: Path) -> None:
    code, out, _ = run("filter", root, "--lang", "zh")
    assert code == 0
    assert "拒绝率: 50.0%" in out
    text = (root / "quality_report.txt").read_text("utf-8")
    assert "情绪: 快乐" in text
    assert "置信度低：0.42；应不低于 0.60" in text


def test_names_that_would_harm_a_terminal_or_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    put(tmp_path, "outputs_\x1b[31m\nred", record(SURE, emotion="=HYPERLINK(1)"))
    put(tmp_path, "outputs_\udcff")
    code, _, _ = run("filter", tmp_path)
    assert code == 0
    text = (tmp_path / "quality_report.txt").read_text("utf-8")
    assert "\x1b" not in text
    assert r"outputs_\x1b[31m\nred" in text
    cells = (tmp_path / "quality_report.csv").read_text("utf-8")
    [row] = [row for row in csv.DictReader(io.StringIO(cells)) if "31m" in row["folder"]]
    assert row["emotion"] == "'=HYPERLINK(1)"
    json.loads((tmp_path / "quality_report.json").read_text("utf-8"))
    assert run("filter", tmp_path, "--undo")[:2] == (0, "undone: 2\n")


def test_as_a_process(root: Path) -> None:
    done = process("filter", root, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["total"] == 2
    assert results(root) == SORTED


def test_an_unstable_label_is_seen_in_the_frames(tmp_path: Path, run: Run) -> None:
    calm, wild = (put(tmp_path, f"outputs_{number}", record(SURE)) for number in (1, 2))
    for folder, emotions in ((calm, ["happy"] * 8 + ["sad"] * 8), (wild, ["happy", "sad"] * 8)):
        frames = [{"emotion": e, "score": 0.9, "timestamp": i / 2} for i, e in enumerate(emotions)]
        (folder / "frames.json").write_text(json.dumps(frames), encoding="utf-8")
    assert run("filter", str(tmp_path), "--preset", "default", "--strict")[0] == 0
    assert results(tmp_path) == ["low_quality/outputs_2", "normal/outputs_1"]
    report = json.loads((tmp_path / "quality_report.json").read_text(encoding="utf-8"))
    assert report["reasons"] == {"unstable": 1}
    assert run("filter", str(tmp_path))[0] == 0  # the classic rules do not ask
    assert results(tmp_path) == ["normal/outputs_1", "normal/outputs_2"]
