"""Files that are there whole or not at all, and what is said when they cannot be written."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emotrace.errors import DiskFullError, OutputError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def output_error(place: str | os.PathLike[str], problem: OSError) -> OutputError:
    """What went wrong while writing, as one sentence.

    >>> print(output_error("out", OSError(errno.ENOSPC, "No space left on device")))
    'out' cannot be written: the disk is full; free some space or choose another place
    """
    name = repr(os.fspath(place))
    if problem.errno in _FULL:
        return DiskFullError(
            f"{name} cannot be written: the disk is full; free some space or choose another place"
        )
    if problem.errno == errno.EFBIG:
        return OutputError(
            f"{name} cannot be written: the file is larger than is allowed here; choose another place"
        )
    if isinstance(problem, FileExistsError | NotADirectoryError):
        return OutputError(f"{name} cannot be written: a file is in the way; expected a folder")
    reason = (problem.strerror or str(problem) or type(problem).__name__).lower()
    return OutputError(f"{name} cannot be written: {reason}; choose another place")


def check_file(path: Path) -> Path:
    """The real place of a file that is to be written.

    Raises:
        OutputError: it is a folder, or its folder is not there, or may not be written.
    """
    place = Path(os.path.realpath(path))
    with output_errors(path):
        if place.is_dir():
            raise OutputError(f"{str(path)!r} is a folder; expected the name of a file to write")
        if not place.parent.is_dir():
            raise OutputError(f"the folder of {str(path)!r} does not exist; make it first")
        device = place.exists() and not place.is_file()
        if not os.access(place if device else place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return place


@contextmanager
def output_errors(place: str | os.PathLike[str]) -> Iterator[None]:
    """Turn every OSError inside into an OutputError about ``place``."""
    try:
        yield
    except OSError as problem:
        raise output_error(place, problem) from problem


class NewFile:
    """A file under a hidden name that takes the place of ``path`` when it is complete.

    A device such as ``/dev/null`` is written to directly.

    Args:
        path: what it shall be called.

    Raises:
        OutputError: ``path`` is a folder, or its folder is not there.

    Attributes:
        temporary: where to write.
    """

    def __init__(self, path: Path) -> None:
        self._place = check_file(path)
        if self._place.exists() and not self._place.is_file():
            self.temporary = self._place
        else:
            self.temporary = self._place.with_name(f".{secrets.token_hex(6)}.tmp")

    def publish(self) -> None:
        """Rename it."""
        if self.temporary != self._place:
            self.temporary.replace(self._place)

    def discard(self) -> None:
        """Remove it; ``path`` stays as it was."""
        if self.temporary != self._place:
            with suppress(OSError):
                self.temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The temporary name of a :class:`NewFile`, published at the end, discarded after any exception.

    Raises:
        OutputError: instead of any OSError.
    """
    new = NewFile(path)
    try:
        with output_errors(path):
            yield new.temporary
            new.publish()
    except BaseException:
        new.discard()
        raise
