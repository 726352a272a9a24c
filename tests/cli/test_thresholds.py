"""``emotrace thresholds``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from emotrace.models.encoder import FakeEncoder
from emotrace.postprocess.presets import find_preset
from emotrace.recognition import Recognizer
from tests.cli.command import square, write
from tests.cli.conftest import Run
from tests.outputs.made import names
from tests.outputs.results_made import put, record, results


def test_without_a_command_the_presets_are_listed(run: Run) -> None:
    assert run("thresholds") == run("thresholds", "list")


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "home"))


def scored(path: Path, count: int = 400, speakers: int = 8) -> Path:
    """A list with scores: a confidence of p is right with probability p; every fifth row is a test row."""
    rng = np.random.default_rng(0)
    rows = ["file,label,speaker,split,happy,sad"]
    for number in range(count):
        first = round(float(rng.uniform(0.5, 0.95)), 3)
        label = "开心" if rng.random() < first else "难过/sad"
        split = "test" if number % 5 == 0 else "dev"
        rows.append(f"{number}.wav,{label},s{number % speakers},{split},{first},{1 - first:.3f}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_fit_becomes_a_preset_that_the_filter_takes(run: Run, tmp_path: Path) -> None:
    clips = scored(tmp_path / "clips.csv")
    preset, curve = tmp_path / "mine.toml", tmp_path / "curve.csv"
    code, out, err = run(
        "thresholds", "fit", clips, "--precision", "0.8", "--json", "--out", preset, "--csv", curve
    )
    assert code == 0
    report = json.loads(out)
    assert report["goal"] == {"precision": 0.8}
    assert report["precision"] >= 0.8
    assert report["precision_low"] < report["precision"] < report["precision_high"]
    assert (report["clips"], report["speakers"], report["interval_over"]) == (320, 8, "speakers")
    assert report["test_rows_left_out"] == 80
    assert "80 rows of a test split were left out" in err
    rules = find_preset("mine", preset).rules
    assert (rules.min_confidence, rules.min_gap) == (report["min_confidence"], 0.05)
    assert rules.min_seconds is None  # classic
    rows = list(csv.DictReader(curve.read_text().splitlines()))
    assert [float(row["coverage"]) for row in rows] == [point["coverage"] for point in report["curve"]]
    limit = report["min_confidence"]
    put(tmp_path / "root", "outputs_1", record({"happy": limit, "sad": 1 - limit}))
    put(tmp_path / "root", "outputs_2", record({"happy": limit - 0.001, "sad": 1 - limit}))
    assert run("filter", tmp_path / "root", "--presets", preset, "--preset", "mine")[0] == 0
    assert results(tmp_path / "root") == ["low_quality/outputs_2", "normal/outputs_1"]


def test_the_table(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("thresholds", "fit", scored(tmp_path / "clips.csv"), "--coverage", "0.5")
    assert code == 0
    assert "(95 % over speakers)" in out
    assert "held out        precision 0." in out
    assert len(out.splitlines()) > 15


def test_a_fit_can_be_done_again_but_replaces_nothing_else(run: Run, tmp_path: Path) -> None:
    clips, preset = scored(tmp_path / "clips.csv"), tmp_path / "夜班.toml"
    for precision in ("0.8", "0.85"):
        assert run("thresholds", "fit", clips, "--precision", precision, "--out", preset)[0] == 0
    assert "precision 0.85 on 320 clips of clips.csv" in find_preset("夜班", preset).description
    preset.write_text("# mine\n[other]\nmin_gap = 0.2\n", encoding="utf-8")
    code, out, err = run("thresholds", "fit", clips, "--precision", "0.8", "--out", preset)
    assert (code, out) == (7, "")
    assert "is there already and is not the preset '夜班'; choose another name" in err
    assert preset.read_text("utf-8").startswith("# mine")
    code, _, err = run("thresholds", "fit", clips, "--precision", "0.8", "--out", tmp_path / "classic.toml")
    assert code == 2
    assert "the preset 'classic' comes with emotrace" in err


def test_a_preset_of_a_file_as_the_base_is_written_out(run: Run, tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text('[base]\nmin_gap = 0.2\nmin_snr_db = "off"\ndrop = ["music"]\n', encoding="utf-8")
    clips, preset = scored(tmp_path / "clips.csv"), tmp_path / "mine.toml"
    arguments = ("--precision", "0.8", "--presets", base, "--preset", "base", "--out", preset)
    assert run("thresholds", "fit", clips, *arguments)[0] == 0
    rules = find_preset("mine", preset).rules
    assert (rules.min_gap, rules.min_snr_db) == (0.2, None)
    assert rules.drop == {"music"}


def test_a_picture(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    clips = scored(tmp_path / "clips.csv")
    assert run("thresholds", "fit", clips, "--coverage", "0.5", "--plot", tmp_path / "a.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    code, _, err = run("thresholds", "fit", clips, "--coverage", "0.5", "--plot", tmp_path / "a.bmp")
    assert code == 2
    assert "expected .png or .svg" in err


def test_real_files_are_recognised_and_a_failure_is_no_wrong_answer(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotrace.recognition.Recognizer", lambda *_, **__: Recognizer(encoder=FakeEncoder()))
    write(tmp_path / "happy.wav", square(0.375, 0.3))
    rows = ["path,label"]
    for number in range(60):
        (tmp_path / f"{number}.wav").symlink_to("happy.wav")
        rows.append(f"{number}.wav,{'happy' if number % 4 else 'sad'}")
    (tmp_path / "clips.csv").write_text("\n".join([*rows, "gone.wav,happy"]), encoding="utf-8")
    code, out, err = run("thresholds", "fit", tmp_path / "clips.csv", "--coverage", "1", "--gap", "--json")
    assert code == 5
    report = json.loads(out)
    assert (report["clips"], report["precision"], report["coverage"]) == (60, 0.75, 1.0)
    assert report["failures"][0]["code"] == "audio"
    assert "1 of 61 clips gave no result" in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "expected either a precision or a coverage"),
        (["--precision", "0.9", "--coverage", "0.5"], 2, "expected either a precision or a coverage"),
        (["--precision", "90"], 2, "precision is 90; expected more than 0 and at most 1"),
        (["--precision", "0.999"], 3, "a precision of 0.999 is not reached: the best is"),
        (["--coverage", "1"], 3, "a coverage of 1 cannot be reached"),
        (["--precision", "0.8", "--scores", "nowhere"], 3, "'nowhere' cannot be read"),
        (["--precision", "0.8", "--csv", "nowhere/a.csv"], 7, "the folder of 'nowhere/a.csv' does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    arguments: list[str], code: int, sentence: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = run("thresholds", "fit", scored(tmp_path / "clips.csv"), *arguments)
    assert told[:2] == (code, "")
    assert sentence in told[2]
    assert names(tmp_path) == ["clips.csv"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,label,split\na.wav,sad,test\n", "holds only rows of a test split"),
        ("file,label\n", "holds no row"),
        ("file,label,happy,sad\na.wav,sad,0.5,0.5\n", "1 clips gave a result; expected 50 or more"),
    ],
)
def test_too_little(text: str, sentence: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(text, encoding="utf-8")
    code, out, err = run("thresholds", "fit", tmp_path / "clips.csv", "--precision", "0.8")
    assert (code, out) == (3, "")
    assert sentence in err


def test_rows_of_a_train_split_and_speakers_that_differ_are_told(run: Run, tmp_path: Path) -> None:
    clips = scored(tmp_path / "clips.csv")
    clips.write_text(clips.read_text("utf-8").replace(",dev,", ",train,"), encoding="utf-8")
    _, _, err = run("thresholds", "fit", clips, "--precision", "0.86")
    assert "320 rows are of a train split" in err


def test_the_list_of_presets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[mine]\ndescription = "own"\nmin_gap = "off"\n', encoding="utf-8")
    code, out, _ = run("thresholds", "list", "--presets", tmp_path / "mine.toml")
    assert code == 0
    assert "customer-service" in out
    assert "mine.toml" in out
    rows = json.loads(run("thresholds", "list", "--presets", tmp_path / "mine.toml", "--json")[1])
    assert rows["mine"]["min_gap"] is None
    assert rows["classic"]["min_confidence"] == 0.6
    assert rows["mine"]["origin"].endswith("mine.toml")
