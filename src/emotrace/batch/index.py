"""Where everything is, on disk: memory does not grow with the number of inputs.

An SQLite file beside the log, made anew by each run from the log and the inputs, and removed at its end. The
log stays the only truth.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotrace.outputs.writing import output_error, output_errors

PAGE = 500
"""Rows that are in memory at a time."""

_SETTINGS = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -16000;
"""
_TABLE = """
CREATE TABLE logged (key BLOB PRIMARY KEY, offset INTEGER, code TEXT, state TEXT, again INTEGER)
WITHOUT ROWID;
CREATE INDEX place ON logged (offset);
"""


@dataclass(frozen=True, slots=True)
class Logged:
    """Where an entry is.

    Attributes:
        offset: of its line in the log, in bytes.
        code: of the failure; None of a result.
        state: see :class:`~emotrace.batch.jobs.Outcome`.
        again: the next run does it again; see :func:`~emotrace.batch.entries.tried_again`.
    """

    offset: int
    code: str | None
    state: tuple[int, int] | None
    again: bool = False


class Tables:
    """SQL tables in a file that goes when they are closed; used from any thread.

    Args:
        path: of the file; what is there goes. None keeps them in memory.
        script: makes them.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path | None, script: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        if path is not None:
            with output_errors(path):
                path.unlink(missing_ok=True)
        with self._explained():
            self._base = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
            try:
                self._base.executescript(_SETTINGS + script)
                self._base.execute("BEGIN")  # never ended: nothing has to outlive the run
            except BaseException:
                self._base.close()
                raise

    def close(self) -> None:
        """Remove the file."""
        self._base.close()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()

    def rows(self, command: str, values: Sequence[Any] = ()) -> list[Any]:
        """What an SQL command gives.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock, self._explained():
            return self._base.execute(command, values).fetchall()

    def many(self, command: str, values: Iterable[Sequence[Any]]) -> int:
        """Run an SQL command for each of some values; how many rows it changed.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock, self._explained():
            return self._base.executemany(command, values).rowcount

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as problem:
            full = "full" in str(problem)
            code = errno.ENOSPC if full else errno.EIO
            raise output_error(self._path or Path(), OSError(code, str(problem))) from problem


class Index(Tables, Mapping[bytes, Logged]):
    """Where the entry of each key is, in a file; in the order of the log; used from any thread.

    Args:
        path: of the file; what is there goes.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, _TABLE)

    def __getitem__(self, key: bytes) -> Logged:
        command = "SELECT offset, code, state, again FROM logged WHERE key = ?"
        for offset, code, state, again in self.rows(command, (key,)):
            return Logged(offset, code, state_of(state), bool(again))
        raise KeyError(key)

    def __iter__(self) -> Iterator[bytes]:
        command = "SELECT offset, key FROM logged WHERE offset > ? ORDER BY offset LIMIT ?"
        last = -1
        while page := self.rows(command, (last, PAGE)):
            yield from (key for _, key in page)
            last = page[-1][0]

    def __len__(self) -> int:
        return int(self.rows("SELECT count(*) FROM logged")[0][0])

    def put(self, key: bytes, logged: Logged) -> None:
        """The entry of a key is there now.

        Raises:
            OutputError: it cannot be written.
        """
        row = (key, logged.offset, logged.code, state_text(logged.state), logged.again)
        self.rows("INSERT OR REPLACE INTO logged VALUES (?, ?, ?, ?, ?)", row)


def state_text(state: tuple[int, int] | None) -> str | None:
    """A file's size and time as the index compares them.

    >>> state_text((10, 20)), state_of("10 20")
    ('10 20', (10, 20))
    """
    return None if state is None else f"{state[0]} {state[1]}"


def state_of(text: str | None) -> tuple[int, int] | None:
    """The reverse of :func:`state_text`."""
    if text is None:
        return None
    size, changed = text.split()
    return int(size), int(changed)
