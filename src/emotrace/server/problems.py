"""Errors as problem+json (RFC 9457) with a stable code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import Response

from emotrace.errors import EmotraceError, LimitError
from emotrace.server.monitoring.logs import log, note

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Kind:
    """What a code stands for.

    Attributes:
        status: of the answer.
        meaning: for the documentation.
        sentence: said instead of the error's own, which tells of the server's inside.
    """

    status: int
    meaning: str
    sentence: str | None = None


_OURS = "this server cannot do it now; try again later, or ask who runs it: its log says why"

KINDS: dict[str, Kind] = {
    "multipart": Kind(400, "the body is no multipart form, or a broken one"),
    "bad-request": Kind(400, "the request cannot be understood"),
    "unauthorized": Kind(401, "the key or session is missing, wrong or over"),
    "cross-origin": Kind(403, "a page of another site sent the request"),
    "forbidden": Kind(403, "the key may not do this, or the address may not ask"),
    "not-found": Kind(404, "there is no such route"),
    "recognition-not-found": Kind(404, "no recognition of this id is kept for the caller"),
    "job-not-found": Kind(404, "the caller has no job of this id"),
    "model-not-found": Kind(404, "no model of this name is installed"),
    "method-not-allowed": Kind(405, "the route is there, but not for this method"),
    "upload-timeout": Kind(408, "the request was sent too slowly"),
    "limit": Kind(413, "more bytes or seconds than allowed"),
    "content-type": Kind(415, "the body is of another type than expected"),
    "headers": Kind(431, "the address and headers are larger than allowed"),
    "wrong-host": Kind(421, "the Host header names another host"),
    "input": Kind(422, "the recording cannot be used: too short, or far out of range"),
    "audio": Kind(422, "the file cannot be read as audio"),
    "no-audio": Kind(422, "there is no sound in the file"),
    "no-speech": Kind(422, "there is no speech in the recording"),
    "label": Kind(422, "a label is none of the nine emotions"),
    "key-reused": Kind(422, "the Idempotency-Key came with another job before"),
    "option": Kind(422, "an option is unknown, out of range, or without effect"),
    "busy": Kind(429, "too many requests wait already; Retry-After says when to come again"),
    "rate": Kind(429, "too many requests in a minute; Retry-After says when to come again"),
    "bug": Kind(500, "an unexpected error, which is in the server's log", "unexpected error; " + _OURS),
    "output": Kind(500, "a result could not be written", _OURS),
    "error": Kind(500, "another error of the server", _OURS),
    "model": Kind(503, "the model is broken or cannot be loaded", "the model cannot be used; " + _OURS),
    "download": Kind(503, "a model cannot be fetched", _OURS),
    "device": Kind(503, "the device or precision is not there", "the model cannot be used; " + _OURS),
    "disk-full": Kind(507, "there is no room to keep it", "there is no room to keep it; " + _OURS),
    "object-store": Kind(503, "an object store cannot be reached", _OURS),
    "store": Kind(503, "the database cannot be reached", "the database cannot be reached; " + _OURS),
    "missing-extra": Kind(503, "an optional package is missing", "the model cannot be used; " + _OURS),
    "deadline": Kind(503, "the answer took longer than the server's deadline"),
    "not-ready": Kind(503, "the service is starting, or its model cannot be loaded"),
    "stopping": Kind(503, "the service is being stopped"),
}
"""Every code that is answered."""


class RequestError(EmotraceError):
    """A request that is not answered as it was meant.

    Args:
        code: one of :data:`KINDS`.
        sentence: what came, what was expected, the way out.
        headers: of the answer.
    """

    def __init__(self, code: str, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.headers = dict(headers or {})


def problem_response(error: EmotraceError) -> Response:
    """The answer to an error; what it says of the server's inside goes to the log instead.

    >>> problem_response(RequestError("busy", "too many wait", {"Retry-After": "2"})).status_code
    429
    """
    kind = KINDS.get(error.code, KINDS["error"])
    headers = dict(getattr(error, "headers", {}))
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    if kind.sentence is not None:
        log.error("%s: %s", error.code, error)
    return problem(error.code, sentence_of(error), headers)


def problem(code: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a problem in it."""
    status = KINDS.get(code, KINDS["error"]).status
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    noted = note()
    noted.code = code
    if noted.id:
        body["request"] = noted.id
    return Response(json_bytes(body), status, headers, MEDIA_TYPE)


def json_bytes(value: object) -> bytes:
    r"""JSON in UTF-8, whatever a client called its file.

    >>> json_bytes({"source": "\udc80"})
    b'{"source": "\\udc80"}'
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


def sentence_of(error: EmotraceError) -> str:
    """What a client is told of an error: nothing of the server's inside."""
    kind = KINDS.get(error.code, KINDS["error"])
    if kind.sentence is not None:
        return kind.sentence
    text = str(error)
    if isinstance(error, LimitError):  # whose way out is an option of the library
        return f"{text.rpartition(';')[0] or text}; send less"
    return text
