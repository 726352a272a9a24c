"""Quiet speech raised to an ordinary level, so that voice activity hears it."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from emotrace.results import Array
from emotrace.segmentation.voice_activity import CHUNK
from emotrace.timing import SAMPLING_RATE

TARGET_DB = -14.0
"""Level that the loudest chunk near by is raised to."""

MOST_GAIN_DB = 40.0
AHEAD = 156
"""Chunks that are looked ahead, 5 s: the pause before a word is not raised to the level of the word."""

FALL_DB_PER_SECOND = 3.0
"""How fast a loud moment counts less with its distance, before and after it."""

_FALL = 10 ** (-FALL_DB_PER_SECOND * CHUNK / SAMPLING_RATE / 10)


class Leveller:
    """Raises quiet sound by the level of the loudest chunk near by; lowers nothing.

    Any chunking of the same samples gives the same output, 5 s late.

    >>> leveller = Leveller()
    >>> quiet = 0.001 * np.sin(np.arange(16384, dtype=np.float32))
    >>> raised = np.concatenate([leveller.feed(quiet), leveller.finish()])
    >>> len(raised), round(float(np.abs(raised).max()), 2)
    (16384, 0.1)
    """

    def __init__(self) -> None:
        self._rest: Array = np.zeros(0, np.float32)
        self._waiting: deque[Array] = deque()
        self._powers: NDArray[np.float64] = np.zeros(0)  # of the waiting chunks
        self._before = 0.0

    def feed(self, samples: Array) -> Array:
        """The samples whose surroundings are known now, float32 (n,), n a multiple of 512."""
        joined = np.concatenate([self._rest, samples])
        count = len(joined) // CHUNK
        self._rest = joined[count * CHUNK :].copy()  # a view would keep all of it
        self._take(joined[: count * CHUNK].reshape(count, CHUNK))
        return self._give(max(0, len(self._waiting) - AHEAD))

    def finish(self) -> Array:
        """All the rest, float32 (n,)."""
        if len(self._rest):
            self._take(self._rest[None])
            self._rest = np.zeros(0, np.float32)
        return self._give(len(self._waiting))

    def _take(self, chunks: Array) -> None:
        powers = np.einsum("cs,cs->c", chunks, chunks, dtype=np.float64) / max(1, chunks.shape[1])
        self._powers = np.concatenate([self._powers, powers])
        self._waiting.extend(chunks.copy())

    def _give(self, count: int) -> Array:
        if not count:
            return np.zeros(0, np.float32)
        falling = _FALL ** np.arange(AHEAD + 1)
        out = []
        for i in range(count):
            self._before = max(float(self._powers[i]), self._before * _FALL)
            near = self._powers[i : i + AHEAD + 1]
            peak = max(self._before, float((near * falling[: len(near)]).max()))
            gain = min(max(10 ** (TARGET_DB / 20) / (peak + 1e-12) ** 0.5, 1.0), 10 ** (MOST_GAIN_DB / 20))
            out.append(self._waiting.popleft() * np.float32(gain))
        self._powers = self._powers[count:]
        raised: Array = np.clip(np.concatenate(out), -1, 1)
        return raised
