"""Many recordings where the server keeps nothing: recognised while the page is open, and had for an hour."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from emotrace.errors import EmotraceError
from emotrace.results import Failure
from emotrace.server.access.callers import Caller
from emotrace.server.access.limits import Place
from emotrace.server.monitoring.logs import log
from emotrace.webui.batch_view import Row, board, done_row, ended, failed_row, open_row
from emotrace.webui.calls import Calls, watched
from emotrace.webui.downloads import BATCHES
from emotrace.webui.markup import progress
from emotrace.webui.shelf import Batch
from emotrace.webui.texts import Words

AT_ONCE = 2
"""Recordings of one batch at a time, so that others are served meanwhile."""


class PassingBatch:
    """One batch while it runs.

    Args:
        calls: recognise.
        words: of the page.
        who: asks.
        place: see :func:`~emotrace.webui.calls.place_of`.
        fields: of the form of the REST API.
        paths: of the uploads.
    """

    def __init__(
        self, calls: Calls, words: Words, who: Caller, place: Place, fields: dict[str, str], paths: list[str]
    ) -> None:
        self._calls, self._words, self._who, self._fields = calls, words, who, fields
        self._place, self._paths = place, paths
        self._items: list[str | Failure | None] = [None] * len(paths)
        self._names = [calls.uploads.name(path, who.key) for path in paths]
        self._places = asyncio.Semaphore(AT_ONCE)

    async def views(self) -> AsyncIterator[str]:
        """What the page shows, until all are done."""
        words, count = self._words, len(self._paths)
        async for finished in watched(self._all()):
            if finished is None:
                done = count - self._items.count(None)
                told = progress(words("batch.progress", done, count), done / count, words("batch.stay"))
                yield told + board(self._rows(), words)
        name = self._calls.shelf.add(Batch(self._who.key, tuple(each for each in self._items if each)))
        failed = sum(isinstance(each, Failure) for each in self._items)
        links = [
            (words(f"batch.{text}"), f"{BATCHES}/{name}/{form}")
            for form, text in (("zip", "all"), ("csv", "table"))
        ]
        yield ended(words("batch.done", count - failed, failed), links) + board(self._rows(), words)

    async def _all(self) -> bool:
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

    def _rows(self) -> list[Row]:
        return [self._row(name, item) for name, item in zip(self._names, self._items, strict=True)]

    def _row(self, name: str, item: str | Failure | None) -> Row:
        words = self._words
        if item is None:
            return open_row(name, words("batch.state.queued"))
        if isinstance(item, Failure):
            return failed_row(name, item.reason)
        record = self._calls.shelf.shown(item, self._who.key).record
        decision = record["verdict"]["decision"] if record["verdict"] else None
        found = (record["emotion"], record["confidence"], decision, record["duration_seconds"])
        return done_row(name, *found, words)
