"""What a live stream tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from emotrace.labels import LABELS
from emotrace.results.recognition import Recognition
from emotrace.results.signal import Array


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """In a live stream somebody began to speak.

    Attributes:
        time: when, in seconds; the segment that follows starts there.
        heard: seconds of the stream after which it was sure.
    """

    time: float
    heard: float


@dataclass(frozen=True, slots=True, eq=False)
class EmotionReading:
    """What a live stream sounds like just now, before the speech has ended; provisional.

    Attributes:
        start: where the window begins that was listened to, in seconds.
        time: where it ends, which is how much of the stream had been heard.
        probabilities: float32 (9,), sum 1.
        smoothed: float32 (9,), the newest smoothed reading, which speaks of ``time - latency_seconds``; None
            without smoothing, before there is one, and where nobody spoke then.
        latency_seconds: of the smoothing; infinite where it waits for the end of the stream.
    """

    start: float
    time: float
    probabilities: Array
    smoothed: Array | None = None
    latency_seconds: float = 0.0

    @property
    def emotion(self) -> str:
        """The likeliest emotion, before smoothing."""
        return LABELS[int(self.probabilities.argmax())]


@dataclass(frozen=True, slots=True, eq=False)
class SpeechEnded:
    """In a live stream a stretch of speech ended.

    Attributes:
        start: seconds.
        end: seconds.
        heard: seconds of the stream after which its end was known.
        recognition: of the stretch alone; its track has the times of the stream.
    """

    start: float
    end: float
    heard: float
    recognition: Recognition


@dataclass(frozen=True, slots=True, eq=False)
class StreamEnded:
    """A live stream is over.

    Attributes:
        recognition: of the whole, as a file of it gives that is cut at pauses.
    """

    recognition: Recognition


StreamEvent: TypeAlias = SpeechStarted | EmotionReading | SpeechEnded | StreamEnded
"""What a live stream tells, in the order of ``heard``."""
