"""What is answered of the history, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from emotrace.server.schemas import Recognition
from emotrace.store import Correction, Kept, Page


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeptRow(_Answer):
    """One line of the list; the margin is between the two likeliest emotions."""

    id: str
    owner: str
    created: datetime
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
    bytes: int
    label: str | None
    note: str | None
    reviewed: datetime | None
    reviewer: str | None


class KeptList(_Answer):
    """A page; the cursor asks for the next one, null is the end."""

    recognitions: list[KeptRow]
    cursor: str | None


class CorrectionRow(_Answer):
    """What somebody said of a recognition."""

    author: str
    created: datetime
    label: str | None
    note: str | None


class FeedbackList(_Answer):
    """All that was said of a recognition, oldest first."""

    feedback: list[CorrectionRow]


class KeptRecognition(Recognition):
    """A recognition as it was answered, and what became of it since."""

    owner: str
    created: datetime
    options: dict[str, Any]
    has_audio: bool
    label: str | None
    note: str | None
    reviewed: datetime | None
    reviewer: str | None
    feedback: list[CorrectionRow]


class AuditRow(_Answer):
    """One thing that was done."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str | None
    detail: str | None


class AuditList(_Answer):
    """A page of the audit log; the cursor asks for the next one, null is the end."""

    entries: list[AuditRow]
    cursor: str | None


def row_of(kept: Kept) -> KeptRow:
    """A line of the list."""
    shared = {name: getattr(kept, name) for name in KeptRow.model_fields if hasattr(kept, name)}
    return KeptRow(**{**shared, "codes": list(kept.codes), "duration_seconds": kept.duration})


def page_of(page: Page[Kept]) -> KeptList:
    """A page of the list."""
    return KeptList(recognitions=[row_of(kept) for kept in page.items], cursor=page.cursor)


def corrections_of(given: Iterable[Correction]) -> list[CorrectionRow]:
    """Corrections as they are answered."""
    return [CorrectionRow(author=c.author, created=c.created, label=c.label, note=c.note) for c in given]


def since_of(kept: Kept, given: Iterable[Correction]) -> dict[str, Any]:
    """What :class:`KeptRecognition` has more than the record, as JSON."""
    moments = {"created": kept.created, "reviewed": kept.reviewed}
    return {
        "id": kept.id,
        "owner": kept.owner,
        **{name: None if moment is None else moment.isoformat() for name, moment in moments.items()},
        "options": dict(kept.options),
        "has_audio": kept.has_audio,
        "label": kept.label,
        "note": kept.note,
        "reviewer": kept.reviewer,
        "feedback": [row.model_dump(mode="json") for row in corrections_of(given)],
    }
