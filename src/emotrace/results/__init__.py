"""The frozen records that cross rooms.

Times are seconds from the start of the recording unless the name says otherwise; probabilities follow
the order of :data:`emotrace.labels.LABELS`; arrays are float32 and must not be written to.
"""

from __future__ import annotations

from emotrace.results.recognition import Embedding, Failure, ModelInfo, Recognition, SpeakerReference
from emotrace.results.signal import Array, Signal, SignalMeasures, SignalQuality
from emotrace.results.stream import EmotionReading, SpeechEnded, SpeechStarted, StreamEnded, StreamEvent
from emotrace.results.track import ChangePoint, EmotionTrack, Segment, Smoothing
from emotrace.results.verdict import Reason, Verdict

__all__ = [
    "Array",
    "ChangePoint",
    "Embedding",
    "EmotionReading",
    "EmotionTrack",
    "Failure",
    "ModelInfo",
    "Reason",
    "Recognition",
    "Segment",
    "Signal",
    "SignalMeasures",
    "SignalQuality",
    "Smoothing",
    "SpeakerReference",
    "SpeechEnded",
    "SpeechStarted",
    "StreamEnded",
    "StreamEvent",
    "Verdict",
]
