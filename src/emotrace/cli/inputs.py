"""Which recordings are meant: files, folders, patterns and standard input."""

from __future__ import annotations

import glob
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from emotrace.errors import InputError, OptionError

if TYPE_CHECKING:
    from emotrace.results import Failure

STDIN = "-"

SUFFIXES = frozenset(
    (
        *(".wav", ".wave", ".w64", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".flac", ".alac", ".ape"),
        *(".wv", ".tta", ".tak", ".mp1", ".mp2", ".mp3", ".mpga", ".aac", ".m4a", ".m4b", ".m4r", ".ac3"),
        *(".eac3", ".dts", ".ogg", ".oga", ".opus", ".spx", ".wma", ".asf", ".ra", ".rm", ".amr", ".awb"),
        *(".3gp", ".3g2", ".gsm", ".voc", ".sph", ".nist", ".qcp", ".mka", ".weba", ".webm", ".mkv", ".mp4"),
        *(".m4v", ".mov", ".avi", ".flv", ".wmv", ".mpg", ".mpeg", ".ts", ".mts", ".ogv", ".vob"),
    )
)
"""Endings, in any case, of the files that are taken from a folder."""


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


def _meant_by(argument: str) -> Iterator[str | Failure]:
    from emotrace.results import Failure  # here, because it loads numpy, and the help must not

    if argument == STDIN or not argument:
        yield argument
    elif os.path.isdir(argument):  # noqa: PTH112 - a Path would lose './' and the like
        yield from _in_folder(argument)
    elif glob.has_magic(argument) and not os.path.lexists(argument):
        matches = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
        if not matches:
            yield Failure(
                argument, "audio", f"nothing matches the pattern {argument!r}; expected audio files"
            )
        for match in matches:
            if os.path.isdir(match) and "**" not in argument:  # noqa: PTH112
                yield from _in_folder(match)
            elif not os.path.isdir(match):  # noqa: PTH112
                yield f".{os.sep}{match}" if match == STDIN else match
    else:
        yield argument


def _in_folder(folder: str) -> Iterator[str | Failure]:
    from emotrace.results import Failure

    found = False
    unreadable: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found = True
                yield os.path.join(place, name)  # noqa: PTH118
    for problem in unreadable:
        name = os.fsdecode(problem.filename or folder)
        reason = (problem.strerror or "unknown reason").lower()
        yield Failure(name, "audio", f"the folder {name!r} cannot be read: {reason}")
    if not found and not unreadable:
        yield Failure(folder, "no-audio", f"the folder {folder!r} holds no audio file; expected at least one")


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
