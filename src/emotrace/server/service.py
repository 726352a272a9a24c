"""What all routes share: settings, presets, models, the queue, and how a request becomes an answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from fastapi import Request

from emotrace.errors import EmotraceError
from emotrace.models.cpu import cores
from emotrace.postprocess.presets import Preset, presets
from emotrace.recognition import Recognizer
from emotrace.server.models import Models, load_recognizer, resolve
from emotrace.server.problems import RETRY_SECONDS, RequestError
from emotrace.server.settings import Settings
from emotrace.server.uploads import Form, read_form
from emotrace.server.work import GoOn, WorkQueue

Result = TypeVar("Result")

UPLOADS = 128
"""Uploads at the same time; each may take as much disk as a request may have bytes."""

TICK_SECONDS = 1.0

log = logging.getLogger("emotrace.server")


class Service:
    """One running service.

    Args:
        settings: how it runs.
        load: makes a recognizer of a model's name; None is :func:`~emotrace.server.models.load_recognizer`.

    Raises:
        InputError: a file of presets is not right.
        ModelNotFoundError: the server's own model is not installed.

    Attributes:
        presets: by name.
        models: loaded ones.
        queue: of the work.
    """

    def __init__(self, settings: Settings, load: Callable[[str], Recognizer] | None = None) -> None:
        self.settings = settings
        self.presets: dict[str, Preset] = presets(settings.presets)
        self.default = resolve("auto", settings)
        self.models = Models(
            load or (lambda name: load_recognizer(name, settings)), idle_seconds=settings.idle_seconds
        )
        self.queue = WorkQueue(settings.workers or cores(), settings.queue)
        self._uploading = 0
        self._to_preload = settings.preload

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load, release and retry models in the background; at the end, wait for what runs."""
        keeper = asyncio.ensure_future(self._keep())
        try:
            yield
        finally:
            keeper.cancel()
            await asyncio.to_thread(self.queue.close)

    def check_ready(self) -> None:
        """Whether a recognition would be answered now.

        Raises:
            RequestError: ``not-ready``.
        """
        state = self.models.state(self.default)
        if state == "failed":
            raise RequestError("not-ready", "the model cannot be loaded; it is tried again: see the log")
        if self._to_preload and state != "loaded":
            raise RequestError("not-ready", "the model is being loaded; come again in a moment")

    async def answer(
        self,
        request: Request,
        files: Mapping[str, int],
        work_of: Callable[[Form], Callable[[GoOn], Result]],
    ) -> Result:
        """Read a form and do the work that it asks for.

        Args:
            request: brings the form.
            files: see :func:`~emotrace.server.uploads.read_form`.
            work_of: makes the work of a form, or refuses it.

        Raises:
            EmotraceError: it is refused, or the work fails.
            ClientDisconnect: the client went away.
        """
        form = await self._uploaded(request, files)
        try:
            work = work_of(form)
        except BaseException:
            form.close()
            raise
        return await self.run(request, work, form.close)

    async def run(
        self, request: Request, work: Callable[[GoOn], Result], at_end: Callable[[], None] | None = None
    ) -> Result:
        """Do work in the queue for a client that waits.

        Args:
            request: of the client.
            work: see :meth:`~emotrace.server.work.WorkQueue.run`.
            at_end: see there.

        Raises:
            EmotraceError: it is refused, or fails.
            ClientGoneError: the client went away.
        """
        seconds = self.settings.deadline_seconds
        return await self.queue.run(work, seconds=seconds, gone=_gone(request), at_end=at_end)

    async def _uploaded(self, request: Request, files: Mapping[str, int]) -> Form:
        self.queue.check()
        if self._uploading >= UPLOADS:
            raise RequestError(
                "busy",
                f"{UPLOADS} uploads arrive already; try again in {RETRY_SECONDS} s",
                {"Retry-After": str(RETRY_SECONDS)},
            )
        self._uploading += 1
        try:
            return await read_form(request, files)
        finally:
            self._uploading -= 1

    async def _keep(self) -> None:
        while True:
            if self._to_preload:
                self._to_preload = not await asyncio.to_thread(self._try_to_load)
            await asyncio.to_thread(self.models.release_idle)
            await asyncio.sleep(TICK_SECONDS)

    def _try_to_load(self) -> bool:
        try:
            self.models.load(self.default)
        except EmotraceError:  # which is in the log
            return False
        return True


async def _gone(request: Request) -> None:
    """Ends when the client went away, or sends what nobody asked for."""
    with suppress(RequestError):
        while (await request.receive())["type"] != "http.disconnect":
            pass
