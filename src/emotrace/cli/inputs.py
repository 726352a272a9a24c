"""Which recordings are meant: files, folders, patterns and standard input."""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from emotrace.batch.listing import SUFFIXES, meant_by
from emotrace.errors import InputError, OptionError

if TYPE_CHECKING:
    from emotrace.results import Failure

STDIN = "-"

__all__ = ["STDIN", "SUFFIXES", "Recordings", "expand"]


def expand(arguments: Sequence[str]) -> list[str | Failure]:
    """The paths that the arguments mean, in order; what means nothing is a Failure.

    A folder means every audio file in it and below it, by name, but nothing that is hidden. A pattern
    (``*``, ``?``, ``[``, ``**``) means what it matches; a path that exists is never taken for a pattern.

    Raises:
        OptionError: standard input is asked for twice.
    """
    if list(arguments).count(STDIN) > 1:
        raise OptionError("standard input ('-') was given twice; it can be read once")
    return [item for argument in arguments for item in _meant_by(argument)]


def _meant_by(argument: str) -> Iterable[str | Failure]:
    return [argument] if argument == STDIN or not argument else meant_by(argument)


@dataclass
class Recordings:
    """Opens the inputs, as often as they are needed.

    Standard input can be read once, so it is first copied to a temporary file if it is needed again.

    Attributes:
        twice: each input is needed more than once.
        max_bytes: no more of standard input is copied.
    """

    twice: bool
    max_bytes: int
    _spool: BinaryIO | None = None

    def open(self, name: str) -> str | BinaryIO:
        """What the library is given for an input."""
        if name != STDIN:
            return name
        if sys.stdin is None:
            raise InputError("standard input is closed; expected audio on it")
        stdin: BinaryIO = sys.stdin.buffer
        if not self.twice or stdin.isatty():
            return stdin
        if self._spool is None:
            self._spool = _copied(stdin, self.max_bytes)
        self._spool.seek(0)
        return self._spool

    def close(self) -> None:
        """Remove the copy."""
        if self._spool is not None:
            self._spool.close()


def _copied(stdin: BinaryIO, max_bytes: int) -> BinaryIO:
    from emotrace.outputs.writing import output_errors

    with output_errors(tempfile.gettempdir()), tempfile.TemporaryFile() as nameless:
        raw = io.FileIO(os.dup(nameless.fileno()), "r+b")
        raw.name = 0  # so that messages speak of standard input
        copy = io.BufferedRandom(raw)
        left = max_bytes + 1  # one more, so that the limit is noticed
        while left > 0 and (chunk := stdin.read(min(left, 1 << 20))):
            copy.write(chunk)
            left -= len(chunk)
        copy.flush()
    return copy
