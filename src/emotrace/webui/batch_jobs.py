"""A job of the service as the page for many recordings shows it."""

from __future__ import annotations

from dataclasses import dataclass

from emotrace.server.access.callers import Caller
from emotrace.server.jobs.routes import JobDoor
from emotrace.server.problems import RequestError
from emotrace.store.jobs import Item, Job
from emotrace.webui.batch_view import Row, board, done_row, ended, failed_row, open_row
from emotrace.webui.markup import clock, percent, progress
from emotrace.webui.texts import Words

EARLIER = 20
"""Jobs that can be chosen."""

FORMS = {"zip": "batch.all", "csv": "batch.table", "jsonl": "batch.lines"}


@dataclass(frozen=True, slots=True)
class View:
    """What is shown: ``job`` is its id, "" is none, and ``runs`` whether that goes on."""

    job: str
    html: str
    runs: bool


class Watched:
    """The jobs of a caller; what has ended of them is read once.

    Args:
        door: to the jobs.
        who: looks.
        words: of the page.
    """

    def __init__(self, door: JobDoor, who: Caller, words: Words) -> None:
        self._door, self._who, self._words = door, who, words
        self._rows: dict[str, Row] = {}  # by id of the result

    def look(self, id: str) -> View | None:  # noqa: A002
        """A job, the newest where there is none of this id; None if there is none at all.

        Raises:
            StoreError: the database cannot be reached.
        """
        job = self._found(id)
        if job is None:
            return None
        rows = [self._row(item) for item in self._door.service.open().jobs.items(job.id)]
        return View(job.id, self._head(job) + board(rows, self._words), job.finished is None)

    def earlier(self) -> list[tuple[str, str]]:
        """The newest jobs: what they are called, and their ids.

        Raises:
            StoreError: the database cannot be reached.
        """
        return [(self._called(job), job.id) for job in self._newest(EARLIER)]

    def _newest(self, limit: int) -> tuple[Job, ...]:
        return self._door.service.open().jobs.list(self._who.key, limit=limit).items

    def _found(self, id: str) -> Job | None:  # noqa: A002
        try:
            return self._door.found(id, self._who)
        except RequestError:
            return next(iter(self._newest(1)), None)

    def _called(self, job: Job) -> str:
        when = f"{job.created.astimezone():%Y-%m-%d %H:%M}"
        return self._words("batch.called", when, sum(job.items.values()))

    def _head(self, job: Job) -> str:
        words, count = self._words, sum(job.items.values())
        done, bad, left_out = (job.items.get(state, 0) for state in ("done", "failed", "cancelled"))
        if job.finished is None:
            left = job.seconds_left
            hints = [] if left is None else [words("batch.left", clock(round(left)))]
            text = words("batch.progress", done + bad + left_out, count)
            return progress(text, job.progress, " ".join([*hints, words("batch.leave")]))
        told = words("batch.done", done, bad)
        if left_out:
            told = words("batch.cancelled", told, left_out)
        address = f"/v1/jobs/{job.id}/results?format="
        return ended(told, [(words(text), address + form) for form, text in FORMS.items()])

    def _row(self, item: Item) -> Row:
        words = self._words
        if item.state == "failed":
            return failed_row(item.source, words.problem(item.code or "error", item.reason or ""))
        if item.state == "done":
            row = self._rows.get(item.result_id) or self._done(item)
            return self._rows.setdefault(item.result_id, row)
        state = words(f"batch.state.{item.state}")
        return open_row(item.source, f"{state} {percent(item.progress)}" if item.progress else state)

    def _done(self, item: Item) -> Row:
        kept = self._door.service.open().recognitions.get(item.result_id, None)
        if kept is None:
            return open_row(item.source, self._words("batch.state.deleted"))
        found = (kept.emotion, kept.confidence, kept.decision, kept.duration)
        return done_row(item.source, *found, self._words)
