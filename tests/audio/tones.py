"""Recordings made on the fly: tones in any container and coding."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def tone(frequency: float = 440.0, seconds: float = 0.5, rate: int = 16000, amplitude: float = 0.5) -> Floats:
    """A sine, float32 (n,)."""
    times = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * times)).astype(np.float32)


def encode(
    channels: Floats | list[Floats],
    rate: int,
    container: str = "wav",
    codec: str = "pcm_s16le",
    layout: str | None = None,
    **options: str,
) -> bytes:
    """Encode one channel (n,) or several [(n,), ...] to the bytes of a file."""
    planes = np.atleast_2d(np.asarray(channels, np.float32))
    layout = layout or {1: "mono", 2: "stereo", 6: "5.1(back)", 8: "7.1"}[len(planes)]
    with (
        tempfile.TemporaryDirectory() as folder,  # some options need a file that can be opened again
        av.open(f"{folder}/sound", "w", format=container, container_options=options) as file,
    ):
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, planes.shape[1], 8192):
            part = np.ascontiguousarray(planes[:, start : start + 8192].T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="flt", layout=layout)
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        file.close()
        return Path(folder, "sound").read_bytes()


def film(sound: Floats | None, rate: int = 16000) -> bytes:
    """A short MP4 film, with or without sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        video: Any = file.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio: Any = file.add_stream("aac", rate=rate, layout="mono") if sound is not None else None
        for number in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * number, np.uint8), format="rgb24")
            file.mux(video.encode(picture))
        file.mux(video.encode(None))
        if sound is not None:
            frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
            frame.sample_rate, frame.pts = rate, 0
            file.mux(audio.encode(frame))
            file.mux(audio.encode(None))
    return out.getvalue()


def strength(samples: Floats, frequency: float, rate: int = 16000) -> float:
    """Amplitude of one frequency in a signal, measured away from its ends."""
    middle = samples[len(samples) // 8 : -len(samples) // 8 or None].astype(np.float64)
    window = np.hanning(len(middle))
    turns = np.exp(-2j * np.pi * frequency * np.arange(len(middle)) / rate)
    return float(2 * np.abs((middle * window) @ turns) / window.sum())


class Pipe(io.RawIOBase):
    """Bytes that can only be read forwards, in portions, as from standard input."""

    def __init__(self, content: bytes, portion: int = 5000) -> None:
        super().__init__()
        self._content = io.BytesIO(content)
        self._portion = portion
        self.given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a part of the buffer."""
        chunk = self._content.read(min(len(buffer), self._portion))
        buffer[: len(chunk)] = chunk
        self.given += len(chunk)
        return len(chunk)
