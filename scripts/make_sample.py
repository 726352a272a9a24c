"""Make the shipped sample: espeak-ng reads five sentences in several voices and moods.

Synthetic speech, so anybody may have it. Needs espeak-ng (``apt-get install espeak-ng``). The moods are
only the settings of the synthesiser (pitch, speed, loudness); nobody feels anything here, and what a model
hears in them is its own affair.
"""

from __future__ import annotations

import io
import subprocess
import sys
import wave
from pathlib import Path
from typing import NamedTuple, cast

import av
import numpy as np
import soxr
from numpy.typing import NDArray

RATE = 16_000
PAUSE_SECONDS = 0.35
OUT = Path(__file__).parent.parent / "src" / "emotrace" / "sample" / "moods.flac"


class Line(NamedTuple):
    """One sentence and how it is read."""

    voice: str
    speed: int  # words per minute
    pitch: int  # 0 to 99
    loudness: int  # 0 to 200
    text: str


LINES = (
    Line("en-gb+m3", 150, 40, 90, "The train to the coast leaves at a quarter past nine."),
    Line("en-us+f2", 205, 88, 150, "You came! I cannot believe it, this is the best day of the year!"),
    Line("en-gb+m7", 215, 62, 195, "No! I have told you three times. Do not touch that machine!"),
    Line("en-us+f4", 105, 18, 60, "I waited until it was dark. Nobody called. Nobody came."),
    Line("en-gb+f5", 225, 95, 110, "What was that? Did you hear it? There is somebody on the stairs!"),
)


def speak(line: Line) -> NDArray[np.float32]:
    """One sentence as float32 (n,), 16 kHz."""
    command = ["espeak-ng", "-v", line.voice, "-s", str(line.speed), "-p", str(line.pitch)]
    command += ["-a", str(line.loudness), "--stdout", line.text]
    made = subprocess.run(command, check=True, capture_output=True).stdout
    with wave.open(io.BytesIO(made)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.asarray(soxr.resample(samples.astype(np.float32) / 32768, rate, RATE), np.float32)


def main() -> int:
    """Write the sample."""
    pause = np.zeros(int(PAUSE_SECONDS * RATE), np.float32)
    parts = [part for line in LINES for part in (pause, speak(line))]
    samples = np.concatenate([*parts, pause])
    # A little room noise: digital silence between sentences is found in no recording.
    samples += np.random.default_rng(0).normal(0, 3e-4, len(samples)).astype(np.float32)
    pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(OUT), "w") as container:
        stream = cast("av.AudioStream", container.add_stream("flac", rate=RATE, layout="mono"))
        for start in range(0, len(pcm), 4096):
            frame = av.AudioFrame.from_ndarray(pcm[None, start : start + 4096], format="s16", layout="mono")
            frame.rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    print(f"{OUT}: {len(pcm) / RATE:.1f} s, {OUT.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
