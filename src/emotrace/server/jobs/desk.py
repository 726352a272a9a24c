"""Where jobs are handed in: upload, options, and the client's own key that makes a replay harmless."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from fastapi import Request

from emotrace.errors import OptionError
from emotrace.models import registry
from emotrace.outputs.writing import output_errors
from emotrace.server.access.callers import Caller
from emotrace.server.api import REFERENCES, check_card
from emotrace.server.forms import RecognitionForm
from emotrace.server.jobs.files import JobFiles
from emotrace.server.jobs.recognition import limits_of_jobs
from emotrace.server.problems import RETRY_SECONDS, RequestError
from emotrace.server.service import Service
from emotrace.server.uploads import Form, Upload, read_form

KEY = "Idempotency-Key"
MAX_KEY = 255
UPLOADS = 16
"""Jobs that may be handed in at the same time."""


class JobDesk:
    """Takes jobs in.

    Args:
        service: whose settings and models they are for.
        files: where the uploads go.
    """

    def __init__(self, service: Service, files: JobFiles) -> None:
        self._service, self._files = service, files
        self._settings = limits_of_jobs(service.settings)
        self._uploading = 0

    async def take(self, request: Request, caller: Caller) -> str:
        """Read a job from a request and keep it; its id, which is that of the first one of the same key.

        Raises:
            EmotraceError: it is refused.
        """
        key = _key(request)
        await asyncio.to_thread(self._check)
        self._uploading += 1
        job, folder = await asyncio.to_thread(self._files.new)
        try:
            files = {"audio": self._settings.job_files, "reference": REFERENCES}
            form = await read_form(request, files, folder=folder)
            kept = await asyncio.to_thread(self._keep, job, form, caller, key)
        except BaseException:
            self._files.remove(job)
            raise
        finally:
            self._uploading -= 1
        if kept != job:
            await asyncio.to_thread(self._files.remove, job)
        return kept

    async def take_files(
        self, recordings: Sequence[tuple[str, Path]], fields: Mapping[str, str], caller: Caller
    ) -> str:
        """Keep a job of files that are on this machine already, and stay where they are; its id.

        Args:
            recordings: name and path of each.
            fields: of the form.
            caller: whose it is.

        Raises:
            EmotraceError: it is refused.
        """
        if len(recordings) > self._settings.job_files:
            raise RequestError(
                "limit", f"{len(recordings)} recordings came; one job has at most {self._settings.job_files}"
            )
        return await asyncio.to_thread(self._take_files, recordings, fields, caller)

    def _take_files(
        self, recordings: Sequence[tuple[str, Path]], fields: Mapping[str, str], caller: Caller
    ) -> str:
        self._check()
        job, folder = self._files.new()
        form = Form(dict(fields), {"audio": []})
        try:
            with output_errors("jobs"):
                for number, (name, path) in enumerate(recordings):
                    form.files["audio"].append(Upload(name, _linked(path, folder / f"upload-{number}")))
            return self._keep(job, form, caller, None)
        except BaseException:
            self._files.remove(job)
            raise

    def _check(self) -> None:
        if not self._service.settings.history:
            raise RequestError(
                "option", "this server keeps nothing, so it takes no jobs; send each to /v1/recognitions"
            )
        most = self._settings.job_queue
        if self._uploading < UPLOADS and self._service.open().job_items.unfinished() < most:
            return
        raise RequestError(
            "busy",
            f"{UPLOADS} jobs arrive already, or {most} recordings wait; try again in {RETRY_SECONDS} s",
            {"Retry-After": str(RETRY_SECONDS)},
        )

    def _keep(self, job: str, form: Form, caller: Caller, key: str | None) -> str:
        recordings, clips = form.files["audio"], form.files.get("reference", [])
        self._check_options(form.fields, clips)
        fingerprint = _fingerprint(form) if key is not None else ""
        sizes = [(upload.name, upload.path.stat().st_size) for upload in recordings]
        with output_errors("jobs"):
            for number, upload in enumerate(recordings):
                upload.path.rename(self._files.recording(job, number))
            for number, upload in enumerate(clips):
                upload.path.rename(self._files.clip(job, number))
        kept = self._service.open().jobs.add(
            *(job, caller.key, form.fields, sizes), clips=len(clips), key=key, fingerprint=fingerprint
        )
        if kept is None:
            raise RequestError(
                "key-reused", f"another job came with this {KEY} before; send a new key with what is new"
            )
        return kept

    def _check_options(self, fields: Mapping[str, str], clips: list[Upload]) -> None:
        """Refuse what would make all items fail."""
        asked = RecognitionForm.read(fields)
        for name in ("format", "language", "store"):
            if name in asked.model_fields_set:
                raise OptionError(f"option {name} has no effect on a job; say it when you fetch the results")
        asked.options(self._settings, self._service.presets)
        card = registry.find(self._service.resolve(asked.model)).card
        check_card(card, clips=bool(clips))


def _linked(path: Path, place: Path) -> BinaryIO:
    """A file under another name, too; closed, as those of a form are that was read."""
    try:
        os.link(path, place)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, place)
    with place.open("rb") as file:
        return file


def _key(request: Request) -> str | None:
    key = request.headers.get(KEY)
    if key is not None and not (0 < len(key) <= MAX_KEY and key.isascii() and key.isprintable()):
        raise OptionError(f"the header {KEY} is out of range; expected 1 to {MAX_KEY} ASCII characters")
    return key


def _fingerprint(form: Form) -> str:
    """Of all that came, so that a replay is told from something new."""
    digest = hashlib.sha256(json.dumps(sorted(form.fields.items())).encode())
    for name, uploads in sorted(form.files.items()):
        for upload in uploads:
            digest.update(json.dumps([name, upload.name, _content(upload.path)]).encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
