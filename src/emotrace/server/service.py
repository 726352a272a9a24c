"""What all routes share: settings, presets, models, the queue, and how a request becomes an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from fastapi import Request
from typing_extensions import Unpack

from emotrace.audio import Source
from emotrace.errors import EmotraceError
from emotrace.models.cpu import cores
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.postprocess.presets import Preset, presets
from emotrace.recognition import Recognizer
from emotrace.recognition.recognizer import Progress
from emotrace.results import Recognition, SpeakerReference
from emotrace.server.access.callers import Caller, caller_of
from emotrace.server.decoding import decoders_of
from emotrace.server.keeping import Keeping, Receipt, What, ended, tidying
from emotrace.server.live.places import Streams
from emotrace.server.models import Models, load_recognizer, resolve
from emotrace.server.monitoring.logs import note
from emotrace.server.monitoring.metrics import Metrics
from emotrace.server.problems import RETRY_SECONDS, RequestError
from emotrace.server.settings import Settings
from emotrace.server.uploads import Form, read_form
from emotrace.server.work import GoOn, WorkQueue
from emotrace.store import Store

Result = TypeVar("Result")

UPLOADS = 128
"""Uploads at the same time; each may take as much disk as a request may have bytes."""

CLAIM_SECONDS = 1.0
"""So long an upload has a place in the queue for sure; who sends slowly keeps nobody out."""

TICK_SECONDS = 1.0


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
        default: name of the server's own model.
        models: loaded ones.
        queue: of the work.
        metrics: figures for Prometheus.
        streams: the live ones.
        store: what is kept; None before :meth:`open`.
        decoders: processes that decode uploads; None decodes them in this one.
        jobs_stuck: whether the queue of jobs cannot be used just now.
    """

    def __init__(self, settings: Settings, load: Callable[[str], Recognizer] | None = None) -> None:
        self.settings = settings
        self.presets: dict[str, Preset] = presets(settings.presets)
        self.default = resolve("auto", settings)
        self.metrics = Metrics()
        self.queue = WorkQueue(settings.side_by_side, settings.begun, settings.queue)
        self.models = Models(
            load or (lambda name: load_recognizer(name, settings, self.metrics, self.queue.turns)),
            idle_seconds=settings.idle_seconds,
        )
        self.metrics.watch("work", "Recordings that run or wait.", "", lambda: self.queue.taken)
        self.metrics.watch("models", "Models by state.", "state", self.models.states)  # type: ignore[arg-type]
        self.streams = Streams(settings.streams, settings.workers or cores())
        self.decoders = decoders_of(settings)
        self.store: Store | None = None
        self.jobs_stuck: Callable[[], bool] = lambda: False
        self._uploads: list[float] = []
        self._to_preload = settings.preload

    def open(self) -> Store:
        """Open the database, if it is not open.

        Raises:
            StoreError: it cannot be reached, or was made by a newer emotrace.
            OutputError: its folder cannot be made.
        """
        if self.store is None:
            url = self.settings.database_url
            self.store = Store(None if url is None else url.get_secret_value(), self.settings.data_folder)
        return self.store

    def close(self) -> None:
        """Close the database, if it is open."""
        store, self.store = self.store, None
        if store is not None:
            store.close()

    def keep(self, result: Recognition, caller: Caller, **what: Unpack[What]) -> Receipt:
        """Keep a recognition for its caller, as the settings say; see :mod:`emotrace.server.keeping`."""
        return Keeping(self.settings, self.open()).keep(result, caller, **what)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load, release and retry models in the background; at the end, wait for what runs."""
        store = await asyncio.to_thread(self.open)
        keeper = asyncio.ensure_future(self._keep())
        tidier = asyncio.ensure_future(tidying(self.settings, store))
        try:
            yield
        finally:
            keeper.cancel()
            await ended(tidier)
            await self.streams.close()
            await asyncio.to_thread(self.queue.close)
            if self.decoders is not None:
                await asyncio.to_thread(self.decoders.close)
            self.close()

    def resolve(self, asked: str) -> str:
        """The name of an installed model; ``"auto"`` is the server's own, as it was at the start.

        Raises:
            ModelNotFoundError: no model of this name is installed.
        """
        return self.default if asked in ("auto", self.default) else resolve(asked, self.settings)

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

    def check_room(self) -> None:
        """Refuse a recording that there is no room for, before it is read.

        Raises:
            RequestError: ``busy``.
        """
        late = time.monotonic() - CLAIM_SECONDS
        self.queue.check(sum(begun > late for begun in self._uploads))
        if len(self._uploads) >= UPLOADS:
            raise RequestError(
                "busy",
                f"{UPLOADS} uploads arrive already; try again in {RETRY_SECONDS} s",
                {"Retry-After": str(RETRY_SECONDS)},
            )

    def analyse(
        self,
        recognizer: Recognizer,
        source: Source,
        options: PipelineOptions,
        *,
        reference: SpeakerReference | None = None,
        on_progress: Progress | None = None,
    ) -> Recognition:
        """What :func:`emotrace.pipeline.analyse` gives, counted."""
        start = time.perf_counter()
        result = analyse(recognizer, source, options, reference=reference, on_progress=on_progress)
        self.metrics.recognised(result, time.perf_counter() - start)
        return result

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
        caller = caller_of(request).key
        return await self.queue.run(work, seconds=seconds, gone=_gone(request), at_end=at_end, caller=caller)

    async def _uploaded(self, request: Request, files: Mapping[str, int]) -> Form:
        self.check_room()
        begun = time.monotonic()
        self._uploads.append(begun)
        try:
            form = await read_form(request, files, decoders=self.decoders)
        finally:
            self._uploads.remove(begun)
        note().source = form.files[next(iter(files))][0].name
        return form

    async def _keep(self) -> None:
        while True:
            if self._to_preload:
                self._to_preload = not await asyncio.to_thread(self._try_to_load)
            await asyncio.to_thread(self.models.release_idle)
            await asyncio.sleep(TICK_SECONDS)

    def _try_to_load(self) -> bool:
        try:
            self.models.load(self.default)
            if self.decoders is not None:
                self.decoders.warm(self.settings.side_by_side)
        except EmotraceError:  # which is in the log
            return False
        return True


async def _gone(request: Request) -> None:
    """Ends when the client went away, or sends what nobody asked for."""
    with suppress(RequestError):
        while (await request.receive())["type"] != "http.disconnect":
            pass
