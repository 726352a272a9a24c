"""Emotion over time, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from emotrace.labels import LABELS
from emotrace.results.signal import Array


@dataclass(frozen=True, slots=True, eq=False)
class EmotionTrack:
    """Emotion over time.

    Attributes:
        times: float32 (T,), start of each step in seconds.
        probabilities: float32 (T, 9), each row sums to 1; NaN in every column of a step without
            speech, because silence has no emotion.
        hop: seconds from one step to the next.
        method: how it was read, for example ``"sliding-window 1.5 s"``.

    >>> rows = np.full((2, 9), np.nan, np.float32)
    >>> rows[0] = np.eye(9)[3]
    >>> EmotionTrack(np.float32([0, 0.04]), rows, 0.04, "by hand").emotions
    ['happy', None]
    """

    times: Array = field(repr=False)
    probabilities: Array = field(repr=False)
    hop: float
    method: str

    def __len__(self) -> int:
        return len(self.times)

    @property
    def emotions(self) -> list[str | None]:
        """The likeliest emotion of each step; None where there is no speech."""
        return [None if np.isnan(p[0]) else LABELS[int(p.argmax())] for p in self.probabilities]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech and its emotion.

    Attributes:
        start: seconds.
        end: seconds.
        emotion: one of the nine labels.
        confidence: probability of ``emotion``, 0 to 1.
        scores: probability of each label; sums to 1.
    """

    start: float
    end: float
    emotion: str
    confidence: float
    scores: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Where one emotion gives way to another.

    Attributes:
        time: seconds.
        before: emotion before it.
        after: emotion after it.
        strength: share of the probability that goes elsewhere, 0 to 1.
    """

    time: float
    before: str
    after: str
    strength: float


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How a track was smoothed.

    Attributes:
        method: for example ``"hmm"``.
        latency_seconds: how long after a step its smoothed emotion is known; infinite where the whole
            recording must be.
    """

    method: str
    latency_seconds: float
