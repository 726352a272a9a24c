"""The routes of what was recognised: looking, feedback, review, deletion, and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from emotrace.errors import StoreError
from emotrace.outputs import check_picture
from emotrace.outputs.media import media_type
from emotrace.server import renderings
from emotrace.server.access.callers import Caller, require
from emotrace.server.api import other_forms, problems
from emotrace.server.history import schemas
from emotrace.server.history.forms import (
    AuditQuery,
    FeedbackBody,
    FormQuery,
    ListQuery,
    PageQuery,
    PictureQuery,
    ReviewBody,
    json_body,
    of_body,
    of_query,
    query_of,
)
from emotrace.server.problems import RequestError, json_bytes
from emotrace.server.service import Service
from emotrace.store import Store

Found = TypeVar("Found")

CODES = ("forbidden", "option", "store")
"""What every route here may answer."""

_NO_BYTES = {"schema": {"type": "string", "format": "binary"}}


def router(service: Service) -> APIRouter:
    """All of them.

    Args:
        service: answers them.
    """
    routes = APIRouter(prefix="/v1")
    _add_lists(routes, service)
    _add_one(routes, service)
    _add_files(routes, service)
    _add_judging(routes, service)
    return routes


def _add_lists(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/recognitions",
        summary="What was recognised, newest first",
        response_model=schemas.KeptList,
        responses=problems(*CODES, "label"),
        openapi_extra=of_query(ListQuery),
    )
    def search(request: Request) -> Response:
        caller = require(request, "history")
        asked = ListQuery.read(query_of(request))
        return _answer(schemas.page_of(_store(service).recognitions.search(caller.owner, **asked.wanted())))

    @routes.get(
        "/review",
        summary="What no person has judged yet, the most doubtful first",
        response_model=schemas.KeptList,
        responses=problems(*CODES),
        openapi_extra=of_query(PageQuery),
    )
    def review(request: Request) -> Response:
        caller = require(request, "history")
        asked = PageQuery.read(query_of(request))
        page = _store(service).recognitions.review(caller.owner, **asked.model_dump())
        return _answer(schemas.page_of(page))

    @routes.get(
        "/audit",
        summary="Who saw or removed what, newest first",
        response_model=schemas.AuditList,
        responses=problems(*CODES),
        openapi_extra=of_query(AuditQuery),
    )
    def audit(request: Request) -> Response:
        require(request, "admin")
        asked = AuditQuery.read(query_of(request))
        page = _store(service).audit.list(**asked.model_dump())
        rows = [schemas.AuditRow(**asdict(entry)) for entry in page.items]
        return _answer(schemas.AuditList(entries=rows, cursor=page.cursor))


def _add_one(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/recognitions/{id}",
        summary="One recognition, as it was answered, and what was said of it since",
        response_model=schemas.KeptRecognition,
        responses={200: other_forms(), **problems(*CODES, "recognition-not-found", "missing-extra")},
        openapi_extra=of_query(FormQuery),
    )
    def one(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        asked = FormQuery.read(query_of(request))
        renderings.check(asked.format)
        row = _there(store.recognitions.get(id, caller.owner))
        record = _read(store, caller, id, lambda: store.recognitions.record(id, caller.owner))
        store.audit.add(caller.key, "read", id)
        if asked.format == renderings.FOLDER:
            return _zipped(store, caller, id).response()
        if asked.format != "json":
            return renderings.rendered_record(asked.format, record, asked.language).response()
        more = schemas.since_of(row, store.feedback.list(id))
        return _json(json_bytes(record | more))

    @routes.delete(
        "/recognitions/{id}",
        summary="Delete one with its files and all that was said of it",
        status_code=204,
        response_class=Response,
        responses=problems(*CODES, "recognition-not-found", "output"),
    )
    def delete(request: Request, id: str) -> Response:  # noqa: A002
        caller = require(request, "history")
        _there(_store(service).recognitions.delete(id, caller.owner, actor=caller.key) or None)
        return Response(status_code=204)


def _add_files(routes: APIRouter, service: Service) -> None:
    @routes.get(
        "/recognitions/{id}/embedding.npy",
        summary="Its embedding, a NumPy file, float32 (D,)",
        response_class=Response,
        responses={
            200: {"content": {"application/x-npy": _NO_BYTES}},
            **problems(*CODES, "recognition-not-found"),
        },
    )
    def embedding(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        content = _read(store, caller, id, lambda: _bytes(store.recognitions.embedding(id, caller.owner)))
        store.audit.add(caller.key, "embedding", id)
        named = {"Content-Disposition": 'attachment; filename="embedding.npy"'}
        return Response(content, 200, named, "application/x-npy")

    @routes.get(
        "/recognitions/{id}/timeline.png",
        summary="Its picture: waveform, emotions over time, confidence, verdict",
        response_class=Response,
        responses={
            200: {"content": {"image/png": _NO_BYTES}},
            **problems(*CODES, "recognition-not-found", "busy", "missing-extra"),
        },
        openapi_extra=of_query(PictureQuery),
    )
    async def timeline(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        asked = PictureQuery.read(query_of(request))
        check_picture("timeline.png")
        recalled = _read_async(store, caller, id, lambda: store.recognitions.recall(id, caller.owner))
        result, outline = await recalled
        await asyncio.to_thread(store.audit.add, caller.key, "timeline", id)
        shown = await service.run(request, lambda go_on: renderings.picture(result, outline, asked.language))
        return shown.response()

    @routes.get(
        "/recognitions/{id}/audio",
        summary="The recording itself, if it was kept",
        response_class=FileResponse,
        responses={
            200: {"content": {"application/octet-stream": _NO_BYTES}},
            **problems(*CODES, "recognition-not-found"),
        },
    )
    def audio(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        row = _there(store.recognitions.get(id, caller.owner))
        place = store.recognitions.audio(id, caller.owner)
        if place is None or not place.is_file():
            raise RequestError("recognition-not-found", f"the recording of {id[:64]!r} was not kept")
        store.audit.add(caller.key, "audio", id)
        return FileResponse(place, media_type=_media_type(row.source), filename=row.source)


def _add_judging(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/recognitions/{id}/feedback",
        summary="Say what the emotion really is, or leave a note; earlier ones stay",
        response_model=schemas.FeedbackList,
        responses=problems(*CODES, "bad-request", "recognition-not-found", "label", "content-type", "limit"),
        openapi_extra=of_body(FeedbackBody),
    )
    async def feedback(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        given = FeedbackBody.read(await json_body(request))

        def add() -> schemas.FeedbackList:
            _there(
                store.feedback.add(
                    id, owner=caller.owner, author=caller.key, label=given.label, note=given.note
                )
            )
            return schemas.FeedbackList(feedback=schemas.corrections_of(store.feedback.list(id)))

        return _answer(await asyncio.to_thread(add))

    @routes.post(
        "/recognitions/{id}/review",
        summary="Mark it as judged by a person, or take that back",
        response_model=schemas.KeptRow,
        responses=problems(*CODES, "bad-request", "recognition-not-found", "content-type", "limit"),
        openapi_extra=of_body(ReviewBody),
    )
    async def mark(request: Request, id: str) -> Response:  # noqa: A002
        caller, store = require(request, "history"), _store(service)
        given = ReviewBody.read(await json_body(request))
        row = await asyncio.to_thread(
            store.recognitions.mark, id, caller.owner, reviewer=caller.key, reviewed=given.reviewed
        )
        return _answer(schemas.row_of(_there(row)))


def _store(service: Service) -> Store:
    return service.open()


def _there(found: Found | None) -> Found:
    """What was found.

    Raises:
        RequestError: there is nothing; the same whether it is nobody's or another's.
    """
    if found is None:
        raise RequestError(
            "recognition-not-found",
            "no recognition of this id is kept for you; GET /v1/recognitions lists them",
        )
    return found


def _read(store: Store, caller: Caller, id: str, read: Callable[[], Found | None]) -> Found:  # noqa: A002
    """What is read from its files, which may be deleted meanwhile."""
    try:
        return _there(read())
    except (StoreError, FileNotFoundError) as error:
        _there(store.recognitions.get(id, caller.owner))
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the files of the recognition {id[:64]} are gone") from error


async def _read_async(
    store: Store,
    caller: Caller,
    id: str,  # noqa: A002
    read: Callable[[], Found | None],
) -> Found:
    return await asyncio.to_thread(_read, store, caller, id, read)


def _zipped(store: Store, caller: Caller, id: str) -> renderings.Rendered:  # noqa: A002
    def read() -> renderings.Rendered | None:
        folder = store.recognitions.folder(id)
        return None if folder is None else renderings.zipped(folder)

    return _read(store, caller, id, read)


def _bytes(place: Path | None) -> bytes | None:
    return None if place is None else place.read_bytes()


def _media_type(name: str) -> str:
    """By the name that the client gave; anything but sound and film is just bytes."""
    guessed = media_type(name) or ""
    return guessed if guessed.startswith(("audio/", "video/")) else "application/octet-stream"


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _answer(answer: Any) -> Response:
    return _json(answer.model_dump_json().encode())
