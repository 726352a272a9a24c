"""The packaged model on real speech: not a figure to quote, but proof that weights and pipeline fit."""

import csv
from pathlib import Path

import numpy as np
import pytest

from emotrace import LABELS, Recognizer
from emotrace.evaluation.metrics import unweighted_average_recall
from emotrace.results import Recognition
from tests.data import DATA, needs_data

CHANCE = 1 / 7


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer("compact")


def _speaker(data: Path, speaker: str) -> list[tuple[str, int]]:
    with (data / "emodb" / "manifest.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["speaker"] == speaker]
    return [(str(data / "emodb" / r["path"]), LABELS.index(r["label"])) for r in rows]


@needs_data
def test_validation_speaker_is_recognised_far_above_chance(recognizer: Recognizer) -> None:
    assert DATA is not None
    clips = _speaker(DATA, "14")
    results = [recognizer.recognize(path) for path, _ in clips]
    guess = [LABELS.index(r.emotion) for r in results]
    recall = unweighted_average_recall([label for _, label in clips], guess)
    assert recall > 4 * CHANCE
    unknown = LABELS.index("unknown")
    assert np.mean([g == unknown for g in guess]) < 0.05


@needs_data
def test_joined_emotions_change_at_the_seam(recognizer: Recognizer) -> None:
    assert DATA is not None
    clips = _speaker(DATA, "14")
    loud = next(p for p, label in clips if LABELS[label] == "angry")
    low = next(p for p, label in clips if LABELS[label] == "sad")
    from emotrace.audio import load

    a, b = load(loud).samples, load(low).samples
    track = recognizer.recognize((np.concatenate([a, b]), 16_000), frames=True).track
    assert track is not None
    angry = track.probabilities[:, LABELS.index("angry")]
    sad = track.probabilities[:, LABELS.index("sad")]
    first = track.times < len(a) / 16_000
    assert np.nanmean(angry[first]) > np.nanmean(angry[~first])
    assert np.nanmean(sad[first]) < np.nanmean(sad[~first])


def test_a_melody_is_unknown(recognizer: Recognizer) -> None:
    t = np.arange(16_000 * 4) / 16_000
    notes = 330 * 2 ** (np.array([0, 4, 7, 12, 7, 4, 0, 4])[(t * 2).astype(int)] / 12)
    phase = 2 * np.pi * np.cumsum(notes) / 16_000
    sound = sum(np.sin(k * phase) / k for k in range(1, 5)) * np.exp(-3 * (t % 0.5))
    result = recognizer.recognize(((0.2 * sound).astype(np.float32), 16_000))
    assert isinstance(result, Recognition)
    assert result.emotion == "unknown"


def test_gain_changes_nothing(recognizer: Recognizer) -> None:
    rng = np.random.default_rng(0)
    t = np.arange(32_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 20)) * (1 + np.sin(9 * t))
    sound = (0.01 * voice + 1e-4 * rng.normal(size=len(t))).astype(np.float32)
    results = [recognizer.recognize((sound * gain, 16_000)).scores for gain in (0.1, 1.0, 10.0)]
    for scores in results[1:]:
        assert scores == pytest.approx(results[0], abs=1e-3)
