"""Any audio to 16 kHz mono: files, bytes, streams and arrays on one path.

::

    source -> pieces (native rate and channels) -> one channel -> 16 kHz -> blocks
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from emotrace.audio.arrays import ArrayAudio
from emotrace.audio.files import AudioFile
from emotrace.audio.measures import ClippingMeter
from emotrace.audio.pieces import Description, Mixer
from emotrace.audio.resampling import Resampler, reblocked
from emotrace.audio.sources import Blocks, DecodedElsewhere, Limits, Source, name_of, quoted
from emotrace.errors import AudioError, EmotraceError, LimitError, NoAudioError, OptionError
from emotrace.results import Array, Signal
from emotrace.timing import SAMPLING_RATE, seconds_to_samples


class Decoder:
    """The blocks of one source: 16 kHz mono, float32 (n,), nominal range -1 to 1; iterated once.

    Making one opens the source and reads its header; iterating decodes it lazily, in constant memory,
    and closes it at the end. ``warning`` and ``clipping_share`` speak of what was decoded so far and
    are final after the last block.

    Args:
        source: path, bytes, open binary file, ``(samples, sampling_rate)`` or Signal.
        channel: channel to take, from 0; None is the mean of all channels.
        limits: how much may be read before the source is refused; None is :class:`Limits`.
        block_seconds: length of a block; only the last is shorter.

    Raises:
        AudioError: when made, the source cannot be read as audio; when iterated, it is broken.
        NoAudioError: there is no audio stream, or when iterated not one sample.
        LimitError: there is more than the limits allow.
        OptionError: ``channel`` or ``block_seconds`` is out of range.

    Attributes:
        name: the source as a person would name it.

    >>> decoder = Decoder((np.zeros(20000, np.int16), 8000))
    >>> [len(block) for block in decoder], decoder.warning, decoder.clipping_share
    ([16000, 16000, 8000], None, 0.0)
    """

    def __init__(
        self,
        source: Source,
        *,
        channel: int | None = None,
        limits: Limits | None = None,
        block_seconds: float = 1.0,
    ) -> None:
        _check_channel(channel)
        self._size = _block_size(block_seconds)
        self.name = name_of(source)
        self._label = quoted(self.name)
        self._limits = limits or Limits()
        self._clipping = ClippingMeter()
        self._mixer = Mixer(self._label, channel, self._clipping)
        self._closed = False
        with _only_audio_errors(self._label):
            self._audio = self._open(source)

    def _open(self, source: Source) -> AudioFile | ArrayAudio:
        if isinstance(source, Signal):
            return ArrayAudio(source.samples, source.sampling_rate)
        if not isinstance(source, tuple):
            return AudioFile(source, self._limits)
        if len(source) != 2:
            raise AudioError(f"a tuple of {len(source)} came; expected (samples, sampling_rate)")
        return ArrayAudio(*source)

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened; a file object that was given stays open."""
        self._closed = True
        if isinstance(self._audio, AudioFile):
            self._audio.close()

    @property
    def description(self) -> Description:
        """What is known of the recording before it is decoded."""
        return self._audio.description

    @property
    def warning(self) -> str | None:
        """What is missing because it was damaged or cut off, as one sentence; None if nothing is."""
        return self._audio.warning if isinstance(self._audio, AudioFile) else None

    @property
    def clipping_share(self) -> float:
        """Share of clipped samples, 0 to 1, before mixing and resampling, which round clipping off."""
        return self._clipping.share

    def __iter__(self) -> Iterator[Array]:
        if self._closed:
            raise AudioError(f"{self._label} was closed; open it again to decode it")
        empty = True
        try:
            with _only_audio_errors(self._label):
                for block in reblocked(self._resampled(), self._size):
                    empty = False
                    yield block
        finally:
            self.close()
        if empty:
            raise NoAudioError(f"{self._label} has not one sample of audio at 16 kHz; expected a recording")

    def _resampled(self) -> Iterator[Array]:
        resampler: Resampler | None = None
        seconds = 0.0
        for piece in self._audio.pieces():
            seconds += len(piece) / piece.sampling_rate
            if seconds > self._limits.max_seconds:
                raise LimitError(
                    f"{self._label} is longer than the limit of {self._limits.max_seconds:g} s; "
                    "cut it or raise max_seconds"
                )
            if resampler is None or resampler.rate != piece.sampling_rate:
                if resampler is not None:
                    yield resampler.rest()
                resampler = Resampler(piece.sampling_rate)
            yield resampler.push(self._mixer.mix(piece))
        if resampler is not None:
            yield resampler.rest()


@contextmanager
def _only_audio_errors(label: str) -> Iterator[None]:
    """Whatever goes wrong in a library comes out as an AudioError."""
    try:
        yield
    except EmotraceError:
        raise
    except MemoryError as problem:
        raise AudioError(f"{label} needs more memory than there is; cut it into parts") from problem
    except Exception as problem:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        raise AudioError(f"{label} cannot be decoded: {reason}") from problem


def _check_channel(channel: object) -> None:
    if channel is None or (isinstance(channel, int) and not isinstance(channel, bool) and channel >= 0):
        return
    raise OptionError(f"channel is {channel!r}; expected a number from 0, or None for the mean of all")


def _block_size(seconds: object) -> int:
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 < seconds < math.inf:
        return max(1, seconds_to_samples(seconds))
    raise OptionError(f"block_seconds is {seconds!r}; expected a positive number of seconds")


def decoder_of(
    source: Source,
    *,
    channel: int | None = None,
    limits: Limits | None = None,
    block_seconds: float = 1.0,
) -> Blocks:
    """The decoder of a source: its own if it has one, else a :class:`Decoder`.

    Args:
        source: path, bytes, open binary file, ``(samples, sampling_rate)`` or Signal, or what is decoded
            elsewhere.
        channel: see :class:`Decoder`; so are the others.
        limits: see there.
        block_seconds: see there.

    Raises:
        AudioError: see there.

    >>> [len(block) for block in decoder_of((np.zeros(20000, np.float32), 16000))]
    [16000, 4000]
    """
    if isinstance(source, DecodedElsewhere):
        _check_channel(channel)
        _block_size(block_seconds)
        return source.decoder(channel=channel, limits=limits or Limits(), block_seconds=block_seconds)
    return Decoder(source, channel=channel, limits=limits, block_seconds=block_seconds)


def stream(
    source: Source,
    *,
    channel: int | None = None,
    limits: Limits | None = None,
    block_seconds: float = 1.0,
) -> Iterator[Array]:
    """Decode to blocks of 16 kHz mono in constant memory, however long the recording.

    Args:
        source: path, bytes, open binary file, ``(samples, sampling_rate)`` or Signal.
        channel: channel to take, from 0; None is the mean of all channels.
        limits: how much may be read before the source is refused.
        block_seconds: length of a block; only the last is shorter.

    Yields:
        float32 (n,), 16 kHz, nominal range -1 to 1.

    Raises:
        AudioError: the source cannot be read as audio.

    >>> [len(block) for block in stream((np.zeros(20000, np.float32), 16000))]
    [16000, 4000]
    """
    with decoder_of(source, channel=channel, limits=limits, block_seconds=block_seconds) as decoder:
        yield from decoder


def load(source: Source, *, channel: int | None = None, limits: Limits | None = None) -> Signal:
    """Decode the whole of a source to 16 kHz mono.

    Args:
        source: path, bytes, open binary file, ``(samples, sampling_rate)`` or Signal.
        channel: channel to take, from 0; None is the mean of all channels.
        limits: how much may be read before the source is refused.

    Returns:
        The samples of :func:`stream`, joined.

    Raises:
        AudioError: the source cannot be read as audio.

    >>> load((np.zeros((44100, 2), np.int16), 44100)).samples.shape
    (16000,)
    """
    samples = bytearray()  # grows in place: a list of blocks would need the memory twice
    for block in stream(source, channel=channel, limits=limits):
        samples += block.data
    return Signal(np.frombuffer(samples, np.float32), SAMPLING_RATE)


def describe(source: Source, *, limits: Limits | None = None) -> Description:
    """What the header of a source says, without decoding it.

    Raises:
        AudioError: the source cannot be read as audio.

    >>> describe((np.zeros((2, 44100), np.int16), 44100)).channels
    2
    """
    with decoder_of(source, limits=limits) as decoder:
        return decoder.description
