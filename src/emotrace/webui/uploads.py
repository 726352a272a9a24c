"""Whose the uploads of the pages are, what their owners call them, and how many bytes each has here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

from emotrace.server.problems import RequestError

MOST_BYTES = 4 * 1024**3
"""Of uploads that are kept at a time."""

SHARE_BYTES = 2 * 1024**3
"""Of those, what one caller may have."""

REMEMBERED = 20_000
"""Uploads whose owner is known."""


class Uploads:
    """Uploaded files and their owners; the oldest are forgotten.

    The same file of two callers is one file here, and each is its owner until they drop it. Outside, a file
    is named relative to the folder, so that nobody is told where that is.

    Args:
        folder: that Gradio puts them in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: OrderedDict[tuple[str, str], str] = OrderedDict()  # by path and owner
        self._shared: set[str] = set()
        self._lock = threading.Lock()

    def path(self, named: str) -> str:
        """The path of what a page names."""
        return f"{self.folder}/{named}" if not named.startswith("/") else named

    def outside(self, path: str) -> str:
        """What a page calls a path."""
        return path.removeprefix(f"{self.folder}/")

    def share(self, path: str) -> None:
        """Let everybody read a file."""
        self._shared.add(path)

    def add(self, path: str, owner: str) -> None:
        """Note that a file is an owner's."""
        with self._lock:
            self._names[path, owner] = Path(path).name
            self._names.move_to_end((path, owner))
            while len(self._names) > REMEMBERED:
                self._names.popitem(last=False)

    def check(self, path: str, owner: str) -> None:
        """Refuse a file that is not the caller's.

        Raises:
            RequestError: ``not-found``.
        """
        if path not in self._shared and (path, owner) not in self._names:
            raise RequestError("not-found", "there is no such file; upload it again")

    def call(self, path: str, owner: str, name: str) -> None:
        """Note what the owner calls a file; Gradio leaves characters out."""
        with self._lock:
            if (path, owner) in self._names:
                self._names[path, owner] = name

    def name(self, path: str, owner: str) -> str:
        """What the owner calls a file."""
        return self._names.get((path, owner)) or Path(path).name

    def drop(self, path: str, owner: str) -> None:
        """Remove a file of an owner, unless it is another's, too."""
        with self._lock:
            self._names.pop((path, owner), None)
            if path in self._shared or any(each == path for each, _ in self._names):
                return
        with suppress(OSError):  # it is gone already
            Path(path).unlink()

    def check_room(self, owner: str) -> None:
        """Refuse uploads that would fill the disk, until older ones were removed.

        Raises:
            RequestError: ``busy``.
        """
        with self._lock:
            pairs = list(self._names)
        if sum(map(_size, self.folder.rglob("*"))) > MOST_BYTES:  # also what did not come to its end
            raise RequestError("busy", "too many uploads are here already; try again in an hour")
        if sum(_size(Path(path)) for path, each in pairs if each == owner) > SHARE_BYTES:
            raise RequestError("busy", "too many uploads of this caller are here; try again in an hour")


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
