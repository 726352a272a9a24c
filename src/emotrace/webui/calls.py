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
from emotrace.server.access.callers import Caller, Scope, require
from emotrace.server.api import check_card
from emotrace.server.forms import RecognitionForm
from emotrace.server.keeping import Outlined
from emotrace.server.models import resolve
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.server.uploads import Upload
from emotrace.server.work import GoOn
from emotrace.webui.shelf import Shelf, Shelved

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


def upload_name(path: str) -> str:
    """What the user calls an uploaded file.

    >>> upload_name("/tmp/x/talk.wav")
    'talk.wav'
    """
    return Path(path).name


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
        shelf: holds what was answered.
    """

    def __init__(self, service: Service, shelf: Shelf) -> None:
        self.service, self.shelf = service, shelf

    async def recognise(self, path: str, fields: Mapping[str, str], who: Caller, step: Step) -> str:
        """Recognise an uploaded file; the identifier of the result on the shelf.

        Raises:
            EmotraceError: it is refused, or fails.
        """
        asked = RecognitionForm.read(fields)
        options = asked.options(self.service.settings, self.service.presets)
        name = resolve(asked.model, self.service.settings)

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
                Upload(upload_name(path), file, self.service.decoders) as upload,
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
                outline=heard.outline,
                embedding=asked.embedding,
                kept=receipt.id,
                seconds=seconds,
                record=record_of(result, asked.granularity),
            )

        limit = self.service.settings.deadline_seconds
        shelved = await self.service.queue.run(work, seconds=limit, gone=_never())
        return self.shelf.add(shelved)

    async def patiently(self, path: str, fields: Mapping[str, str], who: Caller, step: Step) -> str:
        """The same, which waits while the service is busy."""
        while (name := await self._unless_busy(path, fields, who, step)) is None:
            await asyncio.sleep(BUSY_SECONDS)
        return name

    async def _unless_busy(self, path: str, fields: Mapping[str, str], who: Caller, step: Step) -> str | None:
        try:
            return await self.recognise(path, fields, who, step)
        except RequestError as error:
            if error.code != "busy":
                raise
            return None

    def _recorded(self, upload: Upload, asked: RecognitionForm) -> Path:
        """The sound as it was heard, for the player and the result folder."""
        sound = self.shelf.new_sound()
        try:
            limits = asked.limits(self.service.settings)
            write_wav(sound, stream(upload, channel=asked.channel, limits=limits))
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
