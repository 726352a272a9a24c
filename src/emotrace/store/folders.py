"""The files of each recognition, in a folder of its own that is there whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from emotrace.errors import OptionError
from emotrace.outputs.writing import output_errors

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{6,62}[a-z0-9]")
_HIDDEN = ".tmp"
_BATCH = 500


def check_id(id: str) -> str:  # noqa: A002
    """An id as it may name a folder.

    Raises:
        OptionError: it may not.

    >>> check_id("../../etc")
    Traceback (most recent call last):
    emotrace.errors.OptionError: the id '../../etc' is none; expected 8 to 64 of a-z, 0-9, _ and -
    """
    if not _ID.fullmatch(id):
        raise OptionError(f"the id {id[:64]!r} is none; expected 8 to 64 of a-z, 0-9, _ and -")
    return id


class Folders:
    """A folder of folders, ``ROOT/AA/ID``, where AA are the last letters of the id.

    Args:
        root: made when the first folder is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, id: str) -> Path:  # noqa: A002
        """Where the files of an id are, or would be.

        Raises:
            OptionError: it is no id.
        """
        return self.root / check_id(id)[-2:] / id

    def write(self, id: str, fill: Callable[[Path], None]) -> tuple[int, bool]:  # noqa: A002
        """Write the files of an id; those that are there already stay.

        Args:
            id: of the recognition.
            fill: writes files into a folder that nobody else sees.

        Returns:
            How many bytes they have, and whether they are new.

        Raises:
            OutputError: they cannot be written; nothing of them is left then.
        """
        place = self.place(id)
        hidden = place.with_name(f".{id}.{secrets.token_hex(4)}{_HIDDEN}")
        with output_errors("recognitions"):
            made = False
            try:
                hidden.mkdir(mode=0o700, parents=True)
                fill(hidden)
                made = _rename(hidden, place)
                return size_of(place), made
            finally:
                if not made:
                    shutil.rmtree(hidden, ignore_errors=True)

    def remove(self, id: str) -> None:  # noqa: A002
        """Remove the files of an id, if there are any.

        Raises:
            OutputError: they cannot be removed.
        """
        remove_tree(self.place(id))

    def sweep(
        self,
        known: Callable[[Collection[str]], Collection[str]],
        older: float = 3600.0,
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        """Remove what crashes left: hidden folders, and those of no recognition.

        Args:
            known: which of some ids are recognitions.
            older: seconds; what is younger may be being written by another server.
            stop: see :func:`~emotrace.store.retention.tidy`.

        Returns:
            How many folders went.
        """
        gone = 0
        before = time.time() - older
        old = (folder for folder in self._all() if _changed(folder) < before)
        while not stop() and (batch := list(islice(old, _BATCH))):
            kept = set(known([folder.name for folder in batch if not _is_hidden(folder)]))
            for folder in batch:
                if folder.name not in kept:
                    shutil.rmtree(folder, ignore_errors=True)
                    gone += not folder.exists()
        return gone

    def _all(self) -> Iterator[Path]:
        with suppress(FileNotFoundError, NotADirectoryError):
            for shelf in sorted(self.root.iterdir()):
                with suppress(FileNotFoundError, NotADirectoryError):
                    yield from (folder for folder in shelf.iterdir() if _is_ours(folder))


def remove_tree(folder: Path) -> None:
    """Remove a folder, if it is there.

    Raises:
        OutputError: it cannot be removed.
    """
    with output_errors(folder.name), suppress(FileNotFoundError):
        shutil.rmtree(folder)


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))


def _rename(hidden: Path, place: Path) -> bool:
    """Give a folder its name, unless one of an earlier try has it, which is not replaced."""
    try:
        hidden.rename(place)
    except OSError:
        if place.is_dir():
            return False
        raise
    return True


def _is_hidden(folder: Path) -> bool:
    return folder.name.startswith(".") and folder.name.endswith(_HIDDEN)


def _is_ours(folder: Path) -> bool:
    named = _is_hidden(folder) or _ID.fullmatch(folder.name) is not None
    return named and folder.is_dir() and not folder.is_symlink()


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return time.time()
