"""A recording, or its beginning, as a small MP3: for the players of a report."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

import numpy as np

from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

BIT_RATE = 32_000
"""Bits per second: clear speech at 16 kHz, 4 kB for each second."""


def clip_mp3(blocks: Iterable[Array], seconds: float) -> bytes:
    """Encode the beginning of a recording.

    Args:
        blocks: float32 (n,) each, 16 kHz mono; no more of them is read than it takes.
        seconds: longest clip.

    Returns:
        An MP3 file, 16 kHz mono; empty if there is no sample.

    >>> tone = np.sin(np.arange(16000, dtype=np.float32) / 10)
    >>> 3000 < len(clip_mp3([tone], 30.0)) < 6000
    True
    """
    import av

    file = io.BytesIO()
    written = 0
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLING_RATE)
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = BIT_RATE
        stream.layout = "mono"
        for samples in _first(blocks, seconds_to_samples(seconds)):
            pcm = np.rint(np.clip(samples, -1, 1) * np.float32(32767)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="s16p", layout="mono")
            frame.sample_rate, frame.pts = SAMPLING_RATE, written
            written += len(samples)
            container.mux(stream.encode(frame))
        if written:
            container.mux(stream.encode(None))
    return file.getvalue() if written else b""


def _first(blocks: Iterable[Array], count: int) -> Iterator[Array]:
    """The first samples."""
    for block in blocks:
        if len(block) and count > 0:
            yield block[:count]
        count -= len(block)
        if count <= 0:
            return
