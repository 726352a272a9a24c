"""A recognition from the record that was written of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

from emotrace.errors import InputError
from emotrace.results import (
    Array,
    ChangePoint,
    EmotionTrack,
    ModelInfo,
    Reason,
    Recognition,
    Segment,
    SignalMeasures,
    SignalQuality,
    Smoothing,
    Verdict,
)

_R = TypeVar("_R")


def recalled(
    record: Mapping[str, Any],
    *,
    embedding: Array | None = None,
    track: EmotionTrack | None = None,
    smoothed: EmotionTrack | None = None,
) -> Recognition:
    """The recognition that a record of :func:`~emotrace.outputs.recognition_record` is of.

    Args:
        record: of this version; what null stood for is NaN again.
        embedding: float32 (D,), which is no part of every record; None is the record's own, else empty.
        track: emotion over time.
        smoothed: the same after smoothing.

    Raises:
        InputError: it is no such record.

    >>> from emotrace import Recognizer
    >>> from emotrace.models.encoder import FakeEncoder
    >>> from emotrace.outputs import recognition_record
    >>> tone = (np.sin(np.arange(8000, dtype=np.float32)), 16000)
    >>> record = recognition_record(Recognizer(encoder=FakeEncoder()).recognize(tone))
    >>> recognition_record(recalled(record))["scores"] == record["scores"]
    True
    """
    try:
        return _recalled(record, embedding, track, smoothed)
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            "the record is none of a recognition that this emotrace wrote; expected a result.json"
        ) from error


def _recalled(
    record: Mapping[str, Any],
    embedding: Array | None,
    track: EmotionTrack | None,
    smoothed: EmotionTrack | None,
) -> Recognition:
    quality = {**record["quality"], "duration": record["duration_seconds"]}
    measures = _of(SignalMeasures, quality)
    given = np.asarray(record.get("embedding", ()), np.float32)
    return Recognition(
        source=record["source"],
        emotion=record["emotion"],
        confidence=record["confidence"],
        scores=dict(record["scores"]),
        duration=record["duration_seconds"],
        model=_of(ModelInfo, record["model"]),
        measures=measures,
        embedding=given if embedding is None else embedding,
        track=track,
        segments=tuple(_of(Segment, each) for each in record["segments"]),
        shares=dict(record["shares"]),
        speech_duration=record["speech_seconds"],
        reference=record["reference"],
        warnings=tuple(record["warnings"]),
        quality=_of(SignalQuality, {**quality, "measures": measures}) if quality["content"] else None,
        smoothed=smoothed,
        smoothing=_smoothing(record["smoothing"]),
        change_points=tuple(_of(ChangePoint, each) for each in record["change_points"]),
        verdict=verdict_of(record["verdict"]),
    )


def _of(kind: type[_R], values: Mapping[str, Any]) -> _R:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: math.nan if values[name] is None else values[name] for name in names})


def _smoothing(record: Mapping[str, Any] | None) -> Smoothing | None:
    if record is None:
        return None
    latency = record["latency_seconds"]
    return Smoothing(record["method"], math.inf if latency is None else latency)


def verdict_of(record: Mapping[str, Any] | None) -> Verdict | None:
    """The verdict that a record is of; None without one.

    >>> verdict_of({"decision": "keep", "reasons": []}).decision
    'keep'
    """
    if not record:
        return None
    return Verdict(record["decision"], tuple(_of(Reason, each) for each in record["reasons"]))
