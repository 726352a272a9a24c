"""A recognition as stretches of time with an emotion each, whatever it holds: steps, segments or neither."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emotrace.labels import LABELS
from emotrace.postprocess.segments import exact_times
from emotrace.results import Array, Recognition

Times: TypeAlias = NDArray[np.float64]
"""Seconds, exact enough for a day."""


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Emotion over time, without gaps between neighbours.

    Attributes:
        starts: float64 (n,), seconds.
        ends: float64 (n,).
        probabilities: float32 (n, 9); NaN where there is no speech.
    """

    starts: Times
    ends: Times
    probabilities: Array


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring steps of one emotion.

    Attributes:
        start: seconds.
        end: seconds.
        emotion: one of the nine labels; None where there is no speech.
        confidence: mean probability of ``emotion``; 0 where there is none.
    """

    start: float
    end: float
    emotion: str | None
    confidence: float


def timeline(result: Recognition) -> Timeline:
    """The steps of the track, smoothed if it was.

    Without one the segments; without them the whole recording as one step.
    """
    track = result.smoothed or result.track
    if track is not None and len(track):
        starts = exact_times(track)
        ends = np.minimum(starts + track.hop, np.maximum(result.duration, starts))
        return Timeline(starts, ends, track.probabilities)
    if result.segments:
        starts = np.array([s.start for s in result.segments], np.float64)
        ends = np.array([s.end for s in result.segments], np.float64)
        rows = [[s.scores[label] for label in LABELS] for s in result.segments]
        return Timeline(starts, ends, np.array(rows, np.float32))
    scores = np.array([[result.scores[label] for label in LABELS]], np.float32)
    return Timeline(np.zeros(1), np.array([result.duration]), scores)


def runs(line: Timeline) -> Iterator[Run]:
    """Neighbouring steps of the same emotion as one, in order.

    >>> sure = np.eye(9, dtype=np.float32)[[3, 3, 6]]
    >>> line = Timeline(np.arange(3.0), np.arange(1.0, 4.0), sure)
    >>> [(run.start, run.end, run.emotion) for run in runs(line)]
    [(0.0, 2.0, 'happy'), (2.0, 3.0, 'sad')]
    """
    speech = np.isfinite(line.probabilities).all(axis=1)
    best = np.where(speech, np.nan_to_num(line.probabilities).argmax(axis=1), -1)
    touching = np.isclose(line.starts[1:], line.ends[:-1], atol=1e-3)
    cuts = np.flatnonzero((np.diff(best) != 0) | ~touching) + 1
    edges = [0, *cuts.tolist(), len(best)]
    for first, last in pairwise(edges):
        label = int(best[first])
        mean = float(line.probabilities[first:last, label].mean()) if label >= 0 else 0.0
        emotion = LABELS[label] if label >= 0 else None
        yield Run(float(line.starts[first]), float(line.ends[last - 1]), emotion, mean)
