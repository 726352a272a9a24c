"""A batch from its inputs to its tables; what was finished before is not done again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Any

from emotrace.batch.agenda import Agenda, weight_of
from emotrace.batch.engine import Engine
from emotrace.batch.entries import Entry, entry_of, of_input
from emotrace.batch.jobs import Job, Outcome
from emotrace.batch.log import FOLDER, RUN_FILE, STAGE_FOLDER, Log
from emotrace.batch.options import ENOUGH, BatchOptions, BatchProgress, BatchReport, OnProgress
from emotrace.batch.parquet import PARQUET_FOLDER
from emotrace.batch.sinks import CSV_FILE, JSON_LINES_FILE, open_sinks
from emotrace.batch.staging import Stage
from emotrace.batch.summary import SUMMARY_FILE, Tally, write_summary
from emotrace.errors import InputError, OptionError
from emotrace.outputs.formats import ANNOTATIONS
from emotrace.outputs.writing import output_errors
from emotrace.results import Failure

Finish = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Called while the folder is locked and the tables are there, with what the summary says; what it gives goes
into the summary, too."""


def run_batch(
    jobs: Iterable[Job],
    out: str | os.PathLike[str],
    engine: Engine,
    options: BatchOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
    on_failure: Callable[[Failure], None] | None = None,
    finish: Finish | None = None,
) -> BatchReport:
    """Do a batch, or what is left of it.

    Each job ends as one result or one failure. Whenever the process ends, the same call goes on from there;
    at the end the tables hold the jobs of this call, in order, each once.

    Args:
        jobs: the inputs.
        out: output folder; made if it is not there. ``.batch`` in it is the state, see
            :mod:`emotrace.batch.log`.
        engine: does the work.
        options: None is ``BatchOptions()``.
        on_progress: called after each input.
        on_failure: told each failure as it happens.
        finish: see :data:`Finish`; not called if the batch stops before its end.

    Raises:
        InputError: there is no job, or the folder holds something else, such as results of another model.
        OutputError: something cannot be written; what was finished stays.
        OptionError: the output folder is a URL.
    """
    options = options or BatchOptions()
    folder = Path(out)
    jobs = iter(jobs)
    first = next(jobs, None)
    if first is None:
        raise InputError("there is nothing to do: no recording was named; expected at least one")
    _check_place(folder)
    with Log(folder, identity_of(engine, options)) as log:
        agenda = Agenda(
            log.entries, chain([first], jobs), retry_failed=options.retry_failed, suspects=log.begun.left
        )
        run = _Run(log, agenda, engine, options, on_progress, on_failure)
        stopped = run.work()
        tally, outputs, record = Tally(), tuple[str, ...](), dict[str, Any]()
        if stopped is None:
            outputs, record = _write(folder, log, agenda, options.formats, tally, run.figures, finish)
        return BatchReport(
            record=record or {**tally.record(), **run.figures()},
            failures=tally.failures,
            outputs=outputs,
            stopped=stopped,
            twice=agenda.counts.twice,
            left_out=agenda.left_out(),
            damaged=log.damaged,
        )


class _Run:
    """The work of one call."""

    def __init__(
        self,
        log: Log,
        agenda: Agenda,
        engine: Engine,
        options: BatchOptions,
        on_progress: OnProgress | None,
        on_failure: Callable[[Failure], None] | None,
    ) -> None:
        self._log, self._agenda, self._engine, self._options = log, agenda, engine, options
        self._on_progress, self._on_failure = on_progress, on_failure
        self._begin = time.monotonic()
        self._held: list[tuple[bytes, Outcome]] = []
        counts = agenda.counts
        self._total, self._left = counts.total, counts.weight
        self._earlier, self._failed = counts.earlier, counts.earlier_failed
        self._done = self._earlier
        self._worked = 0.0
        self._audio = 0.0

    def work(self) -> str | None:
        """Do what is left; why it stopped before the end, if it did."""
        self._tell()
        for job in self._agenda.known():
            if job.failure is not None and self._agenda.take(job.key):
                self._keep(job.key, Outcome(job, job.failure, 0.0, None))
        with closing(self._engine.run(self._agenda.to_do(), self._log.begun)) as outcomes:
            for outcome in outcomes:
                if (stopped := self._take(outcome)) is not None:
                    return stopped
        for held in self._held:
            self._keep(*held)
        missing = self._agenda.missing()
        return f"{missing} inputs were given up and count as not done" if missing else None

    def _take(self, outcome: Outcome) -> str | None:
        """Keep an outcome; failures in a row that may stop the batch only once the row has ended."""
        key, result = outcome.job.key, outcome.result
        if not self._agenda.take(key):  # an engine may do work again whose worker was lost
            return None
        if not isinstance(result, Failure) or not self._counts(result):
            if not isinstance(result, Failure):
                for held in self._held:
                    self._keep(*held)
                self._held = []
            self._keep(key, outcome)
            return None
        self._held.append((key, outcome))
        if len(self._held) < self._limit:
            return None
        return f"{len(self._held)} inputs failed in a row and count as not done; the last: {result.reason}"

    @property
    def _limit(self) -> int:
        given = self._options.max_consecutive_failures
        return ENOUGH if given is None else given

    def _counts(self, failure: Failure) -> bool:
        if self._options.max_consecutive_failures is None:
            return not of_input(failure.code)
        return self._limit > 0

    def _keep(self, key: bytes, outcome: Outcome) -> None:
        tries = self._tries(key, outcome) + 1
        self._log.append(key, entry_of(key, outcome, embedding=self._options.embedding, tries=tries))
        self._done += 1
        weight = weight_of(outcome.job, outcome.state)
        self._left -= weight
        self._worked += weight
        if isinstance(outcome.result, Failure):
            self._failed += 1
            if self._on_failure is not None:
                self._on_failure(outcome.result)
        else:
            self._audio += outcome.result.duration
        self._tell()

    def _tries(self, key: bytes, outcome: Outcome) -> int:
        """How often the same content was tried before."""
        logged = self._log.entries.get(key)
        if logged is None or logged.code is None or logged.state != outcome.state:
            return 0
        return int(self._log.read(key).get("tries", 1))

    def _tell(self) -> None:
        if self._on_progress is None:
            return
        elapsed = time.monotonic() - self._begin
        left = elapsed * max(0.0, self._left) / self._worked if self._worked else None
        self._on_progress(
            BatchProgress(self._done, self._total, self._failed, self._earlier, elapsed, self._audio, left)
        )

    def figures(self) -> dict[str, Any]:
        """What the summary says of this call."""
        seconds = time.monotonic() - self._begin
        now = self._done - self._earlier
        return {
            "done_now": now,
            "wall_seconds": round(seconds, 3),
            "real_time_factor": round(seconds / self._audio, 6) if self._audio else None,
        }


def identity_of(engine: Engine, options: BatchOptions) -> dict[str, Any]:
    """What may not change from run to run in one output folder."""
    info = engine.info
    return {
        "model": {"name": info.name, "revision": info.revision, "precision": info.precision},
        "options": _plain(engine.options.model_dump()),
        "embedding": options.embedding,
    }


def _plain(value: Any) -> Any:
    """Sets in an order of their own, so that the same options are the same text."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")  # of which a Path keeps one slash


def _check_place(out: Path) -> None:
    """Refuse to write over what no batch wrote, and what looks like a URL."""
    if _URL.match(str(out)) and not out.exists():
        raise OptionError(f"out is {str(out)!r}; expected a folder of this machine, not a URL")
    with output_errors(out):
        if (out / FOLDER / RUN_FILE).exists():
            return
    for name in (CSV_FILE, JSON_LINES_FILE, PARQUET_FOLDER, SUMMARY_FILE, *ANNOTATIONS):
        if os.path.lexists(out / name):
            raise InputError(
                f"{str(out)!r} holds a {name!r} that no batch wrote; move it away, or choose another folder"
            )


def _write(
    out: Path,
    log: Log,
    agenda: Agenda,
    formats: tuple[str, ...],
    tally: Tally,
    figures: Callable[[], dict[str, Any]],
    finish: Finish | None,
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The tables, from the log; their names, and what the summary says."""
    with Stage(out, out / FOLDER / STAGE_FOLDER) as stage, ExitStack() as stack:
        sinks = open_sinks(stage, formats, stack, agenda.extra)
        for entry in _entries(log, agenda):
            tally.add(entry)
            for sink in sinks:
                sink.write(entry)
        for sink in sinks:
            sink.publish()
        record = {**tally.record(), **figures()}
        record.update(finish(record) if finish else {})
        write_summary(stage, record, tally.failures)
    return (*(sink.name for sink in sinks), SUMMARY_FILE), record


def _entries(log: Log, agenda: Agenda) -> Iterator[Entry]:
    for key, job in agenda.given():
        entry = log.read(key)
        entry["extra"] = job.extra
        entry["file"] = job.file  # an earlier run may have been given the same path in other words
        if job.failure is None:
            entry["record"]["source"] = job.file
        yield entry
