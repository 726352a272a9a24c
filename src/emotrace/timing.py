"""Seconds, samples and frames: the one place that converts between them.

Rounding rule: a time in seconds becomes the nearest sample (halves go up), so a time that came from a
sample or frame index returns to it; frames are counted whole, a part of a frame is not a frame.
"""

from __future__ import annotations

import math

SAMPLING_RATE = 16_000
"""Sampling rate in Hz of every signal that reaches a model."""


def seconds_to_samples(seconds: float, sampling_rate: int = SAMPLING_RATE) -> int:
    """Nearest sample index to a time.

    >>> seconds_to_samples(0.04), seconds_to_samples(1 / 3, 8000)
    (640, 2667)
    """
    return math.floor(seconds * sampling_rate + 0.5)


def samples_to_seconds(samples: int, sampling_rate: int = SAMPLING_RATE) -> float:
    """Time in seconds of a sample index.

    >>> samples_to_seconds(640)
    0.04
    """
    return samples / sampling_rate


def count_frames(samples: int, frame: int, hop: int) -> int:
    """Number of whole frames of ``frame`` samples, ``hop`` samples apart, in ``samples`` samples.

    >>> count_frames(16000, 400, 160), count_frames(399, 400, 160)
    (98, 0)
    """
    return 0 if samples < frame else (samples - frame) // hop + 1
