"""The routes of ``/v1``."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from emotrace.audio import stream
from emotrace.models.card import ModelCard
from emotrace.models.listing import rows
from emotrace.outputs import frame_records, recognition_record
from emotrace.recognition import Recognizer
from emotrace.results import Array, SpeakerReference
from emotrace.server import schemas
from emotrace.server.access.callers import Caller, require
from emotrace.server.address import is_loopback
from emotrace.server.forms import EmbeddingForm, ReadingForm, RecognitionForm
from emotrace.server.keeping import Outlined, Receipt, check_wanted
from emotrace.server.monitoring.metrics import CONTENT_TYPE as METRICS_TYPE
from emotrace.server.problems import KINDS, MEDIA_TYPE, RequestError
from emotrace.server.renderings import MEDIA_TYPES, Rendered, rendered
from emotrace.server.service import Service
from emotrace.server.settings import Settings
from emotrace.server.uploads import Form, Upload
from emotrace.server.work import GoOn

REFERENCES = 10
"""Clips of the speaker in one request."""

UPLOAD_CODES = (
    *("multipart", "forbidden", "upload-timeout", "limit", "content-type", "model-not-found"),
    *("audio", "busy", "bug", "model"),
)


def router(service: Service) -> APIRouter:
    """All of them.

    Args:
        service: answers them.
    """
    routes = APIRouter(prefix="/v1")
    _add_recordings(routes, service)
    _add_models(routes, service)

    @routes.get("/presets", summary="Rules of the verdict", response_model=schemas.PresetList)
    async def presets() -> Response:
        found = [schemas.PresetRow.of(preset) for preset in service.presets.values()]
        return _model(schemas.PresetList(presets=found))

    @routes.head("/health", include_in_schema=False)
    @routes.get("/health", summary="Whether the process answers", response_model=schemas.Health)
    async def health() -> Response:
        return _model(schemas.Health(status="ok"))

    @routes.head("/ready", include_in_schema=False)
    @routes.get(
        "/ready",
        summary="Whether a recognition would be answered now",
        response_model=schemas.Readiness,
        responses=problems("not-ready"),
    )
    async def ready() -> Response:
        service.check_ready()
        return _model(schemas.Readiness(status="ready", jobs="stuck" if service.jobs_stuck() else "ready"))

    @routes.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems("forbidden")},
    )
    def metrics(request: Request) -> Response:
        here = request.client is not None and is_loopback(request.client.host)
        if not (here and service.settings.metrics_open):
            require(request, "admin")
        return Response(service.metrics.text(), media_type=METRICS_TYPE)

    return routes


def _add_recordings(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/recognitions",
        summary="Recognise one recording",
        response_model=schemas.Recognition,
        responses={200: other_forms(), **problems(*UPLOAD_CODES)},
        openapi_extra=body_of(RecognitionForm, reference=True),
    )
    async def recognise(request: Request) -> Response:
        caller = require(request, "recognize")
        files = {"audio": 1, "reference": REFERENCES}
        work_of = partial(_recognition, service, caller)
        answer, receipt = await service.answer(request, files, work_of)
        response = answer.response()
        response.headers.update(receipt.headers)
        return response

    @routes.post(
        "/embeddings",
        summary="The embedding of one recording, as a NumPy file",
        response_class=Response,
        responses={
            200: {"content": {"application/x-npy": {"schema": {"type": "string", "format": "binary"}}}},
            **problems(*UPLOAD_CODES),
        },
        openapi_extra=body_of(EmbeddingForm),
    )
    async def embed(request: Request) -> Response:
        require(request, "recognize")
        content = await service.answer(request, {"audio": 1}, lambda form: _embedding(service, form))
        named = {"Content-Disposition": 'attachment; filename="embedding.npy"'}
        return Response(content, 200, named, "application/x-npy")


def _add_models(routes: APIRouter, service: Service) -> None:
    def row(name: str) -> schemas.ModelRow:
        found = next(each for each in rows() if each.name == name)
        return schemas.ModelRow.of(found, service.models.state(name), name == service.default)

    @routes.get("/models", summary="The installed models", response_model=schemas.ModelList)
    def models() -> Response:
        found = [row(each.name) for each in rows() if each.installed]
        return _model(schemas.ModelList(models=found))

    @routes.post(
        "/models/{name}/load",
        summary="Load a model now",
        response_model=schemas.ModelRow,
        responses=problems("forbidden", "model-not-found", "busy", "model"),
    )
    async def load(request: Request, name: str) -> Response:
        require(request, "models")
        known = service.resolve(name)
        await service.run(request, lambda go_on: service.models.load(known))
        return _model(await asyncio.to_thread(row, known))

    @routes.post(
        "/models/{name}/unload",
        summary="Release a model; what runs with it goes on",
        response_model=schemas.ModelRow,
        responses=problems("forbidden", "model-not-found"),
    )
    async def unload(request: Request, name: str) -> Response:
        require(request, "models")
        known = service.resolve(name)
        await asyncio.to_thread(service.models.unload, known)
        return _model(await asyncio.to_thread(row, known))


def _recognition(service: Service, caller: Caller, form: Form) -> Callable[[GoOn], tuple[Rendered, Receipt]]:
    asked = RecognitionForm.read(form.fields)
    check_wanted(service.settings, asked.store)
    options = asked.options(service.settings, service.presets)
    name = service.resolve(asked.model)
    clips = form.files.get("reference", [])

    def work(go_on: GoOn) -> tuple[Rendered, Receipt]:
        with service.models.using(name) as recognizer:
            check_card(recognizer.card, bool(clips))
            reference = reference_of(recognizer, clips, asked, service.settings)
            go_on()
            [audio] = form.files["audio"]
            heard = Outlined(audio)
            result = service.analyse(recognizer, heard, options, reference=reference, on_progress=go_on)
        record = recognition_record(result, granularity=asked.granularity, embedding=asked.embedding)
        track = result.smoothed or result.track
        if asked.granularity == "frame" and track is not None:
            record["frames"] = list(frame_records(track))
        go_on()
        receipt = service.keep(
            result,
            caller,
            granularity=asked.granularity,
            options=form.fields,
            audio=audio,
            outline=heard.outline,
            wanted=asked.store,
        )
        if asked.format == "json":
            record |= receipt.fields
        answer = rendered(
            asked.format,
            result,
            record,
            lambda: stream(audio, channel=asked.channel, limits=asked.limits(service.settings)),
            granularity=asked.granularity,
            embedding=asked.embedding,
            language=asked.language,
        )
        return answer, receipt

    return work


def reference_of(
    recognizer: Recognizer, clips: list[Upload], asked: ReadingForm, settings: Settings
) -> SpeakerReference | None:
    """The speaker that some clips are of; None without clips.

    Raises:
        EmotraceError: the clips cannot be used.
    """
    if not clips:
        return None
    return recognizer.reference(clips, channel=asked.channel, limits=asked.limits(settings))


def check_card(card: ModelCard, clips: bool = False) -> None:
    """Refuse to ask a model for emotions that gives embeddings only, or to give it clips it does not use.

    Raises:
        RequestError: so it is.
    """
    if not card.has_head:
        raise RequestError(
            "option",
            f"the model {card.name!r} names no emotions, it gives embeddings only; ask /v1/embeddings, or "
            "another model",
        )
    if clips and not card.speaker_reference:
        raise RequestError("option", f"the model {card.name!r} uses no reference; leave the clips out")


def _embedding(service: Service, form: Form) -> Callable[[GoOn], bytes]:
    asked = EmbeddingForm.read(form.fields)
    options = asked.options(service.settings)
    name = service.resolve(asked.model)

    def work(go_on: GoOn) -> bytes:
        with service.models.using(name) as recognizer:
            [audio] = form.files["audio"]
            result = recognizer.embed(audio, on_progress=go_on, **options)
        values = result.frame_embeddings if asked.frames else result.embedding
        return _npy(np.zeros((0, 0), np.float32) if values is None else values)

    return work


def _npy(values: Array) -> bytes:
    file = io.BytesIO()
    np.save(file, values.astype(np.float32, copy=False), allow_pickle=False)
    return file.getvalue()


def body_of(
    form: type[ReadingForm] | type[Any], reference: bool = False, many: bool = False
) -> dict[str, Any]:
    """The body of a route as OpenAPI has it.

    Args:
        form: its options.
        reference: whether clips of the speaker may come, too.
        many: whether more than one recording may come.
    """
    schema = form.model_json_schema()
    file = {"type": "string", "format": "binary"}
    files: dict[str, Any] = {"audio": {"type": "array", "items": file, "minItems": 1} if many else file}
    if reference:
        files["reference"] = {"type": "array", "items": file, "maxItems": REFERENCES}
    schema["properties"] = {**files, **schema["properties"]}
    schema["required"] = ["audio"]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def other_forms() -> dict[str, Any]:
    """What a recognition may be answered as besides JSON, as OpenAPI has it."""
    kinds = {kind.partition(";")[0] for kind in MEDIA_TYPES.values()} - {"application/json"}
    return {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in sorted(kinds)}}


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Which problems a route may answer, by status, as OpenAPI has it."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    texts: dict[int, list[str]] = {}
    for code in codes:
        texts.setdefault(KINDS[code].status, []).append(KINDS[code].meaning)
    return {status: {"description": "; ".join(text), "content": content} for status, text in texts.items()}


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")


def _model(answer: Any) -> Response:
    return _json(answer.model_dump_json().encode())
