"""Samples that are in memory already, as pieces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from emotrace.audio.pieces import GIVEN, HUGEST, Description, Piece, Samples, checked_rate, to_float
from emotrace.errors import AudioError, NoAudioError

MAX_CHANNELS = 16
"""A two-dimensional array may have at most this many channels, and must have more samples than this."""

PIECE_SAMPLES = 1 << 17


class ArrayAudio:
    """Samples and their rate.

    The shape is (n,), or two-dimensional with the channels along the axis that has at most 16 entries
    while the other has more; an axis of length 1 always holds the channel. Any other shape is refused,
    since nobody can tell samples from channels. Floats have full scale at 1; int8, int16, int32 and
    uint8 are scaled by their range.

    Args:
        samples: the array.
        sampling_rate: in Hz.

    Raises:
        AudioError: shape, dtype, rate or a sample is not usable.
        NoAudioError: there is not one sample.

    Attributes:
        description: rate, channels and length.

    >>> audio = ArrayAudio(np.zeros((2, 100), np.int16), 8000)
    >>> audio.description.channels, [len(piece) for piece in audio.pieces()]
    (2, [100])
    """

    def __init__(self, samples: ArrayLike, sampling_rate: object) -> None:
        rate = checked_rate(sampling_rate, "<array>")
        array = _as_array(samples)
        self._channels = _channels(array)
        for number, channel in enumerate(self._channels):
            _check_finite(channel, number, len(self._channels))
        self.description = Description(
            container="array",
            codec=array.dtype.name,
            sampling_rate=rate,
            channels=len(self._channels),
            duration=len(self._channels[0]) / rate,
        )

    def pieces(self) -> Iterator[Piece]:
        """The samples, cut into pieces of bounded size."""
        for start in range(0, len(self._channels[0]), PIECE_SAMPLES):
            cut = tuple(channel[start : start + PIECE_SAMPLES] for channel in self._channels)
            yield Piece(cut, self.description.sampling_rate)


def _as_array(samples: ArrayLike) -> Samples:
    try:
        array: Samples = np.asarray(samples)
    except Exception as problem:
        raise AudioError(f"<array> is no array of numbers: {' '.join(str(problem).split())}") from problem
    if array.size == 0:
        raise NoAudioError(f"<array> has shape {array.shape} and not one sample; expected audio")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.name not in GIVEN:
        raise AudioError(
            f"<array> has dtype {array.dtype}; expected float16, float32, float64, int8, int16, int32 or "
            "uint8: convert it, with full scale at 1 for floats"
        )
    return array


def _channels(array: Samples) -> tuple[Samples, ...]:
    if array.ndim == 1:
        return (array,)
    if array.ndim == 2:
        rows, columns = array.shape
        if 1 in array.shape:
            return (array.reshape(-1),)
        if rows > MAX_CHANNELS >= columns:
            return tuple(array.T)
        if columns > MAX_CHANNELS >= rows:
            return tuple(array)
    raise AudioError(
        f"<array> has shape {array.shape}; expected (n,), (n, channels) or (channels, n) with at most "
        f"{MAX_CHANNELS} channels and more samples than that: mix it to one channel"
    )


def _check_finite(samples: Samples, number: int, channels: int) -> None:
    if samples.dtype.kind != "f":
        return
    count, first = 0, -1
    for start in range(0, len(samples), PIECE_SAMPLES):
        bad = ~(np.abs(to_float(samples[start : start + PIECE_SAMPLES])) < HUGEST)
        if count == 0 and bad.any():
            first = start + int(bad.argmax())
        count += int(np.count_nonzero(bad))
    if count:
        where = f" in channel {number}" if channels > 1 else ""
        raise AudioError(
            f"<array> has {count} samples{where} that are not finite numbers (NaN, infinite or beyond 1e30), "
            f"the first at index {first}; expected finite samples"
        )
