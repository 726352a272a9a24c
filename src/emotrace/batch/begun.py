"""Which recordings threads of this process are reading: a kill leaves what may have ended it."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO


class Begun:
    """A small file that holds the names of what is being read; used from any thread.

    Args:
        path: of the file; removed by :meth:`close`, so only a process that was killed leaves it.

    Attributes:
        left: what was being read when the process before was killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._now: dict[int, str] = {}
        self._file: IO[bytes] | None = None
        self.left: frozenset[str] = frozenset()
        with suppress(OSError, ValueError, TypeError, RecursionError):
            self.left = frozenset(map(str, json.loads(path.read_bytes())))

    def __call__(self, worker: int, file: str) -> None:
        """A worker begins a recording, and has ended the one before.

        Args:
            worker: its number.
            file: path of the recording.
        """
        with self._lock, suppress(OSError):  # a full disk is told by the log
            self._now[worker] = file
            if self._file is None:
                self._file = self._path.open("wb", buffering=0)
            self._file.seek(0)
            self._file.write(json.dumps(list(self._now.values())).encode("ascii"))
            self._file.truncate()

    def close(self) -> None:
        """Nothing is being read any more."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
