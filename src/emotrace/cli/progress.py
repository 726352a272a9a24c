"""Progress of long work, on standard error, where a person watches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emotrace.cli.messages import one_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds of work after which progress is shown."""


LARGE = 1e7
"""Only bytes come in such numbers."""


class Watch:
    """A bar that appears when the work takes long; never where standard error is no terminal.

    Args:
        total: how many inputs there are.
        enabled: None asks whether standard error is a terminal.
    """

    def __init__(self, total: int, enabled: bool | None = None) -> None:
        on_terminal = sys.stderr is not None and sys.stderr.isatty()
        self.enabled = on_terminal if enabled is None else enabled
        self._total = total
        self._number = 0
        self._name = ""
        self._seconds = 0.0
        self._begin = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def begin(self, name: str, seconds: float | None) -> None:
        """The next input begins.

        Args:
            name: of it.
            seconds: its length, if that is known.
        """
        self._number += 1
        self._name, self._seconds = one_line(name)[-50:], seconds or 0.0
        self.update("", 0.0, 0.0)
        if self._progress is not None:
            self._progress.refresh()

    def update(self, _step: str, done: float, _total: float) -> None:
        """So many seconds of the input are done; fits ``on_progress``."""
        if not self.enabled or time.monotonic() - self._begin < PATIENCE:
            return
        number = f"{self._number}/{self._total} " if self._total > 1 else ""
        total = max(self._seconds, done) if self._seconds else None
        if self._progress is None or self._task is None:
            self._progress = _bar()
            self._task = self._progress.add_task(number + self._name, completed=int(done), total=total)
            self._progress.start()
        self._progress.update(self._task, description=number + self._name, completed=done, total=total)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while something is printed."""
        shown = self._progress
        if shown is not None:
            shown.stop()
        try:
            yield
        finally:
            if shown is not None:
                shown.start()

    def close(self) -> None:
        """Take the bar away for good."""
        if self._progress is not None:
            self._progress.stop()


class Steps:
    """A bar for work in several steps; a context, and what such work takes as its ``on_progress``."""

    def __init__(self, enabled: bool | None = None) -> None:
        self._watch = Watch(1, enabled)
        self._step = ""

    def __call__(self, step: str, done: float, total: float) -> None:
        """So much of a step is done."""
        if step != self._step:
            self._step = step
            size = f" ({total / 1e9:.2f} GB)" if total >= LARGE else ""
            self._watch.begin(step + size, total)
        self._watch.update(step, done, total)

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.close()


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
