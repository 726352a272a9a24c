"""One item of a job: recognised, kept, its upload removed; and what is done when that cannot be."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from emotrace.errors import DiskFullError, EmotraceError, StoreError
from emotrace.recognition.parallel import GivenUp
from emotrace.server.jobs.engine import Stopped
from emotrace.server.jobs.files import JobFiles
from emotrace.server.problems import KINDS, RequestError, sentence_of
from emotrace.server.settings import Settings
from emotrace.server.work import GoOn
from emotrace.store import Store
from emotrace.store.jobs import Item, Job

Recognise = Callable[[Job, Item, GoOn], None]
"""Recognises an item and keeps the result under its ``result_id``."""

MOST_ATTEMPTS = 5
"""Beginnings of an item whose server ended each time."""

_TRIES = 5  # while the model cannot be used
_LONGEST_WAIT = 60.0
_TELL_SECONDS = 1.0
_NICER = 10

log = logging.getLogger("emotrace.server")


class JobWork:
    """Does items of jobs, a few at a time, and lets requests go before.

    Args:
        store: of the service.
        files: uploads of the jobs.
        recognise: see :data:`Recognise`.
        settings: of the service.
    """

    def __init__(self, store: Store, files: JobFiles, recognise: Recognise, settings: Settings) -> None:
        self._store, self._files, self._recognise = store, files, recognise
        self._seconds = settings.job_seconds
        self._slots = threading.Semaphore(settings.job_workers)
        self._stopping, self._given_up = threading.Event(), threading.Event()
        self._running, self._lock = 0, threading.Lock()

    @property
    def running(self) -> int:
        """Items that are being done."""
        return self._running

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopping.set()

    def give_up(self) -> None:
        """End what runs; it is begun again after the next start."""
        self._given_up.set()

    def do(self, job: str, number: int) -> None:
        """One item, once there is a place; tried again while the database is away or the disk full.

        Raises:
            Stopped: the service ends.
        """
        with self._place():
            tries = 0
            while True:
                try:
                    return self._try(job, number, last=tries >= _TRIES)
                except EmotraceError as error:
                    tries += 1
                    wait = min(_LONGEST_WAIT, 2.0**tries)
                    log.warning("job %s, item %d: %s; tried again in %.0f s", job, number, error, wait)
                if self._stopping.wait(wait):
                    raise Stopped

    @contextmanager
    def _place(self) -> Iterator[None]:
        _be_nice()
        while not self._slots.acquire(timeout=0.1):
            if self._stopping.is_set():
                raise Stopped
        with self._lock:
            self._running += 1
        try:
            if self._stopping.is_set():
                raise Stopped
            yield
        finally:
            with self._lock:
                self._running -= 1
            self._slots.release()

    def _try(self, job: str, number: int, last: bool) -> None:
        item, found = self._store.job_items.begin(job, number), self._store.jobs.get(job, None)
        if item is not None and found is not None:
            self._attempt(found, item, last)
            found = self._store.jobs.get(job, None)
        ended = found is None or found.finished is not None
        self._files.remove(job, None if ended else number)

    def _attempt(self, job: Job, item: Item, last: bool) -> None:
        items = self._store.job_items
        if item.attempts > MOST_ATTEMPTS:
            times = f"the server ended {MOST_ATTEMPTS} times while it was recognised"
            items.failed(job.id, item.number, "error", f"{times}; leave it out, or convert it first")
            return
        try:
            self._recognise(job, item, self._watcher(item))
        except GivenUp:
            items.cancelled(job.id, item.number)
        except Stopped:
            with suppress(StoreError):
                items.interrupted(job.id, item.number)
            raise
        except EmotraceError as error:
            if _passes(error, last):
                with suppress(StoreError):
                    items.interrupted(job.id, item.number)
                raise
            if KINDS.get(error.code, KINDS["error"]).sentence is not None:
                log.error("job %s, item %d: %s", job.id, item.number, error)
            items.failed(job.id, item.number, error.code, sentence_of(error))
        except Exception:
            log.exception("job %s, item %d", job.id, item.number)
            items.failed(job.id, item.number, "bug", str(KINDS["bug"].sentence))
        else:
            if not items.done(job.id, item.number, item.result_id):  # the job was deleted meanwhile
                self._store.recognitions.delete(item.result_id, None, actor=job.owner, detail=f"job {job.id}")

    def _watcher(self, item: Item) -> GoOn:
        """Tells how far an item is, and ends it where it is not to go on."""
        began = time.monotonic()
        told = began

        def go_on(step: str = "", done: float = 0.0, total: float = 0.0) -> None:
            nonlocal told
            if self._given_up.is_set():
                raise Stopped
            now = time.monotonic()
            if now - began > self._seconds:
                limit = (
                    f"it took longer than {self._seconds:g} s, which is the server's limit for a recording"
                )
                raise RequestError("deadline", f"{limit}; send it in shorter pieces")
            if now - told < _TELL_SECONDS:
                return
            told = now
            with suppress(StoreError):  # it is only told
                share = min(1.0, done / total) if total > 0 else 0.0
                if not self._store.job_items.progressed(item.job, item.number, share):
                    raise GivenUp

        return go_on


def _passes(error: EmotraceError, last: bool) -> bool:
    """Whether an error is of the server's own, and may be over in a while."""
    if isinstance(error, StoreError | DiskFullError):
        return True
    status = KINDS.get(error.code, KINDS["error"]).status
    return status == 503 and error.code != "deadline" and not last


def _be_nice() -> None:
    """Let all other threads go before this one, where threads have priorities of their own."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            if os.getpriority(os.PRIO_PROCESS, thread) < _NICER:
                os.setpriority(os.PRIO_PROCESS, thread, _NICER)
