"""Durable jobs: recordings that are recognised later, and how far they are."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from emotrace.store.audit import note
from emotrace.store.database import Database
from emotrace.store.paging import Page, check_limit, decode_cursor, encode_cursor
from emotrace.store.schema import job_items, jobs
from emotrace.store.types import now

State = Literal["queued", "running", "done", "failed", "cancelled"]

OPEN: tuple[State, ...] = ("queued", "running")
"""States of what has not ended."""

LEAST = 0.01
"""Progress from which the time that is left can be guessed."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and how far it is.

    Attributes:
        id: of the job.
        owner: key of the caller.
        created: in UTC.
        options: fields of the form, as they came.
        clips: of the speaker, beside the recordings.
        state: ``failed`` is a job none of whose items could be done.
        items: how many there are in each state.
        progress: 0 to 1, by bytes.
        started: when its first item began.
        finished: when its last item ended; None before.
    """

    id: str
    owner: str
    created: datetime
    options: Mapping[str, str]
    clips: int
    state: State
    items: Mapping[State, int]
    progress: float
    started: datetime | None
    finished: datetime | None

    @property
    def seconds_left(self) -> float | None:
        """About how long it will take, by what is done since it began; None where that cannot be told."""
        if self.state != "running" or self.started is None or self.progress < LEAST:
            return None
        return (now() - self.started).total_seconds() * (1 - self.progress) / self.progress


@dataclass(frozen=True, slots=True)
class Item:
    """One recording of a job.

    Attributes:
        job: id of the job.
        number: from 0, in the order of the upload.
        source: name of the file.
        bytes: of it.
        state: of it.
        progress: 0 to 1.
        attempts: how often it was begun.
        started: when it last was.
        finished: when it ended.
        recognition: id of the result; it may be deleted by now.
        code: of a failure.
        reason: of a failure, one sentence.
    """

    job: str
    number: int
    source: str
    bytes: int
    state: State
    progress: float
    attempts: int
    started: datetime | None
    finished: datetime | None
    recognition: str | None
    code: str | None
    reason: str | None

    @property
    def result_id(self) -> str:
        """Id of its recognition: always the same, so that nothing is kept twice."""
        return uuid.uuid5(uuid.UUID(self.job), str(self.number)).hex


class Jobs:
    """The jobs in the database; every change can be made again without harm.

    Args:
        database: holds them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        id: str,  # noqa: A002
        owner: str,
        options: Mapping[str, str],
        files: Sequence[tuple[str, int]],
        *,
        clips: int = 0,
        key: str | None = None,
        fingerprint: str = "",
    ) -> str | None:
        """Add a job whose files are in their place.

        Args:
            id: of the job, 32 hexadecimal digits.
            owner: key of the caller.
            options: fields of the form.
            files: name and bytes of each recording.
            clips: files of the speaker.
            key: the owner's own; at most one job has it.
            fingerprint: of all that came.

        Returns:
            Its id, or that of the job which came with the same key and fingerprint before; None if one came
            with the same key and something else.

        Raises:
            StoreError: the database cannot be reached.
        """
        job = {"id": id, "owner": owner, "created": now(), "options": dict(options), "clips": clips}
        items = [
            {"job": id, "number": n, "source": name, "bytes": size} for n, (name, size) in enumerate(files)
        ]
        try:
            with self._database.writing() as connection:
                connection.execute(insert(jobs).values(**job, key=key, fingerprint=fingerprint))
                connection.execute(insert(job_items), items)
        except IntegrityError:
            if key is None:
                raise
            return self._of_key(owner, key, fingerprint)
        return id

    def get(self, id: str, owner: str | None) -> Job | None:  # noqa: A002
        """One job; None if there is none that the owner may see.

        Args:
            id: of the job.
            owner: whose; None is anybody's.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(jobs).where(_is(id, owner))).mappings().first()
            return None if row is None else _jobs(connection, [row])[0]

    def list(self, owner: str | None, *, cursor: str | None = None, limit: int = 50) -> Page[Job]:
        """Newest first.

        Args:
            owner: whose; None is everybody's.
            cursor: of the page before.
            limit: jobs of a page.

        Raises:
            OptionError: the cursor or the limit is not right.
            StoreError: the database cannot be reached.
        """
        query = select(jobs).order_by(jobs.c.created.desc(), jobs.c.id.desc()).limit(check_limit(limit) + 1)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if cursor is not None:
            moment, last = decode_cursor("jobs", cursor, float, str)
            query = query.where(tuple_(jobs.c.created, jobs.c.id) < tuple_(_moment(moment), last))
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
            found = _jobs(connection, rows[:limit])
        more = len(rows) > limit
        last_one = found[-1] if found else None
        return Page(tuple(found), encode_cursor("jobs", *_place(last_one)) if more and last_one else None)

    def items(self, id: str) -> tuple[Item, ...]:  # noqa: A002
        """All recordings of a job, in order.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(job_items).where(job_items.c.job == id).order_by(job_items.c.number)
        with self._database.reading() as connection:
            return tuple(Item(**row) for row in connection.execute(query).mappings())

    def states(self) -> dict[str, int]:
        """How many recordings of all jobs are in each state.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(job_items.c.state, func.count()).group_by(job_items.c.state)
        with self._database.reading() as connection:
            found = {state: int(count) for state, count in connection.execute(query)}
        return {state: found.get(state, 0) for state in get_args(State)}

    def cancel(self, id: str, owner: str | None, *, actor: str) -> bool:  # noqa: A002
        """Begin none of its recordings any more; whether there is such a job. What is done stays.

        Raises:
            StoreError: the database cannot be reached.
        """
        waiting = and_(job_items.c.job == id, job_items.c.state == "queued")
        unfinished = select(job_items.c.job).where(job_items.c.job == id, job_items.c.state.in_(OPEN))
        with self._database.writing() as connection:
            if connection.execute(select(jobs.c.id).where(_is(id, owner))).first() is None:
                return False
            running = and_(jobs.c.id == id, jobs.c.cancelled.is_(None), unfinished.exists())
            if connection.execute(update(jobs).where(running).values(cancelled=now())).rowcount:
                note(connection, actor, "job-cancel", id, None)
            connection.execute(update(job_items).where(waiting).values(state="cancelled", finished=now()))
        return True

    def delete(self, id: str, owner: str | None, *, actor: str) -> bool:  # noqa: A002
        """Forget a job; whether there was one. Its files and results are the caller's to remove.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._database.writing() as connection:
            found = connection.execute(delete(jobs).where(_is(id, owner))).rowcount == 1
            if found:
                note(connection, actor, "job-delete", id, None)
        return found

    def known(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of some ids that are of jobs.

        Raises:
            StoreError: the database cannot be reached.
        """
        query = select(jobs.c.id).where(jobs.c.id.in_(list(ids)))
        with self._database.reading() as connection:
            return frozenset(connection.scalars(query))

    def ended_before(self, moment: datetime) -> tuple[str, ...]:
        """Ids of the jobs that were made before a moment and have ended.

        Raises:
            StoreError: the database cannot be reached.
        """
        unfinished = select(job_items.c.job).where(job_items.c.job == jobs.c.id, job_items.c.state.in_(OPEN))
        query = select(jobs.c.id).where(jobs.c.created < moment, ~unfinished.exists())
        with self._database.reading() as connection:
            return tuple(connection.scalars(query))

    def _of_key(self, owner: str, key: str, fingerprint: str) -> str | None:
        query = select(jobs.c.id, jobs.c.fingerprint).where(jobs.c.owner == owner, jobs.c.key == key)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None or row.fingerprint != fingerprint else str(row.id)


def _is(id: str, owner: str | None) -> ColumnElement[bool]:  # noqa: A002
    return jobs.c.id == id if owner is None else and_(jobs.c.id == id, jobs.c.owner == owner)


def _jobs(connection: Connection, rows: Sequence[RowMapping]) -> list[Job]:
    """Jobs with what their items add up to."""
    columns = job_items.c
    query = (
        select(
            columns.job,
            columns.state,
            func.count().label("count"),
            func.sum(columns.bytes + 1).label("bytes"),
            func.sum((columns.bytes + 1) * columns.progress).label("done"),
            func.min(columns.started).label("started"),
            func.max(columns.finished).label("finished"),
        )
        .where(columns.job.in_([row["id"] for row in rows]))
        .group_by(columns.job, columns.state)
    )
    sums: dict[str, dict[State, RowMapping]] = {}
    for found in connection.execute(query).mappings():
        sums.setdefault(found["job"], {})[found["state"]] = found
    return [_job(row, sums.get(row["id"], {})) for row in rows]


def _job(row: RowMapping, by_state: Mapping[State, RowMapping]) -> Job:
    items = {state: int(found["count"]) for state, found in by_state.items()}
    ended = not any(state in items for state in OPEN)
    total = sum(int(found["bytes"]) for found in by_state.values())
    done = sum(float(found["done" if state in OPEN else "bytes"]) for state, found in by_state.items())
    started = [found["started"] for found in by_state.values() if found["started"] is not None]
    finished = [found["finished"] for found in by_state.values() if found["finished"] is not None]
    return Job(
        **{name: row[name] for name in ("id", "owner", "created", "options", "clips")},
        state=_state(row["cancelled"] is not None, items, ended),
        items=items,
        progress=1.0 if ended else done / total,
        started=min(started, default=None),
        finished=max(finished, default=None) if ended else None,
    )


def _state(cancelled: bool, items: Mapping[State, int], ended: bool) -> State:
    if cancelled:
        return "cancelled"
    if ended:
        return "done" if "done" in items else "failed"
    return "queued" if set(items) == {"queued"} else "running"


def _place(job: Job | None) -> tuple[Any, ...]:
    return () if job is None else (job.created.timestamp(), job.id)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, now().tzinfo)
