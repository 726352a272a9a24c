"""The routes of ``/v1/jobs``: many recordings, or long ones, that are recognised later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from emotrace.errors import StoreError
from emotrace.options import Options
from emotrace.server.access.callers import Caller, require
from emotrace.server.api import body_of, problems
from emotrace.server.forms import RecognitionForm
from emotrace.server.history.forms import PageQuery, of_query, query_of
from emotrace.server.jobs.desk import KEY, MAX_KEY, JobDesk
from emotrace.server.jobs.files import JobFiles
from emotrace.server.jobs.keeper import JobKeeper
from emotrace.server.jobs.recognition import JobRecognition
from emotrace.server.jobs.results import MEDIA_TYPES, results
from emotrace.server.jobs.schemas import Job, JobPage, JobWithItems
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.store import jobs as stored

_UPLOAD = ("multipart", "forbidden", "upload-timeout", "limit", "content-type", "model-not-found", "option")
_ONE = ("forbidden", "job-not-found", "store")
_KEY = {
    **{"name": KEY, "in": "header", "required": False},
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "description": "Of the client's own making; the same job sent again with the same key is the same job",
}


class Fetching(Options):
    """How results are fetched.

    Attributes:
        format: lines of JSON, a table, or folders in a ZIP file.
    """

    format: Literal["jsonl", "csv", "zip"] = "jsonl"


class JobDoor:
    """The jobs of a service behind its routes.

    Args:
        service: does them.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.files = service, JobFiles(service.settings.data_folder)
        self.desk = JobDesk(service, self.files)
        self._keeper: JobKeeper | None = None
        service.jobs_stuck = lambda: self.stuck
        service.metrics.watch("job_work", "Recordings of jobs that run here.", "", lambda: self.taken)
        service.metrics.watch(
            "jobs_stuck", "Whether this server's queue of jobs fails.", "", lambda: self.stuck
        )
        service.metrics.watch("job_items", "Recordings of all jobs by state.", "state", self.states)

    @property
    def taken(self) -> int:
        """Recordings of jobs that run here."""
        return 0 if self._keeper is None else self._keeper.running

    @property
    def stuck(self) -> bool:
        """See :attr:`~emotrace.server.jobs.keeper.JobKeeper.stuck`."""
        return self._keeper is not None and self._keeper.stuck

    def states(self) -> dict[str, int]:
        """Recordings of all jobs by state; nothing while the database cannot be reached."""
        try:
            return self.service.open().jobs.states()
        except StoreError:
            return {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do jobs; inside :meth:`Service.running`."""
        service = self.service
        keeper = JobKeeper(service.open(), self.files, JobRecognition(service, self.files), service.settings)
        keeper.start()
        self._keeper = keeper
        try:
            yield
        finally:
            self._keeper = None
            await asyncio.to_thread(keeper.stop)

    def leave_out(self, job: str) -> None:
        """See :meth:`~emotrace.server.jobs.keeper.JobKeeper.leave_out`."""
        if self._keeper is not None:
            self._keeper.leave_out(job)

    def wake(self) -> None:
        """Something was added."""
        if self._keeper is not None:
            self._keeper.wake()

    def found(self, job: str, caller: Caller) -> stored.Job:
        """A job that a caller may see.

        Raises:
            RequestError: ``job-not-found``: there is none, or it is another's, which looks the same.
            StoreError: the database cannot be reached.
        """
        found = self.service.open().jobs.get(job, caller.owner)
        if found is None:
            raise RequestError("job-not-found", f"there is no job {job[:64]!r}; GET /v1/jobs lists yours")
        return found

    async def hand_in(
        self, recordings: Sequence[tuple[str, Path]], fields: Mapping[str, str], caller: Caller
    ) -> str:
        """See :meth:`~emotrace.server.jobs.desk.JobDesk.take_files`."""
        job = await self.desk.take_files(recordings, fields, caller)
        self.wake()
        return job

    def cancel(self, job: str, caller: Caller) -> None:
        """Begin no further recording of a job.

        Raises:
            RequestError: ``job-not-found``.
            StoreError: the database cannot be reached.
        """
        found = self.found(job, caller)
        self.service.open().jobs.cancel(found.id, caller.owner, actor=caller.key)
        self.leave_out(found.id)

    def delete(self, job: str, caller: Caller) -> None:
        """Forget a job with its uploads and results.

        Raises:
            RequestError: ``job-not-found``.
            StoreError: the database cannot be reached; what is left can be deleted again.
        """
        store = self.service.open()
        items = store.jobs.items(self.found(job, caller).id)
        for item in items:
            if item.recognition is not None:
                store.recognitions.delete(item.recognition, None, actor=caller.key, detail=f"job {job}")
        store.jobs.delete(job, caller.owner, actor=caller.key)
        self.leave_out(job)
        for item in items:  # those that ended meanwhile
            store.recognitions.delete(item.result_id, None, actor=caller.key, detail=f"job {job}")


def router(door: JobDoor) -> APIRouter:
    """All of them.

    Args:
        door: to the jobs.
    """
    routes = APIRouter(prefix="/v1/jobs")
    _add_submission(routes, door)
    _add_looking(routes, door)
    _add_ending(routes, door)
    return routes


def _add_submission(routes: APIRouter, door: JobDoor) -> None:
    @routes.post(
        "",
        status_code=202,
        summary="Recognise many recordings, or long ones, later",
        response_model=Job,
        responses=problems(*_UPLOAD, "key-reused", "busy", "bug", "store", "disk-full"),
        openapi_extra={**body_of(RecognitionForm, reference=True, many=True), "parameters": [_KEY]},
    )
    async def submit(request: Request) -> Response:
        caller = require(request, "recognize")
        job = await door.desk.take(request, caller)
        door.wake()
        found = await asyncio.to_thread(door.found, job, caller)
        return _answer(Job.of(found, door.stuck), 202, {"Location": f"/v1/jobs/{job}"})


def _add_looking(routes: APIRouter, door: JobDoor) -> None:
    @routes.get(
        "",
        summary="The caller's jobs, newest first",
        response_model=JobPage,
        responses=problems("forbidden", "option", "store"),
        openapi_extra=of_query(PageQuery),
    )
    def jobs(request: Request) -> Response:
        owner = require(request, "recognize").owner
        asked = PageQuery.read(query_of(request))
        page = door.service.open().jobs.list(owner, cursor=asked.cursor, limit=asked.limit)
        return _answer(JobPage(jobs=[Job.of(each, door.stuck) for each in page.items], cursor=page.cursor))

    @routes.get(
        "/{job}", summary="A job and how far it is", response_model=JobWithItems, responses=problems(*_ONE)
    )
    def job(request: Request, job: str) -> Response:
        found = door.found(job, require(request, "recognize"))
        return _answer(JobWithItems.with_items(found, door.service.open().jobs.items(found.id), door.stuck))

    @routes.get(
        "/{job}/results",
        summary="The results that are there",
        response_class=Response,
        responses={
            200: {"content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}},
            **problems(*_ONE, "option"),
        },
        openapi_extra=of_query(Fetching),
    )
    def fetch(request: Request, job: str) -> Response:
        caller = require(request, "recognize")
        found = door.found(job, caller)
        form = Fetching.read(query_of(request)).format
        store = door.service.open()
        store.audit.add(caller.key, "job-results", found.id)
        parts = results(store, found, store.jobs.items(found.id), form)
        named = {"Content-Disposition": f'attachment; filename="job-{found.id}.{form}"'}
        return StreamingResponse(parts, 200, named, MEDIA_TYPES[form])


def _add_ending(routes: APIRouter, door: JobDoor) -> None:
    @routes.post(
        "/{job}/cancel",
        summary="Begin no further recording of a job; what is done stays",
        response_model=Job,
        responses=problems(*_ONE),
    )
    def cancel(request: Request, job: str) -> Response:
        caller = require(request, "recognize")
        door.cancel(job, caller)
        return _answer(Job.of(door.found(job, caller), door.stuck))

    @routes.delete(
        "/{job}",
        status_code=204,
        summary="Delete a job with its uploads and results",
        responses=problems(*_ONE),
    )
    def delete(request: Request, job: str) -> Response:
        door.delete(job, require(request, "recognize"))
        return Response(status_code=204)


def _answer(answer: BaseModel, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(answer.model_dump_json(), status, headers, "application/json")
