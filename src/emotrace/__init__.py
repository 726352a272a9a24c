"""Emotion from speech, over time.

>>> from emotrace import LABELS
>>> LABELS[:4]
('angry', 'disgusted', 'fearful', 'happy')

Importing this package is cheap: what is heavy is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotrace.labels import EMOTIONS, LABELS

if TYPE_CHECKING:
    from emotrace.pipeline import PipelineOptions, analyse, analyse_many
    from emotrace.recognition import Recognizer
    from emotrace.results import (
        ChangePoint,
        EmotionTrack,
        Failure,
        Recognition,
        Segment,
        Signal,
        SignalQuality,
        SpeakerReference,
        Verdict,
    )
    from emotrace.segmentation import signal_quality

__version__ = "0.1.0"

__all__ = [
    "EMOTIONS",
    "LABELS",
    "ChangePoint",
    "EmotionTrack",
    "Failure",
    "PipelineOptions",
    "Recognition",
    "Recognizer",
    "Segment",
    "Signal",
    "SignalQuality",
    "SpeakerReference",
    "Verdict",
    "__version__",
    "analyse",
    "analyse_many",
    "signal_quality",
]

_ROOMS = {
    "PipelineOptions": "pipeline",
    "Recognizer": "recognition",
    "analyse": "pipeline",
    "analyse_many": "pipeline",
    "signal_quality": "segmentation",
}
"""Where a name comes from, if it is not one of the records."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    room = _ROOMS.get(name, "results")
    return getattr(importlib.import_module(f"emotrace.{room}"), name)
