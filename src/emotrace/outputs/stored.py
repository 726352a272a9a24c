"""Reading ``result.json`` back, also what others wrote: Chinese labels, missing fields, percentages."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emotrace.errors import EmotraceError, InputError, LabelError
from emotrace.labels import LABELS, label_index
from emotrace.outputs.folder import FRAMES_FILE, RESULT_FILE
from emotrace.postprocess.rule_table import Facts
from emotrace.postprocess.tracks import read_frames
from emotrace.postprocess.verdict import score_facts, signal_facts, switches_in_frames
from emotrace.results import SignalMeasures, SignalQuality

MAX_BYTES = 64_000_000
_TOLERANCE = 1.001  # rounded shares may sum to a little more than 1


@dataclass(frozen=True, slots=True)
class StoredResult:
    """What a ``result.json`` says.

    Attributes:
        emotion: one of the nine labels, or another writer's own word.
        scores: by label, likeliest first; empty if there are none.
        facts: the numbers that a verdict can be made from.
        notes: what had to be understood, for people.
    """

    emotion: str
    scores: Mapping[str, float]
    facts: Facts
    notes: tuple[str, ...] = field(default=())


def read_result(folder: Path, *, frames: bool = False) -> StoredResult:
    """The result in a folder.

    Labels may be English, Chinese or FunASR's; ``scores`` an object, or a list beside a list ``labels``;
    without ``confidence`` the largest score counts, without ``scores`` the confidence alone. Numbers over 1
    are percentages. Scores that do not sum to 1 are taken as they are.

    Args:
        folder: holds ``result.json``.
        frames: count the switches in its ``frames.json``, if there is one; a note says so if it is of no use.

    Raises:
        InputError: there is no such file, it is no regular file, no JSON, or says nothing of use.
    """
    try:
        record = json.loads(_text(_bytes(folder / RESULT_FILE)))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{RESULT_FILE} is no JSON: {_short(error)}") from error
    if not isinstance(record, dict):
        raise InputError(f"{RESULT_FILE} holds a {type(record).__name__}; expected an object")
    result = parse_result(record)
    return _with_switches(result, folder / FRAMES_FILE) if frames else result


def _with_switches(result: StoredResult, path: Path) -> StoredResult:
    if not os.path.lexists(path):
        return result
    try:
        found = read_frames(json.loads(_text(_bytes(path))))
    except (ValueError, RecursionError, EmotraceError) as error:
        return replace(result, notes=(*result.notes, f"{path.name} is of no use: {_short(error)}"))
    return replace(result, facts=replace(result.facts, switches_per_minute=switches_in_frames(found)))


def parse_result(record: Mapping[str, Any]) -> StoredResult:
    """A result from its JSON object; see :func:`read_result`.

    Raises:
        InputError: it says nothing of use.

    >>> result = parse_result({"emotion": "开心", "confidence": 85.0, "scores": {"开心": 85.0, "中立": 15.0}})
    >>> result.emotion, result.facts.confidence, result.notes
    ('happy', 0.85, ('numbers are percentages',))
    """
    scores, confidence = _scores(record), _number(record.get("confidence"), "confidence")
    if not scores and confidence is None:
        raise InputError("there is neither a confidence nor a score; expected a result of a recognition")
    scores, confidence, percent = _as_shares(scores, confidence)
    ordered = dict(sorted(scores.items(), key=lambda item: -item[1]))
    named = record.get("emotion")
    emotion = _label(named) if isinstance(named, str) and named.strip() else next(iter(ordered), "")
    notes = list(_notes(record, ordered, emotion, percent))
    facts = Facts(**{**_signal(record), **score_facts(ordered, confidence)})
    return StoredResult(emotion, ordered, facts, tuple(notes))


def _bytes(path: Path) -> bytes:
    """The content of a regular file; a link is not followed, a pipe not waited for."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if path.is_symlink():
            raise InputError(f"{path.name} is a symbolic link, which is not followed")
        with os.fdopen(os.open(path, flags), "rb") as file:
            kind = os.fstat(file.fileno())
            if not stat.S_ISREG(kind.st_mode):
                raise InputError(f"{path.name} is no regular file")
            if kind.st_size > MAX_BYTES:
                raise InputError(f"{path.name} is larger than {MAX_BYTES // 1_000_000} MB")
            return file.read(MAX_BYTES)
    except FileNotFoundError as error:
        raise InputError(f"there is no {path.name}") from error
    except IsADirectoryError as error:
        raise InputError(f"{path.name} is a folder; expected a file") from error
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InputError(f"{path.name} cannot be read: {reason}") from error


def _text(data: bytes) -> str:
    """Text in UTF-8, UTF-16 or UTF-32, else in the encoding of Chinese Windows."""
    with suppress(UnicodeDecodeError):
        return data.decode(json.detect_encoding(data))
    return data.decode("gb18030")


def _scores(record: Mapping[str, Any]) -> dict[str, float]:
    given = record.get("scores")
    if given is None:
        return {}
    labels = record.get("labels")
    if isinstance(given, list) and isinstance(labels, list) and len(given) == len(labels):
        pairs = [(str(label), score) for label, score in zip(labels, given, strict=True)]
    elif isinstance(given, dict):
        pairs = list(given.items())
    else:
        raise InputError(f"scores is {_short(repr(given))}; expected an object of labels and numbers")
    scores: dict[str, float] = {}
    for name, value in pairs:
        label, number = _label(name), _number(value, f"the score of {_short(name)!r}")
        if label in scores:
            raise InputError(f"there are two scores of {_short(label)!r}")
        if number is not None:
            scores[label] = number
    return scores


def _label(text: str) -> str:
    try:
        return LABELS[label_index(text)]
    except LabelError:
        return text


def _number(value: object, name: str) -> float | None:
    """A number from 0 to 100; None if there is none.

    Raises:
        InputError: it is something else.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name} is {_short(repr(value))}; expected a number")
    if not 0 <= value <= 100 * _TOLERANCE:
        raise InputError(f"{name} is {_short(value)}; expected 0 to 1")
    return float(value)


def _as_shares(
    scores: dict[str, float], confidence: float | None
) -> tuple[dict[str, float], float | None, bool]:
    """Percentages become shares; the scores tell whether a small confidence is one."""
    top = max(scores.values(), default=0.0)
    percent = top > _TOLERANCE
    if percent:
        scores = {label: score / 100 for label, score in scores.items()}
    if confidence is not None:
        close = percent and abs(confidence / 100 - top / 100) < abs(confidence - top / 100)
        if confidence > _TOLERANCE or close:
            confidence, percent = confidence / 100, True
        confidence = min(confidence, 1.0)
    return scores, confidence, percent


def _notes(record: Mapping[str, Any], scores: Mapping[str, float], emotion: str, percent: bool) -> list[str]:
    total = sum(scores.values())
    if "confidence" not in record or record["confidence"] is None:
        yields = ["no confidence: the largest score counts"]
    else:
        yields = []
    if not scores:
        yields.append("no scores")
    elif abs(total - 1) > 0.01:
        yields.append(f"scores sum to {total:.2f}")
    if percent:
        yields.append("numbers are percentages")
    if emotion not in LABELS:
        yields.append(f"{_short(emotion)!r} is none of the nine emotions" if emotion else "no emotion")
    elif scores and scores.get(emotion, -1.0) < max(scores.values()):
        yields.append(f"the likeliest score is not that of {emotion!r}")
    return yields


def _signal(record: Mapping[str, Any]) -> dict[str, float]:
    """What the record tells of the signal, if emotrace wrote it; anything else is not known."""
    given = record.get("quality")
    quality: Mapping[str, Any] = given if isinstance(given, dict) else {}

    def told(name: str, source: Mapping[str, Any] = quality) -> float:
        value = source.get(name)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
        return float(value) if fits and value is not None else math.nan

    measures = SignalMeasures(
        told("duration_seconds", record),
        *map(told, ("level_db", "peak_db", "clipping_share", "dc_offset", "silence_share")),
    )
    checked = SignalQuality(
        measures,
        bandwidth_hz=told("bandwidth_hz"),
        snr_db=told("snr_db"),
        speech_share=told("speech_share"),
        speech_seconds=told("speech_seconds"),
        music_share=told("music_share"),
        noise_share=told("noise_share"),
        content="",
        several_speakers=told("several_speakers"),
    )
    facts = signal_facts(checked)
    if math.isnan(checked.speech_share + checked.music_share + checked.noise_share):
        facts["silence_share"] = measures.silence_share
    return facts


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
