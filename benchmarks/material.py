"""Recordings to measure on: the shipped sample, repeated, in several containers."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from emotrace.audio import load

SAMPLE = Path(__file__).parent.parent / "src" / "emotrace" / "sample" / "moods.flac"


def speech(rate: int = 16_000) -> NDArray[np.float32]:
    """The sample at some rate, float32 (n,)."""
    samples = load(SAMPLE).samples
    return np.asarray(soxr.resample(samples, 16_000, rate), np.float32)


def encode(path: Path, samples: NDArray[np.float32], rate: int, codec: str, seconds: float) -> Path:
    """Write ``samples`` again and again for so many seconds, unless the file is there."""
    if path.exists():
        return path
    partial = path.with_name("partial-" + path.name)
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)[None]
    total, done, block = int(seconds * rate), 0, 1 << 16
    with av.open(str(partial), "w") as container:
        stream = cast("av.AudioStream", container.add_stream(codec, rate=rate, layout="mono"))
        resampler = av.AudioResampler(stream.format, "mono", rate)
        while done < total:
            start = done % pcm.shape[1]
            part = pcm[:, start : start + min(block, total - done)]
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part), format="s16", layout="mono")
            frame.rate, frame.pts = rate, done
            for converted in resampler.resample(frame):
                container.mux(stream.encode(converted))
            done += part.shape[1]
        for converted in resampler.resample(None):
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return partial.rename(path)
