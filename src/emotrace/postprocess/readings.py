"""The readings of a live stream, smoothed while they come."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from emotrace.postprocess.methods import smoother_of
from emotrace.postprocess.options import SmoothingOptions
from emotrace.postprocess.smoothing import WIDTH
from emotrace.results import EmotionReading

DWELL = 3.0
"""Expected seconds in an emotion, where nothing else is asked for.

A step is one observation at most, so readings half a second apart are far less evidence than a track of 40 ms
steps, for which 8 s were found best; a longer dwell time and more evidence undo each other. By
``benchmarks/readings.py`` 54 % of the smoothed readings are right with 3 s and 48 % with 8 s; of the readings
themselves 52 %, and they switch 1.6 times as often.
"""


class ReadingSmoother:
    """Adds the newest smoothed reading to each; used once.

    A time at which nobody spoke is a step without speech. A smoother that waits for the end of the stream has
    nothing to say before it. A hidden Markov chain whose dwell time is not given takes :data:`DWELL`, and
    no trend.

    Args:
        options: how.
        hop: seconds of a step; readings lie at its multiples.

    >>> smoother = ReadingSmoother(SmoothingOptions.of(method="ewma", alpha=0.5), hop=0.5)
    >>> happy, sad = np.eye(9, dtype=np.float32)[[3, 6]]
    >>> float(smoother.add(EmotionReading(0.0, 0.5, happy)).smoothed[3])
    1.0
    >>> smoother.add(EmotionReading(0.0, 1.0, sad)).smoothed[[3, 6]].round(2)
    array([0.33, 0.67], dtype=float32)
    """

    def __init__(self, options: SmoothingOptions, hop: float) -> None:
        if not {"dwell", "transitions"} & options.model_fields_set:
            options = options.model_copy(update={"dwell": DWELL})
        if options.trend is None:  # that of a track comes from its interpolation
            options = options.model_copy(update={"trend": 0.0})
        self._smoother, self._hop = smoother_of(options, hop), hop
        self._next = 0

    @property
    def latency_seconds(self) -> float:
        """How far it is behind."""
        return self._smoother.latency.seconds

    def add(self, reading: EmotionReading) -> EmotionReading:
        """The same reading with what is smoothed by now."""
        latency = self._smoother.latency
        if math.isinf(latency.steps):
            return replace(reading, latency_seconds=latency.seconds)
        step = round(reading.time / self._hop) - 1
        rows = np.full((step + 1 - self._next, WIDTH), np.nan)
        rows[-1] = reading.probabilities
        self._next = step + 1
        ready = self._smoother.push(rows)
        there = ready.rows[ready.indices == step - latency.steps]
        smoothed = None
        if len(there) and not np.isnan(there[0, 0]):
            smoothed = (there[0] / there[0].sum()).astype(np.float32)
        return replace(reading, smoothed=smoothed, latency_seconds=latency.seconds)
