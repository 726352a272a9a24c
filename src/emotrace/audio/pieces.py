"""Native samples on their way to one channel: scaling, choosing or mixing channels, checking."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emotrace.audio.measures import ClippingMeter
from emotrace.errors import AudioError
from emotrace.results import Array

Samples: TypeAlias = NDArray[Any]

HUGEST = 1e30
"""Samples beyond this are treated like infinity: arithmetic on them overflows."""

RATES = (1_000, 6_000_000)
"""Lowest and highest accepted sampling rate in Hz; the highest are those of DSD."""

SCALES: dict[str, float] = {
    "uint8": 2.0**-7,
    "int8": 2.0**-7,
    "int16": 2.0**-15,
    "int32": 2.0**-31,
    "int64": 2.0**-63,
    "float16": 1.0,
    "float32": 1.0,
    "float64": 1.0,
}
"""Factor that brings each dtype to the range -1 to 1; unsigned samples are centred first."""

GIVEN = frozenset(SCALES) - {"int64"}
"""The dtypes that arrays may have: a list of whole numbers becomes int64, whatever its full scale is."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a recording before it is decoded.

    Attributes:
        container: FFmpeg's name of the format, for example ``"wav"``; ``"array"`` for samples in memory.
        codec: FFmpeg's name of the decoder, for example ``"pcm_s16le"``; the dtype of an array.
        sampling_rate: in Hz.
        channels: number of channels.
        duration: seconds that the header promises; None if it does not say.
    """

    container: str
    codec: str
    sampling_rate: int
    channels: int
    duration: float | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of sound as it was decoded.

    Attributes:
        channels: one array (n,) per channel, of a dtype in :data:`SCALES`.
        sampling_rate: in Hz.
    """

    channels: tuple[Samples, ...]
    sampling_rate: int

    def __len__(self) -> int:
        return len(self.channels[0])


def checked_rate(rate: object, label: str) -> int:
    """The sampling rate as an int.

    Raises:
        AudioError: it is not a whole number of Hz between 1 kHz and 6 MHz.

    >>> checked_rate(44100.0, "<array>")
    44100
    """
    low, high = RATES
    if isinstance(rate, int | float | np.integer | np.floating) and not isinstance(rate, bool):
        number = float(rate)
        if low <= number <= high and number.is_integer():
            return int(number)
    came = reprlib.repr(rate)  # short, also if samples stand in its place
    raise AudioError(
        f"{label} has the sampling rate {came}; expected a whole number of Hz from {low} to {high}"
    )


def to_float(samples: Samples) -> Array:
    """Samples of any dtype in :data:`SCALES` as a new float32 (n,) with full scale at 1.

    >>> to_float(np.array([-32768, 16384], np.int16)), to_float(np.array([128, 192], np.uint8))
    (array([-1. ,  0.5], dtype=float32), array([0. , 0.5], dtype=float32))
    """
    scale = np.float32(SCALES[samples.dtype.name])
    with np.errstate(over="ignore", invalid="ignore"):  # infinity and NaN are refused later
        floats: Array = np.multiply(samples, scale, dtype=np.float32)
    if samples.dtype == np.uint8:
        floats -= np.float32(1)
    return floats


class Mixer:
    """Brings pieces to one channel and checks them.

    Args:
        label: name of the input for messages.
        channel: number of the channel to take, from 0; None is the mean of all.
        clipping: is shown every used channel at its native rate.
    """

    def __init__(self, label: str, channel: int | None, clipping: ClippingMeter) -> None:
        self._label = label
        self._channel = channel
        self._clipping = clipping
        self._seconds = 0.0

    def mix(self, piece: Piece) -> Array:
        """One channel, float32 (n,).

        Raises:
            AudioError: there is no such channel, or a sample is not a finite number.
        """
        chosen = self._choose(piece)
        mono = self._checked(chosen[0], 0, piece.sampling_rate)
        for number, samples in enumerate(chosen[1:], start=1):
            mono += self._checked(samples, number, piece.sampling_rate)
        if len(chosen) > 1:
            mono *= np.float32(1 / len(chosen))
        self._seconds += len(piece) / piece.sampling_rate
        return mono

    def _choose(self, piece: Piece) -> tuple[Samples, ...]:
        if self._channel is None:
            return piece.channels
        count = len(piece.channels)
        if self._channel >= count:
            have = "1 channel (number 0)" if count == 1 else f"{count} channels (numbers 0 to {count - 1})"
            raise AudioError(f"{self._label} has no channel {self._channel}; it has {have}")
        return (piece.channels[self._channel],)

    def _checked(self, samples: Samples, number: int, rate: int) -> Array:
        floats = to_float(samples)
        if not len(floats):
            return floats
        peak = max(-float(floats.min()), float(floats.max()))  # NaN if there is one
        if not peak < HUGEST:
            raise self._not_finite(floats, rate)
        self._clipping.update(floats, number, peak)
        return floats

    def _not_finite(self, floats: Array, rate: int) -> AudioError:
        first = int((~(np.abs(floats) < HUGEST)).argmax())
        return AudioError(
            f"{self._label} has samples that are not finite numbers (NaN, infinite or beyond 1e30), the "
            f"first at {self._seconds + first / rate:.3f} s; expected finite samples: repair the recording"
        )
