"""Speech, voices without words, music and noise told apart, and the SNR of speech, by a small network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emotrace.results import Array
from emotrace.segmentation.networks import run

KINDS = ("speech", "voice", "music", "noise")
"""What the network tells apart; ``"voice"`` is laughing, sobbing and shouting without words."""

VOICE_PRIOR = -2.5
"""Added to the logit of ``"voice"``: outside collections of them, bursts are rarer than single words."""

FEWEST_FRAMES = 16
"""Shortest window that it takes: a third of a second."""


@dataclass(frozen=True, slots=True, eq=False)
class Hearing:
    """What the network hears in windows.

    Attributes:
        kinds: float32 (windows, 4), probability of each of :data:`KINDS`; rows sum to 1.
        snr_db: float32 (windows,), level of the speech over the noise; without meaning where there is none.
    """

    kinds: Array
    snr_db: Array


def hear(bands: Array) -> Hearing:
    """Tell what windows of equal length hold.

    Args:
        bands: float32 (windows, frames, 80), see :func:`emotrace.segmentation.bands.log_bands`; at least
            :data:`FEWEST_FRAMES` frames; trained on 0.5 to 3 s.

    >>> hear(np.zeros((2, 150, 80), np.float32)).kinds.shape
    (2, 4)
    """
    logits, snr = run("sounds", bands)
    logits = logits + np.array([0, VOICE_PRIOR, 0, 0], np.float32)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return Hearing(raised / raised.sum(axis=1, keepdims=True), snr)
