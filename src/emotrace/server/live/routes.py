"""``WS /v1/stream``: sound in, events out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
from fastapi import APIRouter, WebSocket
from numpy.typing import NDArray

from emotrace.errors import EmotraceError
from emotrace.outputs.events import event_record
from emotrace.outputs.records import number
from emotrace.pipeline import Stream, stream
from emotrace.recognition import Recognizer
from emotrace.results import StreamEnded, StreamEvent
from emotrace.server.access.callers import Caller, require
from emotrace.server.api import check_card
from emotrace.server.keeping import check_wanted
from emotrace.server.live.form import StreamForm
from emotrace.server.live.line import ClientGoneError, Line, close_code, parse_object
from emotrace.server.live.record import Recorder
from emotrace.server.monitoring.logs import log, note
from emotrace.server.problems import RequestError
from emotrace.server.service import Service

WIDTH = 2
"""Bytes of a sample."""

ANSWERED = frozenset({"limit", "upload-timeout", "stopping", "unauthorized"})
"""Errors after which the recognition of what came is still sent."""


def router(service: Service) -> APIRouter:
    """The route.

    Args:
        service: answers it.
    """
    routes = APIRouter(prefix="/v1")

    @routes.websocket("/stream")
    async def live(websocket: WebSocket) -> None:
        line = Line(websocket, service.streams, service.settings.stream_idle_seconds)
        with suppress(ClientGoneError):
            await line.accept()
            try:
                caller = require(websocket, "recognize")
                async with line:
                    code = await _serve(service, line, caller)
                await line.close(code)
            except EmotraceError as error:
                await line.send_error(error)
                await line.close(close_code(error))
            except ClientGoneError:
                log.info("the client of a stream went away")
            except Exception:
                log.exception("unexpected error in a stream")
                await line.send_error(RequestError("bug", "see the traceback"))
                await line.close(1011)

    return routes


async def _serve(service: Service, line: Line, caller: Caller) -> int:
    """From the configuration to the result; the code to close with.

    Raises:
        EmotraceError: the stream is refused, or fails.
        ClientGoneError: the client went away.
    """
    with service.streams.waiting():
        form = await _form(line)
    check_wanted(service.settings, form.store)
    options = form.options(service.settings, service.presets)
    name = service.resolve(form.model)
    note().source = form.name
    with ExitStack() as stack:
        stack.enter_context(service.streams.place())
        service.metrics.streams.inc()
        stack.callback(service.metrics.streams.dec)
        using = service.models.using(name)
        recognizer = await asyncio.to_thread(stack.enter_context, using)
        check_card(recognizer.card)
        live = stream(
            recognizer, form.sampling_rate, options, hop=form.hop, channels=form.channels, name=form.name
        )
        recorder = Recorder(service, caller, form)
        stack.callback(recorder.close)
        await line.send(_started(service, form, recognizer, live))
        return await _Conversation(service, line, form, live, recorder).run()


async def _form(line: Line) -> StreamForm:
    first = await line.message()
    if isinstance(first, bytes):
        raise RequestError(
            "bad-request", 'sound came first; expected a JSON object such as {"sampling_rate": 16000}'
        )
    return StreamForm.read(parse_object(first))


def _started(service: Service, form: StreamForm, recognizer: Recognizer, live: Stream) -> dict[str, Any]:
    settings = service.settings
    in_force = form.model_dump(mode="json", exclude={"type"}, exclude_none=True)
    return {
        "type": "session.started",
        "id": uuid4().hex,
        "configuration": {**in_force, "hop": live.hop, "model": recognizer.info.name},
        "latency_seconds": number(live.latency_seconds),
        "model": asdict(recognizer.info),
        "limits": {
            "frame_bytes": settings.stream_frame_bytes,
            "idle_seconds": settings.stream_idle_seconds,
            "seconds": settings.stream_max_seconds,
        },
    }


class _Conversation:
    """A stream after its configuration.

    A frame is recognised before the next is read, so a client that is faster than the service is held up by
    the network; nothing waits in memory but that one frame and what the socket has read ahead.
    """

    def __init__(
        self, service: Service, line: Line, form: StreamForm, live: Stream, recorder: Recorder
    ) -> None:
        self._service, self._line, self._form = service, line, form
        self._live, self._recorder = live, recorder
        self._seconds = 0.0  # of work

    async def run(self) -> int:
        """Until the end; the code to close with.

        Raises:
            EmotraceError: a message cannot be used, or the recognition fails.
            ClientGoneError: the client went away; what was heard is kept.
        """
        code = 1000
        try:
            while (frame := await self._frame()) is not None:
                if frame:
                    await self._tell(await self._work(partial(self._take, frame)))
        except RequestError as error:
            if error.code not in ANSWERED:
                raise
            await self._line.send_error(error)
            code = close_code(error)
        except ClientGoneError:
            with suppress(EmotraceError):  # there is nothing to be kept
                await self._keep(await self._work(self._live.finish))
            raise
        await self._tell(await self._work(self._live.finish))
        return code

    async def _frame(self) -> bytes | None:
        """The next frame, or None at the end."""
        message = await self._line.message()
        if isinstance(message, str):
            said = parse_object(message).get("type")
            if said == "end":
                return None
            raise RequestError(
                "bad-request", f"a message of the type {str(said)[:40]!r} came; expected sound or 'end'"
            )
        size = WIDTH * self._form.channels
        if len(message) % size:
            raise RequestError(
                "bad-request",
                f"a frame of {len(message)} bytes came; expected a multiple of {size}: "
                f"{self._form.channels} channels of 16 bits",
            )
        limit = self._service.settings.stream_max_seconds
        if self._live.seconds + len(message) / size / self._form.sampling_rate > limit:
            raise RequestError(
                "limit", f"the stream is longer than {limit:g} s; the recognition is that of what came before"
            )
        return message

    def _take(self, frame: bytes) -> list[StreamEvent]:
        samples: NDArray[np.int16] = np.frombuffer(frame, "<i2").reshape(-1, self._form.channels)
        self._recorder.push(samples)
        return self._live.push(samples)

    async def _work(self, work: Callable[[], list[StreamEvent]]) -> list[StreamEvent]:
        start = time.perf_counter()
        try:
            return await self._service.streams.run(work)
        finally:
            self._seconds += time.perf_counter() - start

    async def _tell(self, events: list[StreamEvent]) -> None:
        kept = await self._keep(events)
        for event in events:
            record = event_record(event, frames=self._form.frames, embedding=self._form.embedding)
            if isinstance(event, StreamEnded):
                record |= kept
            await self._line.send(record)

    async def _keep(self, events: list[StreamEvent]) -> dict[str, str | None]:
        """Count the result and keep it, if it is there; where it is kept."""
        if not events or not isinstance(events[-1], StreamEnded):
            return {}
        result = events[-1].recognition
        self._service.metrics.recognised(result, self._seconds)
        return (await asyncio.to_thread(self._recorder.keep, result)).fields
