"""The page that analyses many recordings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from html import escape
from typing import Any

import gradio as gr

from emotrace.errors import EmotraceError
from emotrace.results import Failure
from emotrace.server.access.callers import Caller
from emotrace.server.access.limits import Place
from emotrace.server.monitoring.logs import log
from emotrace.webui.calls import Calls, caller, place_of, watched
from emotrace.webui.controls import QUIET, fields_of, option_controls
from emotrace.webui.downloads import BATCHES
from emotrace.webui.markup import badge, clock, label, note, percent, progress, size, table
from emotrace.webui.shelf import Batch
from emotrace.webui.texts import Words

AT_ONCE = 2
"""Recordings of one batch at a time, so that others are served meanwhile."""


def build(calls: Calls, words: Words) -> None:
    """Put the page where the caller stands.

    Args:
        calls: answers.
        words: of the page.
    """
    with gr.Row(elem_classes="em-columns"):
        with gr.Column(scale=5, min_width=300):
            files = gr.File(
                file_count="multiple", label=words("batch.files"), elem_id="em-files", height=220, buttons=[]
            )
            options = option_controls(calls.service, words)
            start = gr.Button(words("batch.start"), variant="primary", elem_id="em-batch")
        with gr.Column(scale=7, min_width=300):
            most = size(calls.service.settings.max_bytes)
            shown = gr.HTML(note(words("batch.empty", most)), elem_id="em-batch-shown", js_on_load=None)

    async def analyse(
        paths: list[str] | None,
        granularity: str,
        model: str,
        smooth: str,
        preset: str,
        embedding: bool,
        request: gr.Request,
    ) -> AsyncIterator[tuple[str, Any]]:
        if not paths:
            yield note(words("batch.none"), "error"), gr.skip()
            return
        yield progress(words("batch.progress", 0, len(paths)), 0.0), gr.Button(interactive=False)
        try:
            who = caller(request, "recognize")
            fields = fields_of(granularity, model, smooth, preset, embedding)
            items: list[str | Failure | None] = [None] * len(paths)
            run = _Run(calls, words, who, place_of(request), fields, paths, items)
            async for finished in watched(run.all()):
                done = len(paths) - items.count(None)
                if finished is None:
                    head = progress(words("batch.progress", done, len(paths)), done / len(paths))
                    yield head + run.table(), gr.skip()
            name = calls.shelf.add(Batch(who.key, tuple(each for each in items if each is not None)))
            yield run.summary(name) + run.table(), gr.Button(interactive=True)
        except Exception as error:
            yield note(words.error(error), "error"), gr.Button(interactive=True)

    start.click(analyse, [files, *options], [shown, start], **QUIET)


class _Run:
    """One batch while it runs."""

    def __init__(
        self,
        calls: Calls,
        words: Words,
        who: Caller,
        place: Place,
        fields: dict[str, str],
        paths: list[str],
        items: list[str | Failure | None],
    ) -> None:
        self._calls, self._words, self._who, self._fields = calls, words, who, fields
        self._place, self._paths, self._items = place, paths, items
        self._names = [calls.uploads.name(path, who.key) for path in paths]
        self._places = asyncio.Semaphore(AT_ONCE)

    async def all(self) -> bool:
        """Recognise all of them; a failure stops none of the others."""
        tasks = [asyncio.ensure_future(self._one(i)) for i in range(len(self._paths))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        return True

    async def _one(self, i: int) -> None:
        async with self._places:
            try:
                self._items[i] = await self._calls.patiently(
                    self._paths[i], self._fields, self._who, self._place
                )
            except EmotraceError as error:
                self._items[i] = Failure(self._names[i], error.code, self._words.error(error))
            except Exception as error:
                log.error("unexpected error in a batch", exc_info=error)
                self._items[i] = Failure(self._names[i], "bug", self._words.error(error))

    def table(self) -> str:
        """What is there so far."""
        words = self._words
        head = (
            *(words("batch.name"), words("emotion"), words("sureness")),
            *(words("batch.verdict"), words("batch.length")),
        )
        return table(head, self._rows(), words("tab.batch"))

    def summary(self, name: str) -> str:
        """How it ended, and where its files are."""
        words = self._words
        failed = sum(isinstance(each, Failure) for each in self._items)
        done = words("batch.done", len(self._items) - failed, failed)
        chips = "".join(
            f'<a class="em-chip" download href="{BATCHES}/{name}/{form}">{escape(words(text))}</a>'
            for form, text in (("zip", "batch.all"), ("csv", "batch.table"))
        )
        return note(done, "done") + f'<div class="em-chips">{chips}</div>'

    def _rows(self) -> Iterator[tuple[str, ...]]:
        words = self._words
        for called, item in zip(self._names, self._items, strict=True):
            name = f'<span class="em-file">{escape(called)}</span>'
            if item is None:
                yield name, "…", "", "", ""
            elif isinstance(item, Failure):
                yield name, f'<span class="em-bad">{escape(item.reason)}</span>'
            else:
                record = self._calls.shelf.shown(item, self._who.key).record
                verdict = badge(record["verdict"]["decision"], words, short=True) if record["verdict"] else ""
                yield (
                    name,
                    label(record["emotion"], words),
                    percent(record["confidence"]),
                    verdict,
                    clock(record["duration_seconds"]),
                )
