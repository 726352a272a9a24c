"""The inputs of one run, on disk: which are given, which are still to be done, in which order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from emotrace.batch import urls
from emotrace.batch.entries import Kind, add_kinds
from emotrace.batch.index import PAGE, Index, state_text
from emotrace.batch.jobs import Job, file_state
from emotrace.results import Failure

_TABLES = (
    "CREATE TABLE job (number INTEGER PRIMARY KEY, key BLOB UNIQUE, file BLOB, start REAL, end REAL, "
    "failure TEXT, state TEXT, size INTEGER, weight REAL, extra TEXT, taken INTEGER)",
    "CREATE TABLE pending (rank INTEGER PRIMARY KEY, number INTEGER, risky INTEGER)",
    "CREATE TABLE suspect (file BLOB PRIMARY KEY) WITHOUT ROWID",
)
_JOB = "number, key, file, start, end, failure, extra"
_UNFINISHED = """
INSERT INTO pending (number, risky)
SELECT job.number, logged.code IS 'crash' OR job.file IN (SELECT file FROM suspect)
FROM job LEFT JOIN logged USING (key)
WHERE logged.key IS NULL OR (job.state IS NOT NULL AND job.state IS NOT logged.state) OR logged.again
OR (logged.code IS NOT NULL AND ?)
ORDER BY 2 DESC, job.size DESC, job.file, job.start > 0 OR job.end IS NOT NULL, job.number
"""

QUESTIONS = 16
"""Objects that a store is asked for at the same time."""

_BYTES_PER_SECOND = 32_000  # of 16 kHz and 16 bits: makes segments and files comparable


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is.

    Attributes:
        total: inputs, each once.
        twice: inputs that were given again.
        earlier: finished by earlier runs.
        earlier_failed: of those.
        weight: of what is left, see :func:`weight_of`.
    """

    total: int
    twice: int
    earlier: int
    earlier_failed: int
    weight: float


class Agenda:
    """The jobs of a run.

    Args:
        index: of the log; the jobs are kept beside it.
        jobs: as they were given; an input that is given again is the same input.
        retry_failed: what failed before is to be done again.
        suspects: recordings that may have ended the process before.

    Raises:
        OutputError: the disk is full.

    Attributes:
        counts: how many there are.
        extra: the columns that tables of inputs have besides, and the kind of each.
    """

    def __init__(
        self, index: Index, jobs: Iterable[Job], *, retry_failed: bool, suspects: Iterable[str] = ()
    ) -> None:
        self._index = index
        for table in _TABLES:
            index.rows(table)
        given, source = 0, iter(jobs)
        self.extra: dict[str, Kind] = {}
        while page := list(islice(source, PAGE)):
            given += len(page)
            keys = [job.key for job in page]
            states = _states(index, page, keys)
            index.many(
                "INSERT OR IGNORE INTO job (key, file, start, end, failure, state, size, weight, extra, "
                "taken) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
                [_row(*each) for each in zip(page, keys, states, strict=True)],
            )
            for job in page:
                add_kinds(self.extra, job.extra)
        index.many("INSERT OR IGNORE INTO suspect VALUES (?)", ((_name(file),) for file in suspects))
        index.rows(_UNFINISHED, (retry_failed,))
        self.counts = self._count(given)

    def _count(self, given: int) -> Counts:
        [(total,)] = self._index.rows("SELECT count(*) FROM job")
        [(left, weight)] = self._index.rows(
            "SELECT count(*), total(weight) FROM pending JOIN job USING (number)"
        )
        [(failed,)] = self._index.rows(
            "SELECT count(*) FROM job JOIN logged USING (key) WHERE logged.code IS NOT NULL AND number NOT "
            "IN (SELECT number FROM pending)"
        )
        return Counts(total, given - total, total - left, failed, weight)

    def known(self) -> Iterator[Job]:
        """What is to be done and failed already."""
        return (job for _, job in self._pages(_PENDING.format("NOT NULL")))

    def to_do(self) -> Iterator[Job]:
        """What is to be done: large files first, so that all end together and equal lengths are neighbours.

        What is risky comes before all else.
        The segments of a recording come one after the other.
        """
        return (job for _, job in self._pages(_PENDING.format("NULL")))

    def take(self, key: bytes) -> bool:
        """An outcome of a key has come; false if it came before."""
        changed = self._index.many("UPDATE job SET taken = 1 WHERE key = ? AND NOT taken", [(key,)])
        return changed == 1

    def missing(self) -> int:
        """How many have no outcome yet."""
        command = "SELECT count(*) FROM pending JOIN job USING (number) WHERE NOT taken"
        return int(self._index.rows(command)[0][0])

    def left_out(self) -> int:
        """How many entries of the log are of inputs that were not given."""
        command = "SELECT count(*) FROM logged WHERE key NOT IN (SELECT key FROM job)"
        return int(self._index.rows(command)[0][0])

    def given(self) -> Iterator[tuple[bytes, Job]]:
        """All, as they were given, with their keys."""
        command = f"SELECT number, {_JOB}, 0 FROM job WHERE number > ? ORDER BY number LIMIT {PAGE}"
        return self._pages(command)

    def _pages(self, command: str) -> Iterator[tuple[bytes, Job]]:
        last = 0
        while page := self._index.rows(command, (last,)):
            yield from (_job(row) for row in page)
            last = page[-1][0]


_PENDING = (
    f"SELECT rank, {_JOB}, risky FROM pending JOIN job USING (number) WHERE rank > ? AND failure IS {{}} "
    f"ORDER BY rank LIMIT {PAGE}"
)


def weight_of(job: Job, state: tuple[int, int] | None) -> float:
    """About how much work a job is: its bytes, or those of its seconds."""
    size = state[0] if state else 0
    return 1.0 + (size if job.end is None else (job.end - job.start) * _BYTES_PER_SECOND)


def _states(index: Index, jobs: list[Job], keys: list[bytes]) -> list[tuple[int, int] | None]:
    """The states of files; a store is asked only for objects of which an earlier result may be."""

    def state(job: Job, key: bytes) -> tuple[int, int] | None:
        if job.failure or job.state or (urls.is_remote(job.file) and key not in index):
            return job.state
        return file_state(job.file)

    if not any(urls.is_remote(job.file) and job.state is None for job in jobs):
        return list(map(state, jobs, keys))
    with ThreadPoolExecutor(QUESTIONS) as pool:
        return list(pool.map(state, jobs, keys))


def _row(job: Job, key: bytes, state: tuple[int, int] | None) -> tuple[Any, ...]:
    failure = job.failure
    told = json.dumps([failure.source, failure.code, failure.reason]) if failure else None
    size = state[0] if state else 0
    extra = json.dumps(job.extra) if job.extra else None
    return (
        key,
        _name(job.file),
        job.start,
        job.end,
        told,
        state_text(state),
        size,
        weight_of(job, state),
        extra,
    )


def _job(row: tuple[Any, ...]) -> tuple[bytes, Job]:
    _, _, key, name, start, end, told, extra, risky = row
    failure = Failure(*json.loads(told)) if told else None
    more = json.loads(extra) if extra else None
    file = name.decode("utf-8", "surrogatepass")
    return key, Job(file, start, end, failure, extra=more, risky=bool(risky))


def _name(file: str) -> bytes:
    return file.encode("utf-8", "surrogatepass")
