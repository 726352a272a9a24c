"""Whether more than one person speaks: how unlike the embeddings of the speech are."""

from __future__ import annotations

import math

import numpy as np

from emotrace.results import Array
from emotrace.segmentation.bands import BANDS
from emotrace.segmentation.networks import run

FRAMES = 75
"""Frames of speech in an embedding: 1.5 s, shorter at the end of a turn."""

FEWEST_FRAMES = 40
PAUSE_FRAMES = 15
"""A pause of 0.3 s ends a turn."""

MOST = 128
"""Embeddings that are kept; of a longer recording every second, fourth ... one."""

SPOKEN = 0.5

WEIGHTS = (2.3, -2.8, -6.1)
"""Constant, then weight of the mean likeness and of the least alike tenth; fitted to validation speakers, one
or two of them in a recording, clean and with noise."""


class SpeakerMeter:
    """Listens for a second speaker, in constant memory.

    >>> meter = SpeakerMeter()
    >>> meter.feed(np.zeros((200, 80), np.float32), np.zeros(200, np.float32))
    >>> meter.finish()
    >>> math.isnan(meter.score)
    True
    """

    def __init__(self) -> None:
        self._turn: list[Array] = []
        self._quiet = 0
        self._heard = 0
        self._stride = 1
        self._embeddings: list[Array] = []

    def feed(self, bands: Array, speech: Array) -> None:
        """Take in frames.

        Args:
            bands: float32 (n, 80), log power, see :func:`emotrace.segmentation.bands.log_bands`.
            speech: float32 (n,), probability of speech in each.
        """
        for row, spoken in zip(bands, (speech >= SPOKEN).tolist(), strict=True):
            if spoken:
                self._turn.append(row.copy())
                self._quiet = 0
                if len(self._turn) == FRAMES:
                    self._embed()
            else:
                self._quiet += 1
                if self._quiet == PAUSE_FRAMES and len(self._turn) >= FEWEST_FRAMES:
                    self._embed()

    def finish(self) -> None:
        """The stream has ended."""
        if len(self._turn) >= FEWEST_FRAMES:
            self._embed()

    @property
    def score(self) -> float:
        """Score that more than one person speaks, 0 to 1; NaN under about three seconds of speech."""
        return several(np.array(self._embeddings, np.float32))

    def _embed(self) -> None:
        turn = np.array(self._turn, np.float32).reshape(1, -1, BANDS)
        self._turn = []
        if self._heard % self._stride == 0:
            self._embeddings.append(run("voices", turn)[0][0])
            if len(self._embeddings) > MOST:
                self._embeddings = self._embeddings[::2]
                self._stride *= 2
        self._heard += 1


def several(embeddings: Array) -> float:
    """Score that embeddings are of more than one person, 0 to 1; NaN for fewer than two.

    Args:
        embeddings: float32 (n, d), of length 1.

    >>> one, two = np.eye(4, dtype=np.float32)[[0, 0, 0, 0]], np.eye(4, dtype=np.float32)[[0, 1, 0, 1]]
    >>> several(one) < 0.1, several(two) > 0.7
    (True, True)
    """
    if len(embeddings) < 2:
        return math.nan
    constant, *weights = WEIGHTS
    return 1 / (1 + math.exp(-constant - float(np.dot(weights, likeness(embeddings)))))


def likeness(embeddings: Array) -> tuple[float, float]:
    """Cosines of embeddings (n, D) of length 1: mean over the pairs, and the least alike tenth of them."""
    pairs = (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]
    return float(pairs.mean()), float(np.percentile(pairs, 10))
