"""The jobs of a service: from what was added to what is done, on this server and together with others."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from emotrace.errors import EmotraceError
from emotrace.server.jobs.engine import Engine
from emotrace.server.jobs.executors import Identity, LifeSigns
from emotrace.server.jobs.files import JobFiles
from emotrace.server.jobs.work import JobWork, Recognise
from emotrace.server.problems import KINDS
from emotrace.server.settings import Settings
from emotrace.store import Store
from emotrace.store.audit import RETENTION
from emotrace.store.types import now

_BEATS = 4  # signs of life in the time after which a server is dead
_MANY = 100  # items put into the queue between two signs of life
_IDLE_SECONDS = 60.0
_SWEEP_SECONDS = 600.0
_LAST_SECONDS = 30.0  # after the grace time, for what runs to notice

log = logging.getLogger("emotrace.server")


class JobKeeper:
    """Puts jobs into the queue, gives signs of life, takes over from the dead, and tidies up.

    The queue is open while there is something to be done.

    Args:
        store: of the service.
        files: uploads of the jobs.
        recognise: see :data:`~emotrace.server.jobs.work.Recognise`.
        settings: of the service.
    """

    def __init__(self, store: Store, files: JobFiles, recognise: Recognise, settings: Settings) -> None:
        self._store, self._files, self._settings = store, files, settings
        self._work = JobWork(store, files, recognise, settings)
        self._signs = LifeSigns(settings.job_takeover_seconds)
        self._identity: Identity | None = None
        self._engine: Engine | None = None
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="emotrace-jobs", daemon=True)
        self._swept = self._busy = float("-inf")
        self._failed, self._began = False, float("inf")

    def start(self) -> None:
        """Go on with what is there."""
        self._thread.start()

    def stop(self) -> None:
        """Let what runs finish within the grace time; the rest goes on after the next start."""
        self._stopping.set()
        self._wake.set()
        self._work.stop()
        grace = self._settings.job_grace_seconds
        timer = threading.Timer(grace, self._work.give_up)
        timer.daemon = True
        timer.start()
        try:
            self._thread.join(10)  # it may wait for a database that is away
            if self._engine is not None:
                self._engine.stop(grace + _LAST_SECONDS if self._work.running else 0)
            if self._identity is not None:
                self._store.job_items.forget([self._identity.name])
        except EmotraceError as error:
            log.warning("%s", error)
        finally:
            timer.cancel()
            if self._identity is not None:
                self._identity.release()

    @property
    def running(self) -> int:
        """Recordings that are being recognised here."""
        return self._work.running

    @property
    def stuck(self) -> bool:
        """Whether the queue cannot be used just now, which is tried again all the time."""
        return self._failed or time.monotonic() - self._began > self._settings.job_takeover_seconds

    def wake(self) -> None:
        """Something was added."""
        self._wake.set()

    def leave_out(self, job: str) -> None:
        """A job was cancelled or deleted: begin nothing of it, and remove what is no longer needed."""
        found = self._store.jobs.get(job, None)
        if found is None or found.finished is not None:
            self._files.remove(job)
        if self._engine is not None:
            self._engine.drop(job)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self._began = time.monotonic()
            try:
                self._tick()
                self._failed = False
            except EmotraceError as error:
                log.error("jobs wait, which is tried again: %s", error)
                self._lost()
            except Exception:
                log.exception("jobs wait, which is tried again")
                self._lost()
            self._began = float("inf")
            self._wake.wait(self._settings.job_takeover_seconds / _BEATS)
            self._wake.clear()

    def _lost(self) -> None:
        self._failed = True
        self._signs.reset()

    def _tick(self) -> None:
        items = self._store.job_items
        if time.monotonic() - self._swept > _SWEEP_SECONDS:
            self._sweep()
            self._swept = time.monotonic()
        if items.unfinished():
            self._busy = time.monotonic()
        elif self._engine is None or self._closed():
            return
        name, engine = self._opened()
        items.beat(name)
        for job, count in items.waiting():
            for start in range(0, count, _MANY):
                engine.enqueue(job, range(start, min(count, start + _MANY)))
                items.beat(name)
            items.enqueued(job)
        self._take_over(name, engine)
        for job, number in engine.tidy():
            items.failed(job, number, "bug", str(KINDS["bug"].sentence))

    def _opened(self) -> tuple[str, Engine]:
        if self._identity is None:
            self._identity = Identity(self._store.folder)
        name = self._identity.name
        if self._engine is None:
            self._store.job_items.beat(name)
            workers = self._settings.job_workers  # nothing is taken ahead, which another server could do
            engine = Engine(self._store.database.url, name, self._work.do, workers=workers)
            engine.start()
            self._engine = engine
        return name, self._engine

    def _closed(self) -> bool:
        """Close the queue, which is looked at all the time, when there was nothing to be done for long."""
        if self._work.running or time.monotonic() - self._busy < _IDLE_SECONDS:
            return False
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.stop(0)
        return True

    def _take_over(self, name: str, engine: Engine) -> None:
        beats, owners = self._store.job_items.beats(), engine.owners()
        beats.pop(name, None)
        dead = self._signs.dead(beats, owners | beats.keys())
        if dead & owners:
            log.warning("no sign of life from %s: its jobs are taken over", ", ".join(sorted(dead & owners)))
            engine.take_over(dead & owners)
        if dead - owners:
            self._store.job_items.forget(dead - owners)

    def _sweep(self) -> None:
        store, days = self._store, self._settings.keep_days
        if days:
            for job in store.jobs.ended_before(now() - timedelta(days=days)):
                store.jobs.delete(job, None, actor=RETENTION)
        self._files.sweep(store.jobs.known, self._settings.job_upload_seconds + _SWEEP_SECONDS)
        for job in self._files.jobs():
            found = store.jobs.get(job, None)
            if found is not None and found.finished is not None:
                self._files.remove(job)
