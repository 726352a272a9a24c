"""The page that analyses many recordings, as a job of the service: it goes on when the page is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr

from emotrace.errors import StoreError
from emotrace.webui.analyse import failed
from emotrace.webui.batch_jobs import Watched
from emotrace.webui.batch_passing import PassingBatch
from emotrace.webui.calls import Calls, caller, place_of
from emotrace.webui.controls import QUIET, fields_of, option_controls, unchecked
from emotrace.webui.markup import note, progress, size
from emotrace.webui.texts import Words

LOOK_SECONDS = 0.5
"""Between two looks at a job that runs."""

FOLLOWING: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
"""Another job may be asked for while one is followed."""


def build(calls: Calls, words: Words, tab: gr.Tab) -> None:
    """Put the page where the caller stands.

    Args:
        calls: answers.
        words: of the page.
        tab: that it is in: what runs, or ran last, is shown when it is opened.
    """
    with gr.Row(elem_classes="em-columns"):
        with gr.Column(scale=5, min_width=300):
            files = gr.File(
                file_count="multiple", label=words("batch.files"), elem_id="em-files", height=220, buttons=[]
            )
            controls = option_controls(calls.service, words)
            start = gr.Button(words("batch.start"), variant="primary", elem_id="em-batch", interactive=False)
            told = gr.HTML("", elem_id="em-batch-told", js_on_load=None)
        with gr.Column(scale=7, min_width=300):
            with gr.Row(equal_height=True):
                earlier = gr.Dropdown(
                    [],
                    label=words("batch.earlier"),
                    visible=False,
                    filterable=False,
                    scale=4,
                    min_width=260,
                    elem_id="em-batch-earlier",
                )
                cancel = gr.Button(words("batch.cancel"), visible=False, elem_id="em-batch-cancel")
            most = size(calls.service.settings.max_bytes)
            shown = gr.HTML(note(words("batch.empty", most)), elem_id="em-batch-shown", js_on_load=None)
    asked = [files, *controls]
    files.change(lambda paths: gr.Button(interactive=bool(paths)), files, start, **QUIET)  # when all are here
    if not calls.service.settings.history:
        start.click(_passing(calls, words), asked, [shown, start], **QUIET)
        return
    jobs, ticket = _Jobs(calls, words), gr.State("")
    opened = gr.BrowserState("", storage_key="emotrace-batch", secret="emotrace")  # which is none
    earlier.preprocess = unchecked  # type: ignore[method-assign, assignment]  # the store knows what there is
    following = [earlier, shown, cancel, opened]
    start.click(jobs.hand_in, asked, [told, ticket], **QUIET)
    for event, which in ((ticket.change, ticket), (tab.select, opened), (earlier.input, earlier)):
        event(jobs.follow, which, following, **FOLLOWING)
    cancel.click(jobs.cancel, opened, told, **QUIET)


def _passing(calls: Calls, words: Words) -> Callable[..., AsyncIterator[tuple[str, Any]]]:
    """Where the server keeps nothing, it takes no jobs."""

    async def run(
        request: gr.Request, paths: list[str] | None, *options: Any
    ) -> AsyncIterator[tuple[str, Any]]:
        if not paths:
            yield note(words("batch.none"), "error"), gr.skip()
            return
        yield progress(words("batch.progress", 0, len(paths)), 0.0), gr.Button(interactive=False)
        try:
            who = caller(request, "recognize")
            fields = fields_of(*options)
            batch = PassingBatch(calls, words, who, place_of(request), fields, paths)
            async for view in batch.views():
                yield view, gr.skip()
        except Exception as error:
            yield failed(error, words), gr.skip()
        yield gr.skip(), gr.Button(interactive=True)

    return run


class _Jobs:
    """What the page does with the jobs of whoever is at it."""

    def __init__(self, calls: Calls, words: Words) -> None:
        self._calls, self._words = calls, words
        self._latest: dict[str, object] = {}  # of each page, what follows a job for it

    async def hand_in(self, request: gr.Request, paths: list[str] | None, *options: Any) -> tuple[str, Any]:
        """Make a job of uploads."""
        most = self._calls.service.settings.job_files
        if not paths or len(paths) > most:
            text = self._words("batch.many", most) if paths else self._words("batch.none")
            return note(text, "error"), gr.skip()
        try:
            who = caller(request, "recognize")
            fields = fields_of(*options)
            named = [(self._calls.uploads.name(path, who.key), Path(path)) for path in paths]
            with place_of(request)():
                return "", await self._calls.jobs.hand_in(named, fields, who)
        except Exception as error:
            return failed(error, self._words), gr.skip()

    async def follow(self, job: str, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        """Show a job until it has ended, or the page wants another; the newest, if there is no such job."""
        page, me = request.session_hash or "", object()
        self._latest[page] = me
        try:
            watched, last = Watched(self._calls.jobs, caller(request, "recognize"), self._words), None
            while self._latest.get(page) is me:
                try:
                    view = await asyncio.to_thread(watched.look, job)
                except StoreError as error:  # which may be over in a while
                    yield gr.skip(), failed(error, self._words), gr.skip(), gr.skip()
                    last = None
                else:
                    if view is None:
                        return
                    if last is None or view.job != last.job:
                        choices = await asyncio.to_thread(watched.earlier)
                        listed = gr.Dropdown(choices, value=view.job, visible=True)
                        yield listed, view.html, self._cancel(view.runs), view.job
                    elif view != last:
                        yield gr.skip(), view.html, self._cancel(view.runs), gr.skip()
                    if not view.runs:
                        return
                    job, last = view.job, view
                await asyncio.sleep(LOOK_SECONDS)
        except Exception as error:
            yield gr.skip(), failed(error, self._words), self._cancel(False), gr.skip()
        finally:
            if self._latest.get(page) is me:
                del self._latest[page]

    def _cancel(self, visible: bool) -> gr.Button:
        return gr.Button(self._words("batch.cancel"), visible=visible)  # which forgets its words when hidden

    async def cancel(self, job: str, request: gr.Request) -> str:
        """Begin no more of a job; whoever follows it sees that."""
        try:
            who = caller(request, "recognize")
            await asyncio.to_thread(self._calls.jobs.cancel, job, who)
        except Exception as error:
            return failed(error, self._words)
        return ""
