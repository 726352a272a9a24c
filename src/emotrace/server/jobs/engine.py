"""Durable execution by DBOS: what was put into the queue is done, whatever happens to servers meanwhile.

A server that starts again goes on with what it had begun. What another server had begun, and will not finish
because it is dead, is taken over.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy.engine import URL

from emotrace.errors import EmotraceError, StoreError

Do = Callable[[str, int], None]
"""Does one item, given the id of its job and its number; again and again without harm."""

SCHEMA = "emotrace_jobs"
"""Of PostgreSQL, where DBOS has its tables."""

_APPLICATION = "emotrace"
_VERSION = "1"  # of what is in the queue, not of emotrace: an update goes on with what is there
_QUEUE = _WORKFLOW = "recording"
_POLL_SECONDS = 0.1
_MANY = 500

_one = threading.Lock()  # DBOS is one for each process

log = logging.getLogger("emotrace.server")


class Stopped(BaseException):
    """The server ends; what it leaves goes on after its next start. No Exception: DBOS would record that."""


class Connection(sqlite3.Connection):
    """To SQLite, with the function ``unixepoch('subsec')`` also before SQLite 3.42.

    DBOS uses it from Python 3.12 on, whatever SQLite that Python has; on Debian 12 it is 3.40.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if sqlite3.sqlite_version_info < (3, 42):
            self.create_function("unixepoch", 1, lambda unit: time.time() if unit == "subsec" else None)


class Engine:
    """The queue of all servers on one database, and this server's share of its work.

    Args:
        url: of the database; SQLite keeps the queue in a file beside it.
        name: of this server, see :class:`~emotrace.server.jobs.executors.Identity`.
        do: does one item; may raise :class:`Stopped`.
        workers: items that this server takes at a time.
    """

    def __init__(self, url: URL, name: str, do: Do, *, workers: int) -> None:
        self.name = name
        self._url, self._do, self._workers = _beside(url), do, workers
        self._dbos: Any = None

    def start(self) -> None:
        """Begin to work, first on what this server had begun before.

        Raises:
            StoreError: the queue cannot be reached, or another service of this process has it.
        """
        if not _one.acquire(blocking=False):
            raise StoreError(
                "another service in this process does the jobs already; run one for each process"
            )
        try:
            with _in_words():
                self._launch()
        except BaseException:
            _one.release()
            raise

    def stop(self, seconds: float) -> None:
        """Take nothing more and wait for what runs.

        Args:
            seconds: at most; whoever runs must have ended by then.
        """
        if self._dbos is None:
            return
        self._dbos.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._dbos = None
        _one.release()

    def enqueue(self, job: str, numbers: Iterable[int]) -> None:
        """Put items of a job into the queue, if they are not there; those of many jobs take turns.

        Raises:
            StoreError: the queue cannot be reached.
        """
        with _in_words():
            for number in numbers:
                options = {
                    "workflow_name": _WORKFLOW,
                    "queue_name": _QUEUE,
                    "workflow_id": f"{job}/{number}",
                    "priority": number + 1,
                    "app_version": _VERSION,
                }
                self._dbos.enqueue_workflow_with_options(options, job, number)

    def drop(self, job: str) -> None:
        """Take out of the queue what waits there of a job.

        Raises:
            StoreError: the queue cannot be reached.
        """
        if self._dbos is None:  # it was closed, as there was nothing to be done
            return
        with _in_words():
            waiting = self._dbos.list_workflows(
                workflow_id_prefix=f"{job}/", status="ENQUEUED", load_input=False, load_output=False
            )
            self._dbos.delete_workflows([each.workflow_id for each in waiting])

    def owners(self) -> set[str]:
        """Other servers that have begun something and not finished it.

        Raises:
            StoreError: the queue cannot be reached.
        """
        with _in_words():
            begun = self._dbos.list_workflows(status="PENDING", load_input=False, load_output=False)
        return {each.executor_id for each in begun} - {self.name, None}

    def take_over(self, dead: set[str]) -> None:
        """Put what dead servers had begun back into the queue.

        Only what they still have: what another server has taken meanwhile stays with that one.

        Raises:
            StoreError: the queue cannot be reached.
        """
        with _in_words():
            self._dbos._recover_pending_workflows(sorted(dead))

    def tidy(self) -> list[tuple[str, int]]:
        """Forget what has ended; job and number of what did so in another way than meant.

        Raises:
            StoreError: the queue cannot be reached.
        """
        ended = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
        with _in_words():
            found = self._dbos.list_workflows(
                status=ended, limit=_MANY, sort_desc=False, load_input=False, load_output=False
            )
            self._dbos.delete_workflows([each.workflow_id for each in found])
        odd = [each.workflow_id.partition("/") for each in found if each.status != "SUCCESS"]
        return [(job, int(number)) for job, _, number in odd]

    def _launch(self) -> None:
        from dbos import DBOS

        logger = logging.getLogger("dbos")
        if not logger.handlers:  # or DBOS adds one of its own; so, what it says goes where all goes
            logger.addHandler(logging.NullHandler())
        sqlite = self._url.drivername == "sqlite"
        if sqlite:
            with sqlite3.connect(str(self._url.database)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": self._url.render_as_string(hide_password=False),
                "dbos_system_schema": SCHEMA,
                "application_version": _VERSION,
                "executor_id": self.name,
                "log_level": "WARNING",
                "enable_otlp": False,
                "sys_db_pool_size": self._workers + 5,
                "db_engine_kwargs": {"connect_args": {"factory": Connection} if sqlite else {}},
            }
        )
        try:
            self._register(DBOS)
            DBOS.launch()
            DBOS.register_queue(
                _QUEUE,
                worker_concurrency=self._workers,
                polling_interval_sec=_POLL_SECONDS,
                on_conflict="always_update",
            )
        except BaseException:
            with suppress(Exception):
                DBOS.destroy(destroy_registry=True)
            raise
        self._dbos = DBOS

    def _register(self, dbos: Any) -> None:
        do = self._do

        @dbos.step(name="recognise")  # type: ignore[untyped-decorator]
        def recognise(job: str, number: int) -> None:
            do(job, number)

        @dbos.workflow(name=_WORKFLOW, max_recovery_attempts=None)  # type: ignore[untyped-decorator]
        def recording(job: str, number: int) -> None:
            recognise(job, number)


def _beside(url: URL) -> URL:
    """SQLite has one writer for each file, so the queue has a file of its own."""
    if url.drivername != "sqlite":
        return url
    file = str(url.database)
    return URL.create("sqlite", database=f"{file.removesuffix('.db')}-queue.db")


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except EmotraceError:
        raise
    except Exception as error:
        first = " ".join(str(error).split())[:300] or type(error).__name__
        raise StoreError(
            f"the queue of the jobs cannot be used: {first}; try again when it is back"
        ) from error
