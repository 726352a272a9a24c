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
    from emotrace.recognition import Recognizer
    from emotrace.results import (
        EmotionTrack,
        Failure,
        Recognition,
        Segment,
        Signal,
        SpeakerReference,
    )

__version__ = "0.1.0"

__all__ = [
    "EMOTIONS",
    "LABELS",
    "EmotionTrack",
    "Failure",
    "Recognition",
    "Recognizer",
    "Segment",
    "Signal",
    "SpeakerReference",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    room = "emotrace.recognition" if name == "Recognizer" else "emotrace.results"
    return getattr(importlib.import_module(room), name)
