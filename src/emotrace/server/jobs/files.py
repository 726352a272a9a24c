"""The uploads of jobs, in the data folder until they are recognised."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from emotrace.outputs.writing import output_errors


class JobFiles:
    """``FOLDER/jobs/JOB/``: ``NUMBER`` is a recording, ``clip-NUMBER`` a clip of the speaker.

    Args:
        folder: of the data.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "jobs"

    def new(self) -> tuple[str, Path]:
        """Id and folder of a new job.

        Raises:
            OutputError: it cannot be made.
        """
        job = uuid.uuid4().hex
        place = self._folder / job
        with output_errors(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            place.mkdir(mode=0o700)
        return job, place

    def recording(self, job: str, number: int) -> Path:
        """Where a recording lies."""
        return self._folder / job / str(number)

    def clip(self, job: str, number: int) -> Path:
        """Where a clip lies."""
        return self._folder / job / f"clip-{number}"

    def remove(self, job: str, number: int | None = None) -> None:
        """Remove one recording of a job, or all that it has."""
        if number is None:
            shutil.rmtree(self._folder / job, ignore_errors=True)
            return
        with suppress(OSError):
            self.recording(job, number).unlink()

    def jobs(self) -> list[str]:
        """Ids of all jobs that have a folder."""
        try:
            return [each.name for each in self._folder.iterdir()]
        except OSError:
            return []

    def sweep(self, known: Callable[[Collection[str]], Collection[str]], older: float) -> None:
        """Remove the folders of no job, which are left of uploads that were cut off.

        Args:
            known: those of some ids that are of jobs.
            older: seconds; into younger ones an upload may still be written.
        """
        names = self.jobs()
        for name in set(names) - set(known(names)):
            with suppress(OSError):
                if time.time() - (self._folder / name).stat().st_mtime > older:
                    self.remove(name)
