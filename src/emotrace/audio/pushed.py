"""Sound that arrives chunk by chunk, as from a microphone or a socket, to 16 kHz mono."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from emotrace.audio.measures import ClippingMeter
from emotrace.audio.pieces import GIVEN, Mixer, Piece, checked_rate
from emotrace.audio.resampling import Resampler
from emotrace.audio.sources import quoted
from emotrace.errors import AudioError, LimitError
from emotrace.results import Array


class PushedAudio:
    """Chunks of samples at one rate in, 16 kHz mono out, as :class:`Decoder` would give it of the whole.

    The chunks make no difference to the samples, only to when they come: a resampler is a few milliseconds
    late.

    Args:
        sampling_rate: of the chunks, in Hz.
        channels: how many there are.
        channel: the one to take, from 0; None is the mean of all.
        max_seconds: more is refused.
        name: of the source, for messages.

    Raises:
        AudioError: the rate or the number of channels is not usable.

    Attributes:
        frames: samples of one channel that came so far.

    >>> audio = PushedAudio(8000)
    >>> parts = [audio.push(np.zeros(n, np.int16)) for n in (800, 7200)] + [audio.finish()]
    >>> sum(len(part) for part in parts), audio.seconds
    (16000, 1.0)
    """

    def __init__(
        self,
        sampling_rate: int,
        *,
        channels: int = 1,
        channel: int | None = None,
        max_seconds: float = math.inf,
        name: str = "<stream>",
    ) -> None:
        self._label = quoted(name)
        self._rate = checked_rate(sampling_rate, self._label)
        if channels < 1:
            raise AudioError(f"{self._label} has {channels} channels; expected one or more")
        self._channels, self._max_seconds = channels, max_seconds
        self._clipping = ClippingMeter()
        self._mixer = Mixer(self._label, channel, self._clipping)
        self._resampler = Resampler(self._rate)
        self.frames = 0

    @property
    def seconds(self) -> float:
        """How much came so far."""
        return self.frames / self._rate

    @property
    def clipping_share(self) -> float:
        """See :attr:`Decoder.clipping_share`."""
        return self._clipping.share

    def push(self, samples: ArrayLike) -> Array:
        """Take the next chunk.

        Args:
            samples: (n,), or (n, channels); floats have full scale at 1, integers the full scale of their
                type.

        Returns:
            float32 (m,), 16 kHz: what is ready.

        Raises:
            AudioError: another shape or type, there is no such channel, or a sample is not a finite number.
            LimitError: that is longer than allowed; nothing of the chunk was taken.
        """
        chunk = np.asarray(samples)
        table = chunk.reshape(-1, 1) if chunk.ndim == 1 else chunk
        if table.ndim != 2 or table.shape[1] != self._channels or table.dtype.name not in GIVEN:
            raise AudioError(
                f"{self._label}: a chunk of the shape {chunk.shape} and the type {chunk.dtype} came; "
                f"expected ({'n,' if self._channels == 1 else f'n, {self._channels}'}) of int16 or float32"
            )
        if (self.frames + len(table)) / self._rate > self._max_seconds:
            raise LimitError(
                f"{self._label} is longer than the limit of {self._max_seconds:g} s; end it sooner, or raise "
                "max_seconds"
            )
        mono = self._mixer.mix(Piece(tuple(table.T), self._rate))
        self.frames += len(table)
        return self._resampler.push(mono)

    def finish(self) -> Array:
        """The rest, float32 (n,)."""
        return self._resampler.rest()
