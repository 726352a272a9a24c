"""Steps of a track by chance."""

from __future__ import annotations

import numpy as np

from emotrace.postprocess.smoothing import Rows

HOP = 0.04
"""Seconds."""


def steps(count: int, seed: int = 0, pauses: bool = True) -> Rows:
    """Probabilities that change now and then and flicker, with pauses between."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(9, size=count // 40 + 1), 40)[:count]
    rows = rng.dirichlet(np.full(9, 0.3), count) + 0.5 * np.eye(9)[truth]
    rows /= rows.sum(axis=1, keepdims=True)
    if pauses:
        for start in rng.integers(count, size=count // 60):
            rows[start : start + rng.integers(1, 12)] = np.nan
    return rows
