"""Power spectra of a stream, frame by frame."""

from __future__ import annotations

import numpy as np

from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE

WINDOW = 1024
"""Samples of a frame: 64 ms at 16 kHz, enough to tell the harmonics of a low voice apart."""

HOP = 320
"""Samples from frame to frame: 20 ms."""

FRAMES_PER_SECOND = SAMPLING_RATE / HOP
BINS = WINDOW // 2 + 1

_HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
_SCALE = np.float32(2.0 / (WINDOW * float(np.sum(_HANN.astype(np.float64) ** 2))))


class Spectra:
    """Power spectra of a stream at 16 kHz, in 64 ms frames every 20 ms.

    The powers of a frame's bins sum to its mean square (weighted by the Hann window). A part of a frame
    at the end gives none.

    >>> spectra = Spectra()
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    >>> frames = np.concatenate([spectra.feed(tone[:5000]), spectra.feed(tone[5000:])])
    >>> frames.shape, round(float(frames[10].sum()), 3), int(frames[10].argmax())
    ((47, 513), 0.5, 64)
    """

    def __init__(self) -> None:
        self._rest: Array = np.zeros(0, np.float32)

    def feed(self, samples: Array) -> Array:
        """The frames that are complete now, float32 (frames, 513), bins 15.625 Hz apart."""
        joined = np.concatenate([self._rest, samples])
        count = max(0, (len(joined) - WINDOW) // HOP + 1)
        self._rest = joined[count * HOP :].copy()  # a view would keep all of it
        if not count:
            return np.zeros((0, BINS), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(joined, WINDOW)[: count * HOP : HOP]
        spectrum = np.fft.rfft(frames * _HANN, axis=1)
        power: Array = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) * _SCALE
        power[:, 0] *= 0.5
        power[:, -1] *= 0.5
        return power
