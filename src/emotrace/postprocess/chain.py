"""The chain of emotions behind the hidden Markov smoothers, and what a step of a track says to it.

The hidden state is the emotion, which mostly stays from step to step. What a step says about it is
``(probability / prior) ** scale``: divided by the prior because a classifier's probabilities hold how often
a class came in training, and scaled because the windows behind neighbouring steps overlap, so that they say
the same thing again and again (Rabiner 1989; Bourlard and Morgan 1994).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from emotrace.postprocess.smoothing import WIDTH, Rows

FLOOR = 1e-6
"""Smallest probability that is believed."""

_SLOPE_SECONDS = 0.08  # a slope is seen over
_STEADY = 0.01  # changes of probabilities under this are no trend: files round them

Matrix: TypeAlias = NDArray[np.float64]
"""float64 (9, 9): from the row's emotion to the column's."""


def sticky(dwell: float, hop: float) -> Matrix:
    """Transitions of a chain that stays in an emotion for some time on average, then takes any other.

    The chain runs in continuous time, so steps of any length describe the same one.

    Args:
        dwell: expected seconds in an emotion.
        hop: seconds of a step.

    >>> sticky(4.0, 0.04)[0, :2].round(5).tolist()
    [0.99006, 0.00124]
    """
    stay = (1 + (WIDTH - 1) * math.exp(-hop / dwell * WIDTH / (WIDTH - 1))) / WIDTH
    matrix = np.full((WIDTH, WIDTH), (1 - stay) / (WIDTH - 1))
    np.fill_diagonal(matrix, stay)
    return matrix


def learned(tracks: Iterable[Sequence[int]], hop: float, dwell: float = 4.0) -> Matrix:
    """Transitions as they are in labelled tracks.

    Each emotion starts with what one stay of ``dwell`` seconds would show, so nothing is impossible.

    Args:
        tracks: the emotion of each step, as index; -1 without speech.
        hop: seconds of a step.
        dwell: expected seconds in an emotion where the tracks say nothing.

    >>> matrix = learned([[3] * 99 + [6] * 300], hop=0.04)
    >>> bool(matrix[3, 6] > matrix[3, 5] > 0)
    True
    """
    counts = sticky(dwell, hop) * (dwell / hop)
    for track in tracks:
        labels = np.asarray(track, np.int64)
        before, after = labels[:-1], labels[1:]
        heard = (before >= 0) & (after >= 0)
        np.add.at(counts, (before[heard], after[heard]), 1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """A hidden Markov model of emotions.

    Attributes:
        transitions: float64 (9, 9), each row sums to 1.
        scale: of the evidence of one step; 1 takes each step as an observation of its own.
        prior: float64 (9,), how often the model says each emotion when all are equally frequent.
    """

    transitions: Matrix
    scale: float
    prior: NDArray[np.float64]

    def evidence(self, rows: Rows) -> Rows:
        """What each step says about each emotion, float64 (n, 9), 1 at most; 1 for all without speech."""
        logs = self.scale * np.log(np.maximum(normalised(rows), FLOOR) / self.prior)
        logs[np.isnan(logs)] = 0.0
        return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)), np.float64)


def normalised(rows: Rows) -> Rows:
    """Rows that sum to 1; rows of zeros stay."""
    total = rows.sum(axis=1, keepdims=True)
    return np.asarray(rows / np.where(total == 0, 1, total), np.float64)


class Trend:
    """Carries steps on along the slope of their logarithms, as if what comes were there already.

    The windows behind a track overlap, so one that begins to hold another emotion announces it.

    Args:
        ahead: seconds; 0 changes nothing.
        hop: seconds of a step.
    """

    def __init__(self, ahead: float, hop: float) -> None:
        span = max(1, round(_SLOPE_SECONDS / hop))
        self._power = ahead / (span * hop)
        self._before = np.full((span, WIDTH), np.nan)

    def of(self, rows: Rows) -> Rows:
        """The next steps, carried on; a step stays where the one that it is compared with has no speech."""
        if not self._power:
            return rows
        joined = np.concatenate([self._before, normalised(rows)])
        self._before = joined[len(rows) :].copy()
        before, now = np.maximum(joined[: len(rows)], _STEADY), np.maximum(joined[-len(rows) :], _STEADY)
        growth = now / before
        growth[np.isnan(growth)] = 1.0
        return np.asarray(rows * growth**self._power, np.float64)
