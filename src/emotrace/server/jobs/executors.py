"""Which server this is: the same again after a restart, never the same as another that runs."""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from zlib import crc32

from filelock import FileLock, Timeout

from emotrace.outputs.writing import output_errors

_LONGEST_HOST = 100


class Identity:
    """A name that no other running server has, and that a server which starts again gets back.

    The first name of this machine that is free: each is a file in the data folder, locked for as long as its
    process lives, however that ends.

    Args:
        folder: of the data.

    Raises:
        OutputError: the folder cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     first, second = Identity(Path(folder)), Identity(Path(folder))
    ...     names = first.name, second.name
    ...     first.release()
    ...     again = Identity(Path(folder))
    ...     names[0] != names[1], again.name == names[0]
    ...     second.release(), again.release()
    (True, True)
    (None, None)
    """

    def __init__(self, folder: Path) -> None:
        place = folder / "servers"
        with output_errors(place):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            stem = _stem(folder)
            number = 1
            while (lock := _locked(place / f"{stem}-{number}.lock")) is None:
                number += 1
        self.name, self._lock = f"{stem}-{number}", lock

    def release(self) -> None:
        """Leave the name to another."""
        self._lock.release()


class LifeSigns:
    """Tells which servers are dead: those that gave no new sign of life for long, as seen from here.

    No clock is compared with that of another machine. After a time in which nothing could be seen
    (a database that was away, a process that was paused) everybody has the whole time again.

    Args:
        seconds: without a sign until a server is dead.
        clock: seconds.

    >>> time = iter([0.0, 8.0, 16.0]).__next__
    >>> signs = LifeSigns(10.0, time)
    >>> [sorted(signs.dead({"a": beat, "b": "1"}, {"a", "b"})) for beat in "123"]
    [[], [], ['b']]
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._seen: dict[str, tuple[str | None, float]] = {}
        self._looked = float("-inf")

    def dead(self, beats: Mapping[str, str], names: set[str]) -> set[str]:
        """Those of some servers that are dead.

        Args:
            beats: newest sign of life by name.
            names: of the servers.
        """
        now = self._clock()
        if now - self._looked > self._seconds:
            self._seen.clear()
        self._looked = now
        for name in names | beats.keys():
            beat = beats.get(name)
            if name not in self._seen or self._seen[name][0] != beat:
                self._seen[name] = (beat, now)
        for name in self._seen.keys() - names - beats.keys():
            del self._seen[name]
        return {name for name in names if now - self._seen[name][1] > self._seconds}

    def reset(self) -> None:
        """Nothing could be seen for a while."""
        self._seen.clear()


def _stem(folder: Path) -> str:
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:_LONGEST_HOST] or "host"
    place = f"{uuid.getnode():x} {folder.resolve()}"  # hosts of one name, folders of one database
    return f"{host}-{crc32(place.encode('utf-8', 'surrogateescape')):08x}"


def _locked(file: Path) -> FileLock | None:
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock
