"""The whole recipe, from corpora to report, on a few seconds of made-up sound."""

import csv
import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from emotrace import Recognizer
from emotrace.models.package import read_card
from emotrace.training import __main__ as recipe

LABELS = ("angry", "sad", "neutral")

CORPORA = ("emodb", "ravdess", "nemo", "selvas", "emospeech", "emogator")

SPEAKERS = {"s1": "train", "s2": "train", "s3": "validation", "s4": "test"}


def _write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def _table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora in which an emotion is a pitch."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    t = np.arange(9600) / 16_000
    for corpus in CORPORA:
        rows = []
        for speaker in SPEAKERS:
            for label, hz in zip(LABELS, (300, 110, 180), strict=True):
                for take in range(2):
                    tone = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
                    name = f"{speaker}-{label}-{take}.wav"
                    _write(root / corpus / name, 0.1 * tone + 0.01 * rng.normal(size=len(t)))
                    rows.append({"path": name, "speaker": speaker, "label": label})
        _table(root / corpus / "manifest.csv", rows)
    splits = [{"corpus": c, "speaker": s, "split": p} for c in CORPORA for s, p in SPEAKERS.items()]
    _table(root / "splits.csv", splits)
    sounds = []
    for fold in (1, 2, 3):
        name = f"001_-_rain__{fold}-17367-a.wav"
        _write(root / "non_speech" / name, 0.1 * rng.uniform(-1, 1, 16_000))
        sounds.append({"path": name, "kind": "noise", "content": "rain", "duration_s": "1.0"})
    sounds.append({"path": "talk.wav", "kind": "speech", "content": "", "duration_s": "1.0"})
    _table(root / "non_speech" / "manifest.csv", sounds)
    return root


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    quick = ["--passes", "1", "--draws", "64", "--pairs", "2", "--members", "1"]
    monkeypatch.setattr(sys, "argv", ["training", *map(str, arguments), *quick])
    recipe.main()


def _command(*arguments: object) -> None:
    """As a user types it: worker processes find nothing that only this process knows."""
    quick = ["--passes", "1", "--draws", "64", "--pairs", "2", "--members", "1"]
    subprocess.run(
        [sys.executable, "-m", "emotrace.training", *map(str, arguments), *quick], check=True, timeout=300
    )


def test_from_corpora_to_report(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package, runs = tmp_path / "tiny", tmp_path / "runs"
    common = ("--data", data, "--runs", runs)
    _command("train", *common, "--out", package)
    card = read_card(package)
    assert card.embedding_size == 512
    assert card.licence == "CC-BY-NC-SA-4.0"
    result = Recognizer(str(package)).recognize(data / "emodb" / "s4-sad-0.wav")
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-5)

    before = (runs / "member-0.pt").stat().st_mtime_ns
    _run(monkeypatch, "member", *common)  # is there, so it is not trained again
    assert (runs / "member-0.pt").stat().st_mtime_ns == before
    _run(monkeypatch, "package", *common, "--out", tmp_path / "again")
    assert read_card(tmp_path / "again").files == card.files

    _run(monkeypatch, "evaluate", *common, "--model", package, "--split", "test")
    report = json.loads((runs / "report-test.json").read_text())
    assert report["clips"] == 3 * 6  # three corpora, one speaker, three labels twice
    assert report["plus_20_db"]["clip_alone_cost"] == 0
    figures = {(f.name, f.corpus): f for f in read_card(package).figures}
    stated = figures["mean unweighted average recall, clip alone", "EMO-DB, RAVDESS, nEMO"]
    assert stated.value == pytest.approx(report["clip_alone"]["mean_recall"], abs=6e-4)
    assert stated.split == "test"

    _run(monkeypatch, "cross-validate", *common)
    predicted = np.load(runs / "cross-validation.npz")
    assert predicted["logits"].shape[1:] == (2, 9)
    assert len(set(predicted["clips"].tolist())) == len(predicted["clips"])

    _run(monkeypatch, "baselines", *common, "--split", "validation")
    assert "svm, with_reference" in capsys.readouterr().out


def test_corpora_that_are_not_there_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = ["--data", str(tmp_path / "none"), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", ["training", "evaluate", *places])
    with pytest.raises(SystemExit, match=r"splits.csv' cannot be read: no such file .* docs/training.md"):
        recipe.main()
