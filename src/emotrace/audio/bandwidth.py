"""Up to which frequency a recording carries what somebody says: wide band or a telephone's."""

from __future__ import annotations

import math

import numpy as np

from emotrace.audio.spectrum import BINS
from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE

BAND_BINS = 8
BAND_HZ = BAND_BINS * SAMPLING_RATE / 2 / (BINS - 1)
"""Width of the bands that are judged: 125 Hz."""

RANGE_DB = 65.0
"""A band this far under the loudest band carries nothing that could be heard."""

LIFT_DB = 8.0
"""Sound that comes and goes lifts a band this far over its own quietest moments; steady noise does not."""

_LOWEST_DB = -130.0
_BANDS = (BINS - 1) // BAND_BINS


class BandwidthMeter:
    """Bandwidth from spectra, frame by frame, in constant memory.

    Each band keeps a histogram of its levels, in steps of 1 dB. A band carries speech if its loud moments
    (95th percentile) lie at most :data:`RANGE_DB` under those of the loudest band and at least
    :data:`LIFT_DB` over its quiet moments (10th percentile): a steady noise that was added behind the
    telephone does not widen it. The bandwidth reaches to the upper edge of the highest of at least two such
    neighbouring bands.

    >>> from emotrace.audio.spectrum import Spectra
    >>> meter = BandwidthMeter()
    >>> sound = np.random.default_rng(0).normal(size=32000) * (np.arange(32000) // 4000 % 2)
    >>> meter.feed(Spectra().feed(sound.astype(np.float32)))
    >>> meter.result()
    8000.0
    """

    def __init__(self) -> None:
        self._counts = np.zeros((_BANDS, int(-_LOWEST_DB) + 40), np.int64)

    def feed(self, spectra: Array) -> None:
        """Take in frames, float32 (frames, 513), of :class:`emotrace.audio.spectrum.Spectra`."""
        power = spectra[:, 1:].reshape(len(spectra), _BANDS, BAND_BINS).sum(axis=2)
        level = 10 * np.log10(power + 10 ** (_LOWEST_DB / 10))
        step = np.clip((level - _LOWEST_DB).astype(np.int64), 0, self._counts.shape[1] - 1)
        flat = step + np.arange(_BANDS) * self._counts.shape[1]
        self._counts += np.bincount(flat.ravel(), minlength=self._counts.size).reshape(self._counts.shape)

    def result(self) -> float:
        """Bandwidth in Hz so far, 250 to 8000; NaN if nothing sounds."""
        loud, quiet = self._percentile(0.95), self._percentile(0.10)
        if loud.max(initial=_LOWEST_DB) <= _LOWEST_DB + 20:
            return math.nan
        heard = loud >= max(float(loud.max()) - RANGE_DB, _LOWEST_DB + 20)
        moving = heard & (loud >= quiet + LIFT_DB)
        carried = moving if moving.any() else heard  # one steady tone is all there is
        pairs = carried & np.concatenate([carried[:1], carried[:-1]])
        top = np.flatnonzero(pairs if pairs.any() else carried)[-1]
        return float((top + 1) * BAND_HZ)

    def _percentile(self, share: float) -> Array:
        total = self._counts.sum(axis=1, keepdims=True)
        reached = np.cumsum(self._counts, axis=1) >= share * np.maximum(total, 1)
        level: Array = (np.argmax(reached, axis=1) + _LOWEST_DB).astype(np.float32)
        return level
