"""Many segments of one recording, from one pass over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from emotrace.audio import Limits, Source, stream
from emotrace.batch.jobs import Job
from emotrace.errors import EmotraceError, InputError
from emotrace.results import Array, Signal
from emotrace.timing import SAMPLING_RATE, samples_to_seconds, seconds_to_samples

LONGEST = 1800.0
"""Seconds of the longest segment: it is held in memory, unlike a whole recording."""

TOLERANCE = 0.25
"""Seconds that a segment may end after the recording: tables round their times."""


def segments_of(
    source: Source, jobs: Sequence[Job], *, channel: int | None, limits: Limits
) -> Iterator[tuple[Job, Signal | EmotraceError]]:
    """Cut segments from a recording.

    Memory holds one segment and a block, whatever the length of the recording.

    Args:
        source: the recording.
        jobs: segments of it, in any order; they may overlap.
        channel: see :class:`~emotrace.recognition.RecognitionOptions`.
        limits: see there.

    Yields:
        Each job, by its start, with its samples (16 kHz), or why there are none.
    """
    ordered = sorted(jobs, key=lambda job: (job.start, job.end is None, job.end or 0.0))
    tape = _Tape(stream(source, channel=channel, limits=limits))
    try:
        for job in ordered:
            yield job, tape.cut(job)
    finally:
        tape.close()


class _Tape:
    """A stream of blocks that keeps what a later segment may need."""

    def __init__(self, blocks: Iterator[Array]) -> None:
        self._blocks = blocks
        self._kept: list[Array] = []
        self._first = 0  # number of the first sample that is kept
        self._read = 0
        self._ended = False
        self._error: EmotraceError | None = None

    def close(self) -> None:
        close = getattr(self._blocks, "close", None)
        if close is not None:
            close()

    def cut(self, job: Job) -> Signal | EmotraceError:
        try:
            return self._cut(job)
        except EmotraceError as error:
            return error

    def _cut(self, job: Job) -> Signal:
        begin = seconds_to_samples(job.start)
        end = None if job.end is None else seconds_to_samples(job.end)
        if job.end is not None and job.end - job.start > LONGEST:
            raise self._too_long(job)
        self._forget(begin)
        most = begin + seconds_to_samples(LONGEST)
        while not self._ended and self._read < (most + 1 if end is None else end):
            self._next(begin)
        if end is None and self._read > most:
            raise self._too_long(job)
        if self._error is not None and self._read < (most if end is None else end):
            raise self._error
        seconds = samples_to_seconds(self._read)
        if self._read <= begin or (job.end is not None and job.end > seconds + TOLERANCE):
            raise InputError(
                f"{job.label} lies beyond the end of the recording, which lasts {seconds:.2f} s; correct the "
                "times"
            )
        samples = np.concatenate(self._kept) if self._kept else np.zeros(0, np.float32)
        offset = begin - self._first
        return Signal(samples[offset : None if end is None else offset + end - begin].copy(), SAMPLING_RATE)

    def _next(self, begin: int) -> None:
        try:
            block = next(self._blocks, None)
        except EmotraceError as error:
            self._error, block = error, None
        if block is None:
            self._ended = True
            return
        self._read += len(block)
        self._kept.append(block)
        self._forget(begin)

    def _forget(self, begin: int) -> None:
        while self._kept and self._first + len(self._kept[0]) <= begin:
            self._first += len(self._kept.pop(0))
        if not self._kept:
            self._first = self._read

    @staticmethod
    def _too_long(job: Job) -> InputError:
        return InputError(
            f"{job.label} is longer than the {LONGEST:g} s that a segment may last; cut it into several, or "
            "give the whole recording"
        )
