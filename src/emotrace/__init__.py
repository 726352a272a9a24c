"""Emotion from speech, over time.

>>> from emotrace import LABELS
>>> LABELS[:4]
('angry', 'disgusted', 'fearful', 'happy')

Importing this package is cheap: what is heavy is imported on first use.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from emotrace.labels import EMOTIONS, LABELS

# No telemetry. ONNX Runtime from 1.29 on reports to Microsoft unless this is there when it is loaded, and
# huggingface_hub tells which packages are installed.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from emotrace.pipeline import PipelineOptions, Stream, analyse, analyse_many, stream
    from emotrace.recognition import Recognizer
    from emotrace.results import (
        ChangePoint,
        EmotionReading,
        EmotionTrack,
        Failure,
        Recognition,
        Segment,
        Signal,
        SignalQuality,
        SpeakerReference,
        SpeechEnded,
        SpeechStarted,
        StreamEnded,
        Verdict,
    )
    from emotrace.segmentation import signal_quality

__version__ = "0.1.0"

__all__ = [
    "EMOTIONS",
    "LABELS",
    "ChangePoint",
    "EmotionReading",
    "EmotionTrack",
    "Failure",
    "PipelineOptions",
    "Recognition",
    "Recognizer",
    "Segment",
    "Signal",
    "SignalQuality",
    "SpeakerReference",
    "SpeechEnded",
    "SpeechStarted",
    "Stream",
    "StreamEnded",
    "Verdict",
    "__version__",
    "analyse",
    "analyse_many",
    "signal_quality",
    "stream",
]

_ROOMS = {
    "PipelineOptions": "pipeline",
    "Recognizer": "recognition",
    "Stream": "pipeline",
    "analyse": "pipeline",
    "analyse_many": "pipeline",
    "signal_quality": "segmentation",
    "stream": "pipeline",
}
"""Where a name comes from, if it is not one of the records."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    room = _ROOMS.get(name, "results")
    return getattr(importlib.import_module(f"emotrace.{room}"), name)
