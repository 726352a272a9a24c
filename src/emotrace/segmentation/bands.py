"""Mel bands that share out the whole power of a spectrum: what the sound network hears."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from emotrace.audio.spectrum import BINS
from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE

BANDS = 80
FLOOR = 1e-12
"""Power under which everything is silence: -120 dB."""


@cache
def _triangles() -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    """For each bin but that of 0 Hz the band to its left, and its share of the next; where bands begin."""
    hz = np.arange(1, BINS) * SAMPLING_RATE / 2 / (BINS - 1)
    mel = 2595 * np.log10(1 + hz / 700)
    centres = np.linspace(mel[2], mel[-1], BANDS)  # nearer ones would fall between two bins
    place = np.interp(mel, centres, np.arange(BANDS))
    low = np.minimum(place.astype(np.int64), BANDS - 2)
    return low, (place - low).astype(np.float32), np.searchsorted(low, np.arange(BANDS - 1))


def log_bands(spectra: Array) -> Array:
    """Natural logarithm of the power in each band.

    Args:
        spectra: float32 (frames, 513), of :class:`emotrace.audio.spectrum.Spectra`.

    Returns:
        float32 (frames, 80).

    >>> power = np.ones((1, 513), np.float32)
    >>> round(float(np.exp(log_bands(power)).sum()), 2)  # each bin but that of 0 Hz counts once
    512.0
    """
    _, upper, begins = _triangles()
    power = spectra[:, 1:]
    rising = power * upper
    bands = np.zeros((len(power), BANDS), np.float32)
    bands[:, :-1] = np.add.reduceat(power - rising, begins, axis=1)
    bands[:, 1:] += np.add.reduceat(rising, begins, axis=1)
    out: Array = np.log(bands + np.float32(FLOOR))
    return out
