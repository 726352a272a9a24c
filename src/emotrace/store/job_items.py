"""The side of the jobs that does them: what is to be done next, and which servers show signs of life."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from emotrace.store.database import Database
from emotrace.store.jobs import OPEN, Item
from emotrace.store.schema import job_items, jobs, servers
from emotrace.store.types import now


class JobItems:
    """Progress of the items of jobs; every change can be made again without harm.

    Args:
        database: holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def unfinished(self) -> int:
        """Items that have not ended, of all jobs.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(func.count()).select_from(job_items).where(job_items.c.state.in_(OPEN))
        with self._database.reading() as connection:
            return int(connection.scalar(query) or 0)

    def waiting(self, limit: int = 100) -> tuple[tuple[str, int], ...]:
        """Jobs not all of whose items were put into the queue, oldest first: id and number of items.

        Raises:
            StoreError: the database cannot be reached.
        """
        count = select(func.count()).where(job_items.c.job == jobs.c.id).scalar_subquery()
        query = select(jobs.c.id, count.label("items")).where(~jobs.c.enqueued)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(jobs.c.created).limit(limit)).all()
        return tuple((row.id, row.items) for row in rows)

    def enqueued(self, job: str) -> None:
        """All items of a job are in the queue.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job).values(enqueued=True))

    def begin(self, job: str, number: int) -> Item | None:
        """An item that is to be done now; None if it has ended, was cancelled, or is there no more.

        Raises:
            StoreError: the database cannot be reached.
        """
        this = _this(job, number)
        with self._database.writing() as connection:
            if not self._wanted(connection, job):
                connection.execute(update(job_items).where(this).values(state="cancelled", finished=now()))
                return None
            attempts = job_items.c.attempts + 1
            begun = update(job_items).where(this)
            values = {"state": "running", "attempts": attempts, "started": now(), "progress": 0.0}
            row = connection.execute(begun.values(**values).returning(*job_items.c)).mappings().first()
        return None if row is None else Item(**row)

    def progressed(self, job: str, number: int, progress: float) -> bool:
        """Note how far an item is; whether it is still wanted.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            connection.execute(update(job_items).where(_this(job, number)).values(progress=progress))
            return self._wanted(connection, job)

    def interrupted(self, job: str, number: int) -> None:
        """An item was left on purpose and is to be begun again.

        Raises:
            StoreError: the database cannot be reached.
        """
        values = {"state": "queued", "attempts": job_items.c.attempts - 1, "progress": 0.0}
        running = and_(_this(job, number), job_items.c.state == "running")
        with self._database.writing() as connection:
            connection.execute(update(job_items).where(running).values(**values))

    def done(self, job: str, number: int, recognition: str) -> bool:
        """An item has a result; False if it is there no more, so that nobody will ask for the result.

        Raises:
            StoreError: the database cannot be reached.
        """
        values = {"state": "done", "progress": 1.0, "finished": now(), "recognition": recognition}
        return self._end(job, number, values)

    def failed(self, job: str, number: int, code: str, reason: str) -> bool:
        """An item has none; False if it is there no more.

        Raises:
            StoreError: the database cannot be reached.
        """
        return self._end(job, number, {"state": "failed", "finished": now(), "code": code, "reason": reason})

    def cancelled(self, job: str, number: int) -> bool:
        """An item was given up; False if it is there no more.

        Raises:
            StoreError: the database cannot be reached.
        """
        return self._end(job, number, {"state": "cancelled", "finished": now()})

    def beat(self, server: str) -> None:
        """A server gives a sign of life.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            sign = {"beat": uuid.uuid4().hex}
            if not connection.execute(update(servers).where(servers.c.id == server).values(**sign)).rowcount:
                connection.execute(insert(servers).values(id=server, **sign))

    def beats(self) -> dict[str, str]:
        """The newest sign of life of each server.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            return {row.id: row.beat for row in connection.execute(select(servers))}

    def forget(self, gone: Iterable[str]) -> None:
        """Some servers are gone for good.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            connection.execute(delete(servers).where(servers.c.id.in_(list(gone))))

    def _end(self, job: str, number: int, values: dict[str, object]) -> bool:
        there = and_(job_items.c.job == job, job_items.c.number == number)
        with self._database.writing() as connection:
            if connection.execute(update(job_items).where(_this(job, number)).values(**values)).rowcount:
                return True
            return connection.execute(select(job_items.c.job).where(there)).first() is not None

    @staticmethod
    def _wanted(connection: Connection, job: str) -> bool:
        query = select(jobs.c.id).where(jobs.c.id == job, jobs.c.cancelled.is_(None))
        return connection.execute(query).first() is not None


def _this(job: str, number: int) -> ColumnElement[bool]:
    """An item that has not ended."""
    return and_(job_items.c.job == job, job_items.c.number == number, job_items.c.state.in_(OPEN))
