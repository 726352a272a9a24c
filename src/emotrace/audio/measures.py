"""What a signal is like, as numbers: level, peak, clipping, offset, silence.

Every measure can be taken block by block and does not depend on where the blocks begin.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from emotrace.results import Array, Signal, SignalMeasures
from emotrace.timing import SAMPLING_RATE, samples_to_seconds, seconds_to_samples

CLIPPING_LEVEL = 0.985
"""Smallest absolute sample, of full scale, that can be clipped."""

FLATNESS = 1e-4
"""Largest difference between neighbours on a clipped, flat top."""

SILENCE_DB = -60.0
"""Frames with a level under this are silent; dB relative to full scale."""

FRAME_SECONDS = 0.02
"""Length of the frames that are silent or not."""


class ClippingMeter:
    """Counts clipped samples, block by block, for any number of channels.

    A sample is clipped if it and a neighbour both reach :data:`CLIPPING_LEVEL` and differ by at most
    :data:`FLATNESS`: the flat top that a converter or an editor leaves when it runs out of range. Tops
    are flat only at the rate and in the channels they were clipped in: of speech that was clipped by
    9.5 dB at 44.1 kHz, 3.1 % of the samples are counted there (3.1 % are clipped) and 0.02 % after
    resampling to 16 kHz. After lossy coding (MP3, AAC) hardly a top is flat, and the count is a lower
    bound.

    >>> meter = ClippingMeter()
    >>> meter.update(np.array([0.1, 1.0], np.float32))
    >>> meter.update(np.array([1.0, 0.2], np.float32))
    >>> meter.share
    0.5
    """

    def __init__(self) -> None:
        self._samples = 0
        self._clipped = 0
        self._last: dict[int, tuple[float, bool]] = {}

    def update(self, samples: Array, channel: int = 0, peak: float | None = None) -> None:
        """Take in the next samples, float32 (n,), of a channel; ``peak`` saves a pass if it is known."""
        if not len(samples):
            return
        self._samples += len(samples)
        last, counted = self._last.get(channel, (0.0, False))
        if peak is None:
            peak = max(-float(samples.min()), float(samples.max()))
        if peak < CLIPPING_LEVEL:
            self._last[channel] = (0.0, False)
            return
        joined = np.concatenate((np.array([last], np.float32), samples))
        high = np.abs(joined) >= CLIPPING_LEVEL
        flat = high[1:] & high[:-1] & (np.abs(np.diff(joined)) <= FLATNESS)
        clipped = flat.copy()
        clipped[:-1] |= flat[1:]
        self._clipped += int(np.count_nonzero(clipped)) + int(flat[0] and not counted)
        self._last[channel] = (float(samples[-1]), bool(clipped[-1]))

    @property
    def share(self) -> float:
        """Share of the samples that are clipped, 0 to 1; 0 if there are none."""
        return self._clipped / self._samples if self._samples else 0.0


class MeasureMeter:
    """Measures a signal block by block, in constant memory.

    >>> meter = MeasureMeter()
    >>> meter.update(np.full(8000, 0.5, np.float32))
    >>> meter.update(np.full(8000, -0.5, np.float32))
    >>> meter.result()  # doctest: +ELLIPSIS
    SignalMeasures(duration=1.0, level_db=-6.02..., peak_db=-6.02..., clipping_share=0.0, dc_offset=0.0, ...)
    """

    def __init__(self, sampling_rate: int = SAMPLING_RATE) -> None:
        self._rate = sampling_rate
        self._frame = max(1, seconds_to_samples(FRAME_SECONDS, sampling_rate))
        self._samples = 0
        self._sum = 0.0
        self._energy = 0.0
        self._peak = 0.0
        self._frames = 0
        self._silent = 0
        self._rest: NDArray[np.float64] = np.zeros(0)
        self._clipping = ClippingMeter()

    def update(self, samples: Array) -> None:
        """Take in the next samples, float32 (n,), finite."""
        if not len(samples):
            return
        wide = samples.astype(np.float64)
        peak = float(np.abs(wide).max())
        self._samples += len(wide)
        self._sum += float(wide.sum())
        self._energy += float(np.square(wide).sum())  # no BLAS: its threads would contend with a model's
        self._peak = max(self._peak, peak)
        self._clipping.update(samples, peak=peak)
        joined = np.concatenate((self._rest, wide))
        whole = len(joined) // self._frame * self._frame
        self._count_frames(joined[:whole].reshape(-1, self._frame))
        self._rest = joined[whole:].copy()  # a view would keep all of it

    def result(self, clipping_share: float | None = None) -> SignalMeasures:
        """The measures of everything so far; more may follow.

        A part of a frame at the end counts only if there is no whole frame. Of an empty signal the
        level and the peak are -inf and the share of silence is 1.

        Args:
            clipping_share: clipping that was counted before the signal was resampled, such as
                :attr:`Decoder.clipping_share`; None counts it in the signal itself.
        """
        count = max(1, self._samples)
        silence = self._silent / self._frames if self._frames else float(_is_silent(self._rest[None])[0])
        return SignalMeasures(
            duration=samples_to_seconds(self._samples, self._rate),
            level_db=_db(math.sqrt(self._energy / count)),
            peak_db=_db(self._peak),
            clipping_share=self._clipping.share if clipping_share is None else clipping_share,
            dc_offset=self._sum / count,
            silence_share=silence,
        )

    def _count_frames(self, frames: NDArray[np.float64]) -> None:
        self._frames += len(frames)
        self._silent += int(np.count_nonzero(_is_silent(frames)))


def measure(signal: Signal | Array, sampling_rate: int = SAMPLING_RATE) -> SignalMeasures:
    """Measure a whole signal.

    Args:
        signal: a Signal, or samples float32 (n,).
        sampling_rate: of bare samples, in Hz.

    >>> measure(np.zeros(16000, np.float32))  # doctest: +ELLIPSIS
    SignalMeasures(duration=1.0, level_db=-inf, peak_db=-inf, ..., dc_offset=0.0, silence_share=1.0)
    """
    samples = signal.samples if isinstance(signal, Signal) else np.asarray(signal, np.float32)
    rate = signal.sampling_rate if isinstance(signal, Signal) else sampling_rate
    meter = MeasureMeter(rate)
    for start in range(0, len(samples), 60 * rate):
        meter.update(samples[start : start + 60 * rate])
    return meter.result()


def _is_silent(frames: NDArray[np.float64]) -> NDArray[np.bool_]:
    energy = np.einsum("fs,fs->f", frames, frames) / max(1, frames.shape[1])
    silent: NDArray[np.bool_] = energy < 10.0 ** (SILENCE_DB / 10)
    return silent


def _db(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf
