"""Progress of a batch: a bar for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from emotrace.cli.messages import FEW, failure_sentence, tell

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from emotrace.batch.options import BatchProgress
    from emotrace.results import Failure

EVERY = 1.0
"""Seconds between two lines of JSON."""


class BatchWatch:
    """What is said on standard error while a batch runs; a context.

    Args:
        kind: ``"bar"`` (where standard error is a terminal), ``"json"`` (a line each second and one at the
            end) or ``"none"``.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._said = 0.0
        self.failures = 0
        self.last: BatchProgress | None = None

    def __enter__(self) -> BatchWatch:
        if self._kind == "bar" and sys.stderr is not None and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if kind is not None and self.last is not None:
            finished = f"{self.last.done} of {self.last.total} inputs are finished"
            tell(f"{finished}; the same command goes on from there")
        if self._kind == "json" and self.last is not None:
            _say(self.last)

    def update(self, progress: BatchProgress) -> None:
        """Fits ``on_progress``."""
        self.last = progress
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, completed=progress.done, total=progress.total, description=_words(progress)
            )
        elif self._kind == "json" and time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            _say(progress)

    def failed(self, failure: Failure) -> None:
        """Fits ``on_failure``."""
        self.failures += 1
        if self._kind == "json":
            _print({"failure": {"file": failure.source, "code": failure.code, "reason": failure.reason}})
        elif self.failures <= FEW:
            self._tell(failure_sentence(failure))
        elif self.failures == FEW + 1:
            self._tell("... and more failures; they all stand in the tables")

    def _tell(self, sentence: str) -> None:
        if self._bar is not None:
            self._bar.stop()
        tell(sentence)
        if self._bar is not None:
            self._bar.start()


def _words(progress: BatchProgress) -> str:
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"{progress.done}/{progress.total}{failed}, {progress.rate:.1f}/s"


def _say(progress: BatchProgress) -> None:
    left = progress.seconds_left
    record = {
        "done": progress.done,
        "total": progress.total,
        "failed": progress.failed,
        "earlier": progress.earlier,
        "elapsed_seconds": round(progress.elapsed, 2),
        "audio_seconds": round(progress.audio_seconds, 2),
        "inputs_per_second": round(progress.rate, 2),
        "seconds_left": None if left is None else round(left, 1),
    }
    _print({"progress": record})


def _print(record: dict[str, Any]) -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(json.dumps(record), file=sys.stderr, flush=True)  # noqa: T201


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    return Progress(
        BarColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
