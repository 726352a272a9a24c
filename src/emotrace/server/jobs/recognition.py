"""How an item of a job is recognised: as a request would be, with the limits of jobs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from emotrace.errors import EmotraceError
from emotrace.server.access.callers import Caller
from emotrace.server.api import check_card, reference_of
from emotrace.server.forms import RecognitionForm
from emotrace.server.jobs.files import JobFiles
from emotrace.server.keeping import Outlined
from emotrace.server.service import Service
from emotrace.server.settings import Settings
from emotrace.server.uploads import Upload
from emotrace.server.work import GoOn
from emotrace.store.jobs import Item, Job


class JobRecognition:
    """Recognises items and keeps the results.

    Args:
        service: has the models, and keeps the results.
        files: uploads of the jobs.
    """

    def __init__(self, service: Service, files: JobFiles) -> None:
        self._service, self._files = service, files
        self._settings = limits_of_jobs(service.settings)

    def __call__(self, job: Job, item: Item, go_on: GoOn) -> None:
        """See :data:`~emotrace.server.jobs.work.Recognise`."""
        service, asked = self._service, RecognitionForm.read(job.options)
        options = asked.options(self._settings, service.presets)
        with ExitStack() as stack:
            places = [self._files.clip(job.id, number) for number in range(job.clips)]
            clips = [self._opened(stack, "reference", place) for place in places]
            place = self._files.recording(job.id, item.number)
            audio = Outlined(self._opened(stack, item.source, place))
            with service.models.using(service.resolve(asked.model)) as recognizer:
                check_card(recognizer.card, bool(clips))
                reference = reference_of(recognizer, clips, asked, self._settings)
                result = service.analyse(recognizer, audio, options, reference=reference, on_progress=go_on)
            service.keep(
                result,
                Caller(job.owner, job.owner, frozenset()),
                granularity=asked.granularity,
                options=job.options,
                audio=place,
                outline=audio.outline,
                wanted=True,
                id=item.result_id,
            )

    def _opened(self, stack: ExitStack, name: str, place: Path) -> Upload:
        try:
            file = stack.enter_context(place.open("rb"))
        except OSError as error:
            raise EmotraceError(
                f"the upload of {name!r} is not there; servers of one database share the data folder, too"
            ) from error
        return stack.enter_context(Upload(name, file, self._service.decoders))


def limits_of_jobs(settings: Settings) -> Settings:
    """The settings with what a recording of a job may have."""
    return settings.model_copy(
        update={"max_bytes": settings.job_bytes, "max_seconds": settings.job_max_seconds}
    )
