"""The classic endpoint, which scripts around the Emotion2Vec+ web page post to."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from fastapi import APIRouter, Request, Response

from emotrace.outputs import frame_records, recognition_record
from emotrace.pipeline import PipelineOptions
from emotrace.recognition import RecognitionOptions
from emotrace.server import schemas
from emotrace.server.access.callers import Caller, require
from emotrace.server.api import UPLOAD_CODES, body_of, check_card, problems
from emotrace.server.forms import ClassicForm, ReadingForm
from emotrace.server.keeping import Outlined, Receipt, check_wanted
from emotrace.server.problems import json_bytes
from emotrace.server.service import Service
from emotrace.server.uploads import Form
from emotrace.server.work import GoOn

_KEYS = ("emotion", "score", "timestamp")


def router(service: Service) -> APIRouter:
    """``POST /api/predict/``, with and without the slash.

    Args:
        service: answers it.
    """
    routes = APIRouter()

    async def predict(request: Request) -> Response:
        caller = require(request, "recognize")
        work_of = partial(_prediction, service, caller)
        content, receipt = await service.answer(request, {"audio": 1}, work_of)
        return Response(content, 200, receipt.headers, "application/json")

    for path, shown in (("/api/predict/", True), ("/api/predict", False)):
        routes.add_api_route(
            path,
            predict,
            methods=["POST"],
            summary="Recognise one recording, as ever: fn_index 0 is the whole, 1 is frames",
            response_model=schemas.Classic,
            responses=problems(*UPLOAD_CODES),
            openapi_extra=body_of(ClassicForm),
            include_in_schema=shown,
        )
    return routes


def _prediction(service: Service, caller: Caller, form: Form) -> Callable[[GoOn], tuple[bytes, Receipt]]:
    asked = ClassicForm.read(form.fields)
    check_wanted(service.settings, asked.store)
    frames = asked.fn_index == "1"
    limits = ReadingForm().limits(service.settings)
    options = PipelineOptions(recognition=RecognitionOptions(frames=frames, limits=limits))
    name = service.default

    def work(go_on: GoOn) -> tuple[bytes, Receipt]:
        start = time.monotonic()
        with service.models.using(name) as recognizer:
            check_card(recognizer.card)
            [audio] = form.files["audio"]
            heard = Outlined(audio)
            result = service.analyse(recognizer, heard, options, on_progress=go_on)
        go_on()
        receipt = service.keep(
            result,
            caller,
            granularity="frame" if frames else "utterance",
            options=form.fields,
            audio=audio,
            outline=heard.outline,
            wanted=asked.store,
        )
        answer: object = recognition_record(result) | receipt.fields
        if frames and result.track is not None:
            answer = [{key: frame[key] for key in _KEYS} for frame in frame_records(result.track)]
        content = json_bytes({"data": [answer], "duration": round(time.monotonic() - start, 3)})
        return content, receipt

    return work
