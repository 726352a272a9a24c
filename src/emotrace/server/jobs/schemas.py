"""What is answered about jobs, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from emotrace.store import jobs as stored

STUCK = (
    "this server cannot use the queue of jobs just now, which it tries again all the time; its log says why"
)
"""Why nothing of a job is begun."""

State = Literal["queued", "running", "done", "failed", "cancelled"]


class JobItem(BaseModel):
    """One recording of a job; ``id`` is that of its recognition, ``code`` and ``reason`` are of a failure."""

    model_config = ConfigDict(extra="forbid")

    number: int
    source: str
    state: State
    progress: float = Field(ge=0, le=1)
    id: str | None
    code: str | None
    reason: str | None

    @classmethod
    def of(cls, item: stored.Item) -> JobItem:
        """A row of the store."""
        shared = {name: getattr(item, name) for name in ("number", "source", "state", "code", "reason")}
        return cls(**shared, progress=1.0 if item.finished else round(item.progress, 3), id=item.recognition)


class Job(BaseModel):
    """A job; ``counts`` are of its recordings by state, ``seconds_left`` is null where it cannot be told.

    ``problem`` says why nothing is begun just now, and is null where that is not so.
    """

    model_config = ConfigDict(extra="forbid")

    id: str
    state: State
    progress: float = Field(ge=0, le=1)
    seconds_left: float | None
    counts: dict[State, int]
    options: dict[str, str]
    created: datetime
    started: datetime | None
    finished: datetime | None
    problem: str | None

    @classmethod
    def of(cls, job: stored.Job, stuck: bool) -> Job:
        """A row of the store.

        Args:
            job: the row.
            stuck: this server's queue cannot be used.
        """
        left = job.seconds_left
        return cls(
            id=job.id,
            state=job.state,
            progress=round(job.progress, 3),
            seconds_left=None if left is None else round(left, 1),
            counts=dict(job.items),
            options=dict(job.options),
            created=job.created,
            started=job.started,
            finished=job.finished,
            problem=STUCK if stuck and job.finished is None else None,
        )


class JobWithItems(Job):
    """A job and its recordings, in the order of the upload."""

    items: list[JobItem]

    @classmethod
    def with_items(cls, job: stored.Job, items: Sequence[stored.Item], stuck: bool) -> JobWithItems:
        """Rows of the store; see :meth:`Job.of`."""
        return cls(**Job.of(job, stuck).model_dump(), items=[JobItem.of(item) for item in items])


class JobPage(BaseModel):
    """Jobs, newest first; ``cursor`` asks for the next page and is null after the last."""

    model_config = ConfigDict(extra="forbid")

    jobs: list[Job]
    cursor: str | None
