"""What the list says of recognitions, and how its lines are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_

from emotrace.outputs.records import DIGITS, Granularity
from emotrace.results import Recognition
from emotrace.store.schema import recognitions
from emotrace.store.types import now, storable


@dataclass(frozen=True, slots=True)
class Correction:
    """What somebody said of a recognition.

    Attributes:
        author: key of the caller.
        created: in UTC.
        label: one of the nine emotions; None says nothing of it.
        note: in words.
    """

    author: str
    created: datetime
    label: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Kept:
    """What the list says of a recognition.

    Attributes:
        id: of it.
        owner: key of the caller.
        created: in UTC.
        source: name of the file.
        emotion: as recognised.
        confidence: its probability.
        margin: between the two likeliest emotions, 0 to 1.
        decision: of the verdict; None was not judged.
        codes: of the verdict's reasons.
        duration: seconds.
        model: name.
        granularity: what was asked for.
        options: what else was asked for.
        has_audio: the upload itself was kept.
        bytes: of its files.
        label: as last corrected.
        note: as last given.
        reviewed: when a person last judged it.
        reviewer: key of that person.
    """

    id: str
    owner: str
    created: datetime
    source: str
    emotion: str
    confidence: float
    margin: float
    decision: str | None
    codes: tuple[str, ...]
    duration: float
    model: str
    granularity: str
    options: Mapping[str, Any]
    has_audio: bool
    bytes: int
    label: str | None
    note: str | None
    reviewed: datetime | None
    reviewer: str | None


COLUMNS = [recognitions.c[each.name] for each in fields(Kept)]
"""Those of the list."""


def mine(id: str, owner: str | None) -> ColumnElement[bool]:  # noqa: A002
    """The condition that a row is of an id and an owner, and not being deleted.

    Args:
        id: of a recognition.
        owner: None is anybody.
    """
    return and_(recognitions.c.id == storable(id), visible_to(owner))


def words_of(source: str, label: str | None, note: str | None) -> str:
    """What a search for text looks through."""
    return "\n".join(filter(None, (source, label, note))).casefold()


def doubt_of(decision: str | None, margin: float) -> float:
    """The place in the review queue: the margin, and 1 more where the verdict saw nothing wrong.

    >>> doubt_of("flag", 0.25), doubt_of("keep", 0.25)
    (0.25, 1.25)
    """
    return margin + (0.0 if decision in ("flag", "drop") else 1.0)


def visible_to(owner: str | None) -> ColumnElement[bool]:
    """The condition that a row is of an owner, None is anybody, and not being deleted."""
    visible = ~recognitions.c.deleting
    return visible if owner is None else and_(visible, recognitions.c.owner == owner)


def row_of(result: Recognition, granularity: Granularity) -> dict[str, Any]:
    """What the row of a new recognition tells of its result."""
    first, second, *_ = sorted((*result.scores.values(), 0.0, 0.0), reverse=True)
    margin = round(float(first - second), DIGITS)
    decision = result.verdict.decision if result.verdict else None
    return {
        "created": now(),
        "source": result.source,
        "emotion": result.emotion,
        "confidence": round(float(result.confidence), DIGITS),
        "margin": margin,
        "decision": decision,
        "codes": list(result.verdict.codes) if result.verdict else [],
        "duration": float(result.duration),
        "model": result.model.name,
        "granularity": granularity,
        "doubt": doubt_of(decision, margin),
        "words": words_of(result.source, None, None),
    }


def kept_of(row: RowMapping) -> Kept:
    """A line of the list from its row."""
    return Kept(**{**row, "codes": tuple(row["codes"])})
