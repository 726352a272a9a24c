"""Recognitions and failures as JSON: the classic five fields first, everything else beside them.

A step without speech is left out of a list of frames, since silence has no emotion: the timestamps tell
where it was. NaN and infinity are null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, TextIO, TypeAlias

import numpy as np

from emotrace.labels import LABELS
from emotrace.results import (
    ChangePoint,
    EmotionTrack,
    Failure,
    ModelInfo,
    Reason,
    Recognition,
    Segment,
    SignalMeasures,
    SignalQuality,
    Smoothing,
    Verdict,
)

SCHEMA_VERSION = 1
"""Version of the records; a field is added without a new one, none is removed or given another meaning."""

DIGITS = 6
"""Decimals of a probability; nine of them still sum to 1 within 5e-6."""

TIMESTAMP = "%Y-%m-%d %H:%M:%S"

_CHECKS = {
    "bandwidth_hz": 1,
    "snr_db": 2,
    "speech_share": DIGITS,
    "speech_seconds": 3,
    "music_share": DIGITS,
    "noise_share": DIGITS,
    "several_speakers": DIGITS,
}
"""The numbers of the signal checks, and their decimals."""

_LISTS = frozenset({"segments", "change_points", "frames"})  # that grow with the recording
_ROWS = 1024  # rows of a track that are made into records at a time

Granularity: TypeAlias = Literal["utterance", "frame", "segment"]
"""What a result is asked to speak of."""


def recognition_record(
    result: Recognition,
    *,
    granularity: Granularity = "utterance",
    when: datetime | None = None,
    embedding: bool = False,
) -> dict[str, Any]:
    """A recognition as a dict for :mod:`json`, without its frames (see :func:`frame_records`).

    Args:
        result: the recognition.
        granularity: what was asked for.
        when: local time of the recognition; None is now.
        embedding: put the utterance's embedding in, as a list of numbers.

    Returns:
        ``emotion``, ``confidence``, ``scores``, ``granularity`` and ``timestamp``, as ever; then
        ``schema_version``, ``source``, ``top``, ``quality``, ``model``, ``duration_seconds``,
        ``speech_seconds``, ``segments``, ``shares``, ``reference``, ``track_method``, ``warnings``,
        ``change_points``, ``smoothing``, ``verdict`` and ``embedding``.
    """
    record: dict[str, Any] = {
        "emotion": result.emotion,
        "confidence": number(result.confidence),
        "scores": scores_record(result.scores),
        "granularity": granularity,
        "timestamp": (when or datetime.now()).strftime(TIMESTAMP),
        "schema_version": SCHEMA_VERSION,
        "source": result.source,
        "top": [{"emotion": label, "score": number(score)} for label, score in result.top(3)],
        "quality": quality_record(result.measures, result.quality),
        "model": _model(result.model),
        "duration_seconds": number(result.duration),
        "speech_seconds": number(result.speech_duration),
        "segments": [_segment(segment) for segment in result.segments],
        "shares": {label: number(share) for label, share in result.shares.items()},
        "reference": result.reference,
        "track_method": result.track.method if result.track else None,
        "warnings": list(result.warnings),
        "change_points": [_change(change) for change in result.change_points],
        "smoothing": _smoothing(result.smoothing),
        "verdict": None if result.verdict is None else verdict_record(result.verdict),
    }
    if embedding:
        record["embedding"] = [float(str(value)) for value in result.embedding]  # shortest exact digits
    return record


def failure_record(failure: Failure) -> dict[str, Any]:
    """A failure as a dict for :mod:`json`.

    >>> failure_record(Failure("talk.wav", "audio", "'talk.wav' does not exist"))["error"]
    {'code': 'audio', 'reason': "'talk.wav' does not exist"}
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "source": failure.source,
        "error": {"code": failure.code, "reason": failure.reason},
    }


def quality_record(measures: SignalMeasures, quality: SignalQuality | None) -> dict[str, Any]:
    """What a recording is like, as a dict for :mod:`json`; null is not known, or not looked for.

    >>> record = quality_record(SignalMeasures(2.0, -20.5, -3.0, 0.0, 0.0, 0.25), None)
    >>> record["level_db"], record["snr_db"]
    (-20.5, None)
    """
    return {
        "level_db": number(measures.level_db, 2),
        "peak_db": number(measures.peak_db, 2),
        "clipping_share": number(measures.clipping_share),
        "dc_offset": number(measures.dc_offset),
        "silence_share": number(measures.silence_share),
        **{name: number(getattr(quality, name, None), digits) for name, digits in _CHECKS.items()},
        "content": quality.content if quality else None,
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a dict for :mod:`json`.

    >>> verdict_record(Verdict("keep"))
    {'decision': 'keep', 'reasons': []}
    """
    return {"decision": verdict.decision, "reasons": [reason_record(reason) for reason in verdict.reasons]}


def reason_record(reason: Reason) -> dict[str, Any]:
    """A reason as a dict for :mod:`json`."""
    return {
        "code": reason.code,
        "decision": reason.decision,
        "value": number(reason.value),
        "threshold": number(reason.threshold),
        "sentence": reason.sentence,
        "sentence_zh": reason.sentence_zh,
        "advice": reason.advice,
        "advice_zh": reason.advice_zh,
    }


def frame_records(track: EmotionTrack) -> Iterator[dict[str, Any]]:
    """The steps of a track that hold speech, one by one.

    Yields:
        ``emotion``, ``score`` (of that emotion), ``timestamp`` (start of the step in seconds) and
        ``scores``.

    >>> sure = np.eye(9, dtype=np.float32)[[3, 3]]
    >>> sure[0] = np.nan
    >>> track = EmotionTrack(np.float32([0, 0.04]), sure, 0.04, "made up")
    >>> [(frame["emotion"], frame["score"], frame["timestamp"]) for frame in frame_records(track)]
    [('happy', 1.0, 0.04)]
    """
    for start in range(0, len(track), _ROWS):
        part = track.probabilities[start : start + _ROWS]
        rows = np.flatnonzero(np.isfinite(part).all(axis=1))
        table = np.round(part[rows].astype(np.float64), DIGITS)
        times = np.round(track.times[start : start + _ROWS][rows].astype(np.float64), 2) + 0.0
        best = part[rows].argmax(axis=1)
        for values, time, index in zip(table.tolist(), times.tolist(), best.tolist(), strict=True):
            yield {
                "emotion": LABELS[index],
                "score": values[index],
                "timestamp": time,
                "scores": dict(zip(LABELS, values, strict=True)),
            }


def write_json(
    file: TextIO, record: Mapping[str, Any], frames: Iterable[Mapping[str, Any]] | None = None
) -> None:
    """Write a record on one line, its long lists item by item: three hours of them need no more memory.

    Args:
        file: open for text in UTF-8; with ``errors="backslashreplace"`` any file name can be written.
        record: see :func:`recognition_record`.
        frames: become the field ``frames``; None leaves it out.

    >>> import sys
    >>> write_json(sys.stdout, {"emotion": "sad"}, [{"timestamp": 0.0}, {"timestamp": 0.04}])
    {"emotion": "sad", "frames": [{"timestamp": 0.0}, {"timestamp": 0.04}]}
    """
    file.write("{")
    between = ""
    for name, value in (record if frames is None else {**record, "frames": frames}).items():
        file.write(f"{between}{dumps(name)}: ")
        if name in _LISTS:
            write_list(file, value)
        else:
            file.write(dumps(value))
        between = ", "
    file.write("}\n")


def write_list(file: TextIO, records: Iterable[Mapping[str, Any]], separator: str = ", ") -> None:
    """Write a JSON list, record by record.

    >>> import sys
    >>> write_list(sys.stdout, [{}, {}])
    [{}, {}]
    """
    file.write("[")
    between = separator.lstrip(", ")
    for record in records:
        file.write(between + dumps(record))
        between = separator
    file.write("]")


def dumps(record: object, indent: int | None = None) -> str:
    """JSON with real letters, and never NaN.

    >>> dumps({"快乐": 0.5})
    '{"快乐": 0.5}'
    """
    return json.dumps(record, ensure_ascii=False, allow_nan=False, indent=indent)


def number(value: float | None, digits: int = DIGITS) -> float | None:
    """A number as it is written: rounded; null where it is not finite, or not known.

    >>> number(1 / 3, 2), number(math.inf)
    (0.33, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits) + 0.0  # no -0.0


def scores_record(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Scores as they are written, in the order of the labels."""
    return {label: number(scores[label]) for label in LABELS}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "start": number(segment.start, 3),
        "end": number(segment.end, 3),
        "emotion": segment.emotion,
        "confidence": number(segment.confidence),
        "scores": scores_record(segment.scores),
    }


def _change(change: ChangePoint) -> dict[str, Any]:
    return {
        "time": number(change.time, 3),
        "before": change.before,
        "after": change.after,
        "strength": number(change.strength),
    }


def _smoothing(smoothing: Smoothing | None) -> dict[str, Any] | None:
    if smoothing is None:
        return None
    return {"method": smoothing.method, "latency_seconds": number(smoothing.latency_seconds)}


def _model(info: ModelInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "revision": info.revision,
        "precision": info.precision,
        "device": info.device,
        "runtime": info.runtime,
        "threads": info.threads,
    }
