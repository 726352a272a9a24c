"""What is done with one recording: the part that is the same on every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

from emotrace.audio import Source
from emotrace.batch import remote, urls
from emotrace.batch.cutting import segments_of
from emotrace.batch.jobs import Job, Outcome, file_state
from emotrace.errors import EmotraceError
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.recognition.recognizer import Progress
from emotrace.results import Failure, Recognition, Signal

OnBug = Callable[[str, Exception], Failure]
"""Makes a Failure of an input's name and an error that nobody foresaw."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Jobs on one recording, done together so that it is read once.

    Attributes:
        file: path of the recording.
        jobs: one for the whole of it, or segments.
    """

    file: str
    jobs: tuple[Job, ...]


def units_of(jobs: Iterable[Job]) -> Iterator[Unit]:
    """Neighbouring segments of one recording put together; taken from ``jobs`` as they are asked for.

    >>> [(unit.file, len(unit.jobs)) for unit in units_of([Job("a"), Job("b", 0, 1), Job("b", 1, 2)])]
    [('a', 1), ('b', 2)]
    """
    for (file, whole), group in groupby(jobs, key=lambda job: (job.file, job.whole)):
        if whole:
            yield from (Unit(file, (job,)) for job in group)
        else:
            yield Unit(file, tuple(group))


def outcomes_of(
    unit: Unit, recognizer: Recognizer, options: PipelineOptions, on_bug: OnBug, go_on: Progress | None = None
) -> Iterator[Outcome]:
    """Recognise what is asked of one recording; exactly one outcome for each of its jobs.

    Args:
        unit: the jobs.
        recognizer: the model.
        options: what is asked for.
        on_bug: see :data:`OnBug`.
        go_on: called now and then; what it raises ends the work.
    """
    if not urls.is_remote(unit.file):
        yield from _outcomes(unit, unit.file, file_state(unit.file), recognizer, options, on_bug, go_on)
        return
    try:
        with remote.fetched(unit.file, options.reading.limits, go_on) as (copy, state):
            yield from _outcomes(unit, copy, state, recognizer, options, on_bug, go_on)
    except Exception as error:  # of fetching it, before any of the jobs was begun
        for job in unit.jobs:
            yield Outcome(job, _failure(job, error, on_bug), 0.0, None)


def _outcomes(
    unit: Unit,
    source: Source,
    state: tuple[int, int] | None,
    recognizer: Recognizer,
    options: PipelineOptions,
    on_bug: OnBug,
    go_on: Progress | None,
) -> Iterator[Outcome]:
    """The outcomes of a recording that is read from ``source``, and was in this state before it was read."""
    if unit.jobs[0].whole:
        for job in unit.jobs:
            yield _timed(job, partial(analyse, recognizer, source, options, on_progress=go_on), on_bug, state)
        return
    reading = options.reading
    left = set(unit.jobs)
    try:
        cut = segments_of(source, unit.jobs, channel=reading.channel, limits=reading.limits)
        for job, part in cut:
            left.discard(job)
            yield _timed(job, partial(_segment, job, part, recognizer, options, go_on), on_bug, state)
    except Exception as error:  # of the cutting itself
        for job in sorted(left, key=lambda job: job.start):
            yield Outcome(job, _failure(job, error, on_bug), 0.0, state)


def _segment(
    job: Job,
    part: Signal | EmotraceError,
    recognizer: Recognizer,
    options: PipelineOptions,
    go_on: Progress | None,
) -> Recognition:
    if isinstance(part, EmotraceError):
        raise part
    return replace(analyse(recognizer, part, options, on_progress=go_on), source=job.file)


def _timed(
    job: Job, work: Callable[[], Recognition], on_bug: OnBug, state: tuple[int, int] | None
) -> Outcome:
    """The outcome of some work on a file that was in this state before any of it was read."""
    begin = time.perf_counter()
    result: Recognition | Failure
    try:
        result = work()
    except Exception as error:
        result = _failure(job, error, on_bug)
    if not urls.is_remote(job.file) and file_state(job.file) != state:  # of an object a copy was read
        reason = f"{job.file!r} was changed while it was read; run the same again once it is complete"
        result = Failure(job.file, "audio", reason)
    return Outcome(job, result, time.perf_counter() - begin, state)


def _failure(job: Job, error: Exception, on_bug: OnBug) -> Failure:
    if isinstance(error, EmotraceError):
        return Failure(job.file, error.code, str(error).replace("<array>", job.label))
    return on_bug(job.file, error)
