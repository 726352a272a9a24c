"""What is done with one recording: the part that is the same on every engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

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
        jobs: one for the whole of it, or all its segments.
        size: bytes of the file, 0 if that is not known.
    """

    file: str
    jobs: tuple[Job, ...]
    size: int


def units_of(jobs: Iterable[Job]) -> list[Unit]:
    """Jobs put together by recording, large ones first: they end together, and equal lengths are neighbours.

    >>> [(unit.file, len(unit.jobs)) for unit in units_of([Job("a"), Job("b", 0, 1), Job("b", 1, 2)])]
    [('a', 1), ('b', 2)]
    """
    whole: list[tuple[Job, ...]] = []
    segments: dict[str, list[Job]] = {}
    for job in jobs:
        if job.whole:
            whole.append((job,))
        else:
            segments.setdefault(job.file, []).append(job)
    groups = whole + [tuple(group) for group in segments.values()]
    units = [Unit(group[0].file, group, (file_state(group[0].file) or (0, 0))[0]) for group in groups]
    return sorted(units, key=lambda unit: -unit.size)


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
    if unit.jobs[0].whole:
        for job in unit.jobs:
            work = partial(analyse, recognizer, job.file, options, on_progress=go_on)
            yield _timed(job, work, on_bug, file_state(job.file))
        return
    reading = options.reading
    left, state = set(unit.jobs), file_state(unit.file)
    try:
        cut = segments_of(unit.file, unit.jobs, channel=reading.channel, limits=reading.limits)
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
    if file_state(job.file) != state:
        reason = f"{job.file!r} was changed while it was read; run the same again once it is complete"
        result = Failure(job.file, "audio", reason)
    return Outcome(job, result, time.perf_counter() - begin, state)


def _failure(job: Job, error: Exception, on_bug: OnBug) -> Failure:
    if isinstance(error, EmotraceError):
        return Failure(job.file, error.code, str(error).replace("<array>", job.label))
    return on_bug(job.file, error)
