"""How the pages ask the service: the same queue, models, options, limits and history as the REST API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr

from emotrace.audio import stream
from emotrace.outputs import Granularity, frame_records, recognition_record
from emotrace.outputs.folder import write_wav
from emotrace.results import Array, Recognition
from emotrace.server.access import limits
from emotrace.server.access.callers import Caller, Scope, require
from emotrace.server.access.limits import Place
from emotrace.server.api import check_card
from emotrace.server.forms import RecognitionForm
from emotrace.server.jobs.routes import JobDoor
from emotrace.server.keeping import Outlined
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.server.uploads import Upload
from emotrace.server.work import GoOn
from emotrace.webui.shelf import Shelf, Shelved
from emotrace.webui.uploads import Uploads
from emotrace.webui.workplace import RESULTS, UPLOADS

Result = TypeVar("Result")

TICK_SECONDS, BUSY_SECONDS = 0.15, 1.0

STEPS = {"load": "step.load", "recognise": "step.recognise", "draw": "step.draw"}


@dataclass
class Step:
    """How far something is: the key of a text, and a share, None if it is unknown."""

    text: str = "step.wait"
    share: float | None = None


def caller(request: gr.Request, scope: Scope) -> Caller:
    """Who is at the page, if they may do something.

    Raises:
        RequestError: ``forbidden`` or ``unauthorized``.
    """
    if request.request is None:
        raise RequestError("unauthorized", "nobody said who asks; load the page again")
    return require(request.request, scope)


def place_of(request: gr.Request) -> Place:
    """Gives places of the limit of what the caller may do at the same time."""
    if request.request is None:
        raise RequestError("unauthorized", "nobody said who asks; load the page again")
    return limits.place_of(request.request)


async def watched(work: Awaitable[Result]) -> AsyncIterator[Result | None]:
    """None now and then while something runs, and at last its result.

    Args:
        work: is cancelled when nobody asks any more.

    Raises:
        Exception: of the work.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=TICK_SECONDS)
            if not task.done():
                yield None
        yield task.result()
    finally:
        task.cancel()


class Calls:
    """What the pages can ask for.

    Args:
        service: answers.
        jobs: of the service.
        place: private folder of the pages.

    Attributes:
        uploads: and whose they are.
        shelf: holds what was answered.
    """

    def __init__(self, service: Service, jobs: JobDoor, place: Path) -> None:
        self.service, self.jobs = service, jobs
        self.uploads = Uploads(place / UPLOADS)
        self.shelf = Shelf(place / RESULTS, self._is_kept, self._forget)

    def _is_kept(self, id: str) -> bool:  # noqa: A002
        return self.service.open().recognitions.get(id, None) is not None

    def _forget(self, gone: Shelved) -> None:
        self.uploads.drop(gone.upload, gone.owner)

    async def recognise(
        self, path: str, fields: Mapping[str, str], who: Caller, place: Place, step: Step
    ) -> str:
        """Recognise an uploaded file; the identifier of the result on the shelf.

        Args:
            path: of the file.
            fields: of the form of the REST API.
            who: asks.
            place: see :func:`place_of`.
            step: how far it is.

        Raises:
            EmotraceError: it is refused, or fails.
        """
        asked = RecognitionForm.read(fields)
        options = asked.options(self.service.settings, self.service.presets)
        name = self.service.resolve(asked.model)

        def work(go_on: GoOn) -> Shelved:
            def progress(what: str, done: float, total: float) -> None:
                go_on()
                step.text = STEPS.get(what, "step.recognise")
                step.share = done / total if total else None

            step.text = "step.load"
            start = time.perf_counter()
            with (
                self.service.models.using(name) as recognizer,
                Path(path).open("rb") as file,
                Upload(self.uploads.name(path, who.key), file, self.service.decoders) as upload,
            ):
                check_card(recognizer.card)
                step.text = "step.read"
                heard = Outlined(upload)
                result = self.service.analyse(recognizer, heard, options, on_progress=progress)
                seconds = time.perf_counter() - start
                step.text, step.share = "step.draw", None
                receipt = self.service.keep(
                    result,
                    who,
                    granularity=asked.granularity,
                    options=fields,
                    audio=upload,
                    outline=heard.outline,
                )
                sound = self._recorded(upload, asked)
            return Shelved(
                owner=who.key,
                result=result,
                granularity=asked.granularity,
                when=datetime.now(),
                sound=sound,
                upload=path,
                outline=heard.outline,
                embedding=asked.embedding,
                kept=receipt.id,
                seconds=seconds,
                record=record_of(result, asked.granularity),
            )

        limit = self.service.settings.deadline_seconds
        with place():
            shelved = await self.service.queue.run(work, seconds=limit, gone=_never(), caller=who.key)
        return self.shelf.add(shelved)

    async def patiently(self, path: str, fields: Mapping[str, str], who: Caller, place: Place) -> str:
        """The same, which waits while the service is busy."""
        while True:
            try:
                return await self.recognise(path, fields, who, place, Step())
            except RequestError as error:
                if error.code != "busy":
                    raise
            await asyncio.sleep(BUSY_SECONDS)

    def _recorded(self, upload: Upload, asked: RecognitionForm) -> Path:
        """The sound as it was heard, for the player and the result folder."""
        sound = self.shelf.new_sound()
        try:
            blocks = stream(upload, channel=asked.channel, limits=asked.limits(self.service.settings))
            write_wav(sound, blocks)
        except BaseException:
            sound.unlink(missing_ok=True)
            raise
        return sound


async def _never() -> None:
    """A client that goes away cancels the work itself."""
    await asyncio.Event().wait()


def record_of(result: Recognition, granularity: Granularity) -> dict[str, Any]:
    """The record of a recognition, with its frames if there are any."""
    record = recognition_record(result, granularity=granularity)
    track = result.smoothed or result.track
    if track is not None:
        record["frames"] = list(frame_records(track))
    return record


def wav_blocks(path: Path) -> Iterator[Array]:
    """The blocks of a recording that was written by this process."""
    return stream(path)
