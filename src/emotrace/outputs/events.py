"""The events of a live stream as JSON: one object each, with a ``type``."""

from __future__ import annotations

from typing import Any

from emotrace.labels import LABELS
from emotrace.outputs.records import (
    frame_records,
    number,
    recognition_record,
    scores_record,
)
from emotrace.results import (
    Array,
    EmotionReading,
    Recognition,
    SpeechEnded,
    SpeechStarted,
    StreamEnded,
    StreamEvent,
)


def event_record(event: StreamEvent, *, frames: bool = False, embedding: bool = False) -> dict[str, Any]:
    """An event as a dict for :mod:`json`.

    Args:
        event: of :class:`emotrace.pipeline.Stream`.
        frames: put emotion over time into recognitions, if it was asked for there.
        embedding: put embeddings in.

    Returns:
        ``type`` (``speech.started``, ``emotion``, ``speech.ended`` or ``recognition``) and its fields.

    >>> event_record(SpeechStarted(0.5, 0.8))
    {'type': 'speech.started', 'time': 0.5, 'heard': 0.8}
    """
    match event:
        case SpeechStarted():
            return {"type": "speech.started", "time": number(event.time, 3), "heard": number(event.heard, 3)}
        case EmotionReading():
            return {
                "type": "emotion",
                "start": number(event.start, 3),
                "time": number(event.time, 3),
                **_scored(event.probabilities),
                "smoothed": None if event.smoothed is None else _scored(event.smoothed),
                "latency_seconds": number(event.latency_seconds),
            }
        case SpeechEnded():
            return {
                "type": "speech.ended",
                "start": number(event.start, 3),
                "end": number(event.end, 3),
                "heard": number(event.heard, 3),
                "recognition": _recognition(event.recognition, frames, embedding),
            }
        case StreamEnded():
            return {"type": "recognition", "recognition": _recognition(event.recognition, frames, embedding)}


def _scored(probabilities: Array) -> dict[str, Any]:
    best = int(probabilities.argmax())
    return {
        "emotion": LABELS[best],
        "confidence": number(float(probabilities[best])),
        "scores": scores_record(dict(zip(LABELS, probabilities.tolist(), strict=True))),
    }


def _recognition(result: Recognition, frames: bool, embedding: bool) -> dict[str, Any]:
    record = recognition_record(result, granularity="frame" if frames else "segment", embedding=embedding)
    track = result.smoothed or result.track
    if frames and track is not None:
        record["frames"] = list(frame_records(track))
    return record
