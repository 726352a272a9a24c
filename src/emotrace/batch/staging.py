"""Where outputs grow until they are whole: a folder beside the log, so a kill leaves nothing in between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO

from emotrace.outputs.writing import output_errors

_OLD = ".old"


class Stage:
    """Outputs under way; a context that removes what was not published, and what a kill left before.

    Only one process at a time may have it: the one that holds the lock of the batch.

    Args:
        out: where the outputs go.
        folder: on the same file system.

    Raises:
        OutputError: it cannot be made.
    """

    def __init__(self, out: Path, folder: Path) -> None:
        self.out = out
        self._folder = folder

    def __enter__(self) -> Stage:
        shutil.rmtree(self._folder, ignore_errors=True)
        with output_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def path(self, name: str) -> Path:
        """Where an output grows."""
        return self._folder / name

    def open(self, name: str) -> TextIO:
        """A text file in UTF-8 that can hold the name of any file.

        Raises:
            OutputError: it cannot be made.
        """
        with output_errors(self.out / name):
            return self.path(name).open("w", encoding="utf-8", errors="backslashreplace", newline="")

    @contextmanager
    def writing(self, name: str) -> Iterator[TextIO]:
        """A text file that is published at the end.

        Raises:
            OutputError: it cannot be written.
        """
        with output_errors(self.out / name):
            with self.open(name) as file:
                yield file
            self.publish(name)

    def publish(self, name: str) -> None:
        """An output is whole: it takes its name, in place of a file, or of a folder if it is one.

        Raises:
            OutputError: it cannot.
        """
        target = self.out / name
        with output_errors(target):
            if self.path(name).is_dir() and os.path.lexists(target):
                target.rename(self.path(name + _OLD))
            self.path(name).replace(target)
