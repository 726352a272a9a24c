"""Figures of merit for classification, with intervals by speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def unweighted_average_recall(truth: ArrayLike, guess: ArrayLike) -> float:
    """Mean over the classes that occur in ``truth`` of the share that was found.

    Args:
        truth: (n,) class indices.
        guess: (n,) class indices; may be classes that do not occur in ``truth``.

    Raises:
        ValueError: no clip, or lengths that differ.

    >>> unweighted_average_recall([0, 0, 0, 1], [0, 0, 8, 1])
    0.8333333333333333
    """
    t, g = np.asarray(truth), np.asarray(guess)
    if t.shape != g.shape or not t.size:
        raise ValueError(f"truth has shape {t.shape}, guess {g.shape}; expected two equal, non-empty ones")
    return float(np.mean([np.mean(g[t == c] == c) for c in np.unique(t)]))


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over bins of equal width (Guo et al. 2017).

    Args:
        confidence: (n,) probability of the guessed class, 0 to 1.
        correct: (n,) whether the guess was right.
        bins: number of bins.

    >>> expected_calibration_error([0.8, 0.8, 0.8, 0.8, 0.8], [1, 1, 1, 1, 0])
    0.0
    """
    p, c = np.asarray(confidence, float), np.asarray(correct, float)
    which = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[which == b].mean() - c[which == b].mean()) * np.mean(which == b) for b in np.unique(which)]
    return round(float(np.sum(gaps)), 12)


def interval_by_speaker(
    figure: Callable[[NDArray[np.int64]], float],
    speakers: Sequence[str],
    strata: Sequence[str],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % bootstrap interval that draws whole speakers, within strata.

    Args:
        figure: from indices of clips (with repeats) to a figure.
        speakers: (n,) speaker of each clip.
        strata: (n,) corpus of each clip; each draw has as many speakers of each as there are.
        draws: bootstrap samples.
        seed: of the draws.

    Returns:
        The 2.5 and 97.5 percentiles.
    """
    rng = np.random.default_rng(seed)
    speaker, stratum = np.asarray(speakers), np.asarray(strata)
    clips = {s: np.flatnonzero(speaker == s) for s in np.unique(speaker)}
    groups = [np.unique(speaker[stratum == g]) for g in np.unique(stratum)]
    values = []
    for _ in range(draws):
        chosen = [s for group in groups for s in rng.choice(group, len(group))]
        values.append(figure(np.concatenate([clips[s] for s in chosen])))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
