"""What a client may ask of the history, in queries and JSON bodies."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from emotrace.errors import OptionError
from emotrace.labels import LABELS, label_index
from emotrace.options import Options
from emotrace.outputs.lettering import Language
from emotrace.server.problems import RequestError
from emotrace.server.renderings import KEPT_NAMES, known
from emotrace.store.feedback import LONGEST_NOTE
from emotrace.store.paging import MOST

MOST_BYTES = 64 * 1024
"""Of a JSON body."""


def _no_number(given: object) -> object:
    if isinstance(given, str) and "-" not in given[1:]:
        raise ValueError("expected a time such as 2026-01-31T12:00")
    return given


def _with_zone(moment: datetime) -> datetime:
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError("expected a time between the years 1 and 9999") from error


Moment = Annotated[datetime, BeforeValidator(_no_number), AfterValidator(_with_zone)]
"""A time as ISO 8601 has it; without a zone it is UTC."""


class PageQuery(Options):
    """Which page.

    Attributes:
        cursor: of the page before; none is the first.
        limit: rows of a page.
    """

    cursor: Annotated[str, Field(max_length=500)] | None = None
    limit: int = Field(default=50, ge=1, le=MOST)


class ListQuery(PageQuery):
    """Which recognitions.

    Attributes:
        text: in the file's name, the note or the corrected label.
        emotion: as recognised, by any of its names.
        decision: of the verdict.
        since: that time or later.
        until: before that time.
        reviewed: judged by a person, or not.

    >>> ListQuery.read({"since": "2026-05-01T10:00:00", "emotion": "开心"}).wanted()["emotion"]
    'happy'
    """

    text: Annotated[str, Field(max_length=200)] | None = None
    emotion: Annotated[str, Field(max_length=40)] | None = None
    decision: Literal["keep", "flag", "drop"] | None = None
    since: Moment | None = None
    until: Moment | None = None
    reviewed: bool | None = None

    def wanted(self) -> dict[str, Any]:
        """For :meth:`emotrace.store.Recognitions.search`.

        Raises:
            LabelError: the emotion is none of the nine.
        """
        emotion = None if self.emotion is None else LABELS[label_index(self.emotion)]
        return {**self.model_dump(), "emotion": emotion}


class AuditQuery(PageQuery):
    """Which lines of the audit log.

    Attributes:
        actor: of this caller.
        subject: of this id.
    """

    actor: Annotated[str, Field(max_length=64)] | None = None
    subject: Annotated[str, Field(max_length=64)] | None = None


class FormQuery(Options):
    """In which form a recognition is answered.

    Attributes:
        format: JSON, one of the other forms, or the result folder (zip).
        language: of captions (webvtt).
    """

    format: str = Field(default="json", json_schema_extra={"enum": list(KEPT_NAMES)})
    language: Language = "en"

    @field_validator("format")
    @classmethod
    def _known(cls, value: str) -> str:
        return known(value, KEPT_NAMES)


class PictureQuery(Options):
    """How a picture is drawn.

    Attributes:
        language: of its words.
    """

    language: Language = "en"


class FeedbackBody(Options):
    """What a person says of a recognition: a label, a note, or both.

    Attributes:
        label: what the emotion really is, by any of its names.
        note: in words.
    """

    label: Annotated[str, Field(max_length=40)] | None = None
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] | None = None


class ReviewBody(Options):
    """Whether a person judged it.

    Attributes:
        reviewed: false puts it back into the queue.
    """

    reviewed: bool = True


def query_of(request: Request) -> dict[str, str]:
    """The fields of a query.

    Raises:
        OptionError: one came twice.
    """
    fields: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in fields:
            raise OptionError(f"the field {name[:60]!r} came twice; give it once")
        fields[name] = value
    return fields


async def json_body(request: Request) -> dict[str, Any]:
    """A small JSON object.

    Raises:
        RequestError: it is none, or too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError(
            "content-type", f"the body is of the type {kind[:60]!r}; expected 'application/json'"
        )
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            raise RequestError("limit", f"the body has more than {MOST_BYTES} bytes; send less")
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError("bad-request", "the body is no JSON; expected an object such as {}") from error
    if not isinstance(given, dict):
        raise RequestError("bad-request", "the body is no JSON object; expected one such as {}")
    return given


def of_query(form: type[Options]) -> dict[str, Any]:
    """The parameters of a query as OpenAPI has them."""
    schema = form.model_json_schema()
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": each}
            for name, each in schema["properties"].items()
        ]
    }


def of_body(form: type[Options]) -> dict[str, Any]:
    """A JSON body as OpenAPI has it."""
    content = {"application/json": {"schema": form.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}
