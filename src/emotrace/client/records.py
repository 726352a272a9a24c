"""What a server answers, as records; fields that a newer server adds are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from emotrace.labels import LABELS
from emotrace.outputs.recalling import recalled
from emotrace.recognition.tracking import steps_between
from emotrace.results import EmotionTrack, Failure, Recognition

_R = TypeVar("_R", bound="_Record")

_HOP = 0.04  # seconds, of a track whose step was not asked for


class _Record:
    @classmethod
    def of(cls: type[_R], values: Mapping[str, Any]) -> _R:
        """The record in a JSON object."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Answer:
    """A recognition, and under which name the server keeps it.

    Attributes:
        recognition: as the library would have given it. With smoothing its ``track`` is the smoothed
            one, the only one that a server sends.
        id: None if the server keeps no history, or was asked not to.
        record: the JSON object.
    """

    recognition: Recognition
    id: str | None
    record: Mapping[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any], hop: float | None = None) -> Answer:
        """The answer in a JSON object.

        Args:
            record: of it.
            hop: seconds from one step of the track to the next.

        Raises:
            InputError: it is no record of a recognition.
        """
        track = track_of(record, hop or _HOP) if record.get("frames") is not None else None
        return cls(recalled(record, track=track), record.get("id"), record)


def track_of(record: Mapping[str, Any], hop: float) -> EmotionTrack:
    """The track in the frames of a record; steps that were left out held no speech, and are NaN.

    >>> frame = {"timestamp": 0.04, "scores": dict.fromkeys(LABELS, 1 / 9)}
    >>> track_of({"frames": [frame], "duration_seconds": 0.1, "track_method": "by hand"}, 0.04).emotions
    [None, 'angry']
    """
    frames = record["frames"]
    steps = len(steps_between(0.0, record["duration_seconds"] or 0.0, hop))
    count = max(1, steps, *(round(frame["timestamp"] / hop) + 1 for frame in frames))
    table = np.full((count, len(LABELS)), np.nan, np.float32)
    for frame in frames:
        table[round(frame["timestamp"] / hop)] = [frame["scores"][label] for label in LABELS]
    times = (np.arange(count) * hop).astype(np.float32)
    return EmotionTrack(times, table, hop, record["track_method"] or "")


@dataclass(frozen=True, slots=True)
class Kept(_Record):
    """A line of the history; see ``GET /v1/recognitions``."""

    id: str
    owner: str
    created: str
    source: str
    emotion: str
    confidence: float
    margin: float
    decision: str | None
    codes: list[str]
    duration_seconds: float
    model: str
    granularity: str
    has_audio: bool
    label: str | None
    note: str | None
    reviewed: str | None
    reviewer: str | None


@dataclass(frozen=True, slots=True)
class Correction(_Record):
    """What somebody said of a recognition."""

    author: str
    created: str
    label: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Model(_Record):
    """An installed model of the server; see ``GET /v1/models``."""

    name: str
    family: str
    state: str
    default: bool


@dataclass(frozen=True, slots=True)
class JobItem(_Record):
    """One recording of a job."""

    number: int
    source: str
    state: str
    progress: float
    id: str | None
    code: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is.

    Attributes:
        id: of it.
        state: ``"queued"``, ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        progress: 0 to 1.
        seconds_left: an estimate; None where there is none.
        counts: recordings by state.
        problem: why nothing of it is begun just now; None where that is not so.
        items: the recordings; empty where they were not asked for.
    """

    id: str
    state: str
    progress: float
    seconds_left: float | None
    counts: Mapping[str, int]
    problem: str | None = None
    items: tuple[JobItem, ...] = ()

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it.

        >>> Job("a", "running", 0.5, 3.0, {}).ended
        False
        """
        return self.state in ("done", "failed", "cancelled")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Job:
        """The record in a JSON object."""
        items = tuple(JobItem.of(item) for item in values.get("items", ()))
        names = ("id", "state", "progress", "seconds_left", "counts")
        return cls(**{name: values[name] for name in names}, problem=values.get("problem"), items=items)


def result_of(line: Mapping[str, Any], hop: float | None = None) -> Answer | Failure:
    """One recording of a job's results."""
    if line["result"] is None:
        error = line["error"] or {"code": "pending", "reason": f"it is {line['state']}"}
        return Failure(line["source"], error["code"], error["reason"])
    return Answer.of({**line["result"], "id": line["id"]}, hop)
