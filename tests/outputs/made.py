"""Recognitions made by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emotrace.labels import LABELS
from emotrace.results import (
    Array,
    EmotionTrack,
    ModelInfo,
    Reason,
    Recognition,
    Segment,
    SignalMeasures,
    SignalQuality,
    Verdict,
)

HAPPY = dict(zip(LABELS, [0.02, 0.01, 0.01, 0.853, 0.05, 0.02, 0.02, 0.01, 0.007], strict=True))
MODEL = ModelInfo("compact", "0123456789ab", "fp32", "cpu", "onnxruntime 1.0", 0)
MEASURES = SignalMeasures(2.0, -20.5, -3.25, 0.0, 0.001, 0.25)
QUALITY = SignalQuality(MEASURES, 7875.0, 24.5, 0.75, 1.5, 0.05, 0.1, "speech", math.nan)
VERDICT = Verdict(
    "drop",
    (
        Reason(
            *("low-confidence", "drop", 0.42, 0.6, "low confidence: 0.42; expected 0.60 or more"),
            *("置信度低：0.42；应不低于 0.60", "listen to the recording", "请人工复听"),
        ),
        Reason(
            *("clipped", "flag", 0.02, 0.001, "clipped: 2.0% of the samples", "削波：2.0% 的采样"),
            *("lower the level", "请调低电平"),
        ),
    ),
)


def names(folder: Path) -> list[str]:
    """What is in a folder, hidden files too."""
    return sorted(place.name for place in folder.iterdir())


def made(source: str = "talk.wav", **changes: object) -> Recognition:
    """A happy recognition of two seconds."""
    fields: dict[str, object] = {
        "source": source,
        "emotion": "happy",
        "confidence": HAPPY["happy"],
        "scores": HAPPY,
        "duration": 2.0,
        "model": MODEL,
        "measures": MEASURES,
        "embedding": np.linspace(-1, 1, 7).astype(np.float32),
    }
    return Recognition(**{**fields, **changes})  # type: ignore[arg-type]


def track(emotions: Sequence[str | None], hop: float = 0.04) -> EmotionTrack:
    """A sure track; None is a step without speech."""
    table = np.full((len(emotions), 9), 0.01, np.float32)
    for row, emotion in zip(table, emotions, strict=True):
        if emotion is None:
            row[:] = np.nan
        else:
            row[LABELS.index(emotion)] = 0.92
    times = (np.arange(len(emotions)) * hop).astype(np.float32)
    return EmotionTrack(times, table, hop, "made up")


def segment(start: float, end: float, emotion: str = "happy") -> Segment:
    """A stretch of one emotion."""
    scores = {label: 0.92 if label == emotion else 0.01 for label in LABELS}
    return Segment(start, end, emotion, 0.92, scores)


def blocks(seconds: float = 2.0, value: float = 0.5) -> list[Array]:
    """A constant sound in blocks of half a second."""
    samples = np.full(round(seconds * 16000), value, np.float32)
    return [samples[i : i + 8000] for i in range(0, len(samples), 8000)]
