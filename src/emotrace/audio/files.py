"""Encoded audio, through FFmpeg, as pieces."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.audio.allowed import CODECS, OPTIONS, format_allowed
from emotrace.audio.pieces import Description, Piece, Samples, checked_rate
from emotrace.audio.reader import open_reader
from emotrace.audio.sniff import audio_kind, is_text, length_is_exact, looks_like
from emotrace.audio.sources import Limits
from emotrace.errors import AudioError, NoAudioError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}
"""FFmpeg's sample formats and the dtypes of their samples; planar formats have a ``p`` behind."""

PIECE_SECONDS = 1.0
"""Frames are gathered to about this length, because each step on a piece has a fixed cost."""

PIECE_VALUES = 1 << 19
"""Samples of all channels together in a piece, beyond which it is not made longer."""


class AudioFile:
    """The first audio stream of one encoded input.

    Args:
        source: a path, bytes or an open binary file.
        limits: how many bytes may be read.

    Raises:
        AudioError: the source cannot be read, is no audio, or is in a format that is not opened.
        NoAudioError: there is no audio stream in it.

    Attributes:
        description: what the header says.
    """

    def __init__(self, source: object, limits: Limits) -> None:
        self._reader = open_reader(source, limits)
        self._label = self._reader.label
        self._container: InputContainer | None = None
        self._damaged = 0
        self._cut = False
        self._seconds = 0.0
        self._finished = False
        try:
            self._container = self._open()
            self._stream = self._choose(self._container)
            self.description = _describe(self._container, self._stream)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the container, and the file if it was opened here."""
        if self._container is not None:
            self._container.close()
            self._container = None
        self._reader.close()

    @property
    def warning(self) -> str | None:
        """What is missing from the sound that was decoded so far, as one sentence; None if nothing is."""
        promised, found = self.description.duration, []
        if self._finished and promised and self._missing(promised):
            gone = promised - self._seconds
            found.append(f"{gone:.1f} s of {promised:.1f} s are missing: the file is cut off or damaged")
        elif self._cut:
            found.append(f"the file is cut off after {self._seconds:.1f} s of sound")
        if self._damaged:
            parts = "1 part is" if self._damaged == 1 else f"{self._damaged} parts are"
            found.append(f"{parts} damaged and could not be decoded")
        return "; ".join(found) or None

    def _missing(self, promised: float) -> bool:
        container = self.description.container
        slack = 0.02 if container == "flac" else max(0.25, 0.02 * promised)  # others pad and trim
        return length_is_exact(container, self._reader.head) and self._seconds < promised - slack

    def _has_exact_size(self) -> bool:
        # FFmpeg also marks packets of other containers, which may be whole.
        container = self.description.container
        return container in {"wav", "w64", "aiff", "au"} and length_is_exact(container, self._reader.head)

    def pieces(self) -> Iterator[Piece]:
        """Decode, in pieces of about a second.

        Raises:
            AudioError: reading failed, or nothing could be decoded.
            NoAudioError: there is not one sample.
        """
        frames: list[AudioFrame] = []
        kind, count = ("", 0, 0), 0
        for frame in self._frames():
            now = (frame.format.name, frame.sample_rate, frame.layout.nb_channels)
            if now != kind or count >= kind[1] * PIECE_SECONDS or count * kind[2] >= PIECE_VALUES:
                if frames:
                    yield self._joined(frames, *kind)
                frames, kind, count = [], now, 0
            frames.append(frame)
            count += frame.samples
        if frames:
            yield self._joined(frames, *kind)
        self._finish()

    def _open(self) -> InputContainer:
        import av

        reader = self._reader
        complete = reader.size is not None and reader.size <= len(reader.head)
        if is_text(reader.head) and (complete or len(reader.head) >= 4096):
            raise self._explained()  # FFmpeg may take text called .mp3 for MP3
        named: list[str] = []

        def refuse(url: str, flags: int, options: dict[str, str]) -> BytesIO:
            named.append(url)
            return BytesIO()  # and nothing raised: this is called from C

        try:
            container: InputContainer = av.open(
                reader,
                "r",
                container_options=_options(reader.head),
                buffer_size=1 << 16,
                io_open=refuse,
                metadata_errors="replace",  # titles in unknown encodings are no error
            )
        except av.error.FFmpegError as problem:
            self._check_reading()
            raise self._explained() from problem
        if named or not format_allowed(container.format.name):
            container.close()
            raise AudioError(
                f"{self._label} names other inputs, which are not opened; give the recording itself"
            )
        return container

    def _choose(self, container: InputContainer) -> AudioStream:
        found = container.streams.audio
        if not found:
            raise NoAudioError(f"{self._label} has no audio stream; expected a recording with sound")
        for chosen in found:
            if chosen.codec_context is not None and chosen.codec_context.name in CODECS:
                _forget_order(chosen)
                return chosen
        raise AudioError(f"{self._label} has sound in a coding that is not known here; convert it to WAV")

    def _frames(self) -> Iterator[AudioFrame]:
        from av.error import FFmpegError

        assert self._container is not None
        packets = self._container.demux(self._stream)
        decode = self._stream.codec_context.decode
        while self._container is not None:  # FFmpeg must not read what was closed
            try:
                packet = next(packets, None)
            except FFmpegError:
                self._check_reading()
                self._damaged += 1
                return
            if self._reader.failure is not None:
                self._check_reading()
            if packet is None:
                return
            incomplete = packet.is_corrupt and self._has_exact_size()
            self._cut |= incomplete
            try:
                frames = decode(packet)
            except FFmpegError:
                self._check_reading()
                self._damaged += not incomplete
                continue
            for frame in frames:
                if frame.samples:
                    yield frame

    def _joined(self, frames: list[AudioFrame], form: str, rate: int, channels: int) -> Piece:
        dtype = np.dtype(DTYPES[form.removesuffix("p")])
        self._seconds += sum(frame.samples for frame in frames) / checked_rate(rate, self._label)
        if form.endswith("p"):
            return Piece(tuple(_plane(frames, dtype, number, 1) for number in range(channels)), rate)
        return Piece(tuple(_plane(frames, dtype, 0, channels).reshape(-1, channels).T), rate)

    def _finish(self) -> None:
        self._check_reading()
        self._finished = True
        if self._seconds > 0:
            return
        if self._damaged:
            raise AudioError(f"{self._label} is damaged: nothing of it can be decoded; get a good copy")
        promised = self.description.duration
        told = f", though its header promises {promised:.1f} s" if promised and promised >= 0.05 else ""
        raise NoAudioError(f"{self._label} has not one sample of audio{told}; expected a recording")

    def _check_reading(self) -> None:
        """Raise what the reader could not raise through FFmpeg."""
        failure = self._reader.failure
        if isinstance(failure, Exception) and not isinstance(failure, AudioError):
            reason = " ".join(str(failure).split()) or type(failure).__name__
            raise AudioError(f"{self._label} cannot be read: {reason}") from failure
        if failure is not None:
            raise failure

    def _explained(self) -> AudioError:
        """Why FFmpeg did not open the input, from what its first bytes are."""
        reader = self._reader
        if reader.size is not None and reader.size < 16:
            noun = "byte" if reader.size == 1 else "bytes"
            return AudioError(f"{self._label} has a size of {reader.size} {noun}; expected an audio file")
        if kind := audio_kind(reader.head):
            return AudioError(f"{self._label} starts like {kind}, but is damaged or cut off; get a good copy")
        if what := looks_like(reader.head):
            return AudioError(f"{self._label} is {what}; expected an audio or video file")
        return AudioError(
            f"{self._label} is in no audio or video format that is known here; convert it to WAV"
        )


def _options(head: bytes) -> dict[str, str]:
    # FFmpeg looks through all of a WAV for DTS that calls itself PCM; its first packet tells as well.
    return OPTIONS | {"max_probe_packets": "1"} if head[:4] == b"RIFF" and head[8:12] == b"WAVE" else OPTIONS


def _describe(container: InputContainer, stream: AudioStream) -> Description:
    context = stream.codec_context
    duration: float | None = None
    if stream.duration and stream.time_base:
        duration = float(stream.duration * stream.time_base)
    elif container.duration:
        duration = container.duration / 1e6
    return Description(
        container=container.format.name,
        codec=context.name,
        sampling_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        duration=duration if duration and duration > 0 else None,
    )


def _forget_order(stream: AudioStream) -> None:
    """Keep only the number of channels: PyAV 17.1 to 18.1 frees the list of an unusual order twice."""
    if count := stream.codec_context.layout.nb_channels:
        stream.codec_context.layout = f"{count} channels"


def _plane(frames: list[AudioFrame], dtype: np.dtype[Any], number: int, width: int) -> Samples:
    # Not frame.to_ndarray(): of eight planes or more it reads one that is not there (PyAV 18.1).
    from av.audio.plane import AudioPlane

    planes: list[Any] = [AudioPlane(frame, number) for frame in frames]
    counts = [frame.samples * width for frame in frames]
    parts = [memoryview(plane)[: n * dtype.itemsize] for plane, n in zip(planes, counts, strict=True)]
    return np.frombuffer(b"".join(parts), dtype, sum(counts))
